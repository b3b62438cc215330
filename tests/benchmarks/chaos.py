"""Runs a small grid under faults that a seed draws, and compares it with an undisturbed run.

    python -m tests.benchmarks.chaos --faults 1000 --seed 0 --output results/measurements/chaos.json
    python -m tests.benchmarks.chaos --seed 0 --episode 17        # one episode again, with what it says
    python -m tests.benchmarks.chaos --ray --faults 20 --output results/measurements/chaos-ray.json

With --output it goes on where it stopped: each episode is drawn from the seed and its own number.
"""

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import torch

from tests.benchmarks import timing
from tests.support.chaos import clusters
from tests.support.chaos.campaign import FAULTS, Campaign, Episode, campaign, kinds

COUNTS = {
    "lost": ("lost", "a record without its set", "not as undisturbed"),
    "finished and done again": ("finished, and done again",),
    "wrong": ("wrong",),
}
"""What problems are counted as, by how they begin."""


def begun(output: Path | None, seed: int, costs: Mapping[str, str]) -> dict[str, Any]:
    """Return what was measured so far. costs: what each kind may cost."""
    if output and output.exists():
        found: dict[str, Any] = json.loads(output.read_text())
        if found["seed"] != seed:
            raise SystemExit(f"{output} has seed {found['seed']}; choose another --output")
        return found
    by_kind = {name: {"faults": 0, "may cost": cost} for name, cost in costs.items()}
    counts = dict.fromkeys(("episodes", "faults", "problems", *COUNTS, "outer steps taken again"), 0)
    return {"seed": seed, **counts, "seconds": 0.0, "CPU seconds": 0.0, "problem": [], "kinds": by_kind}


def add(found: dict[str, Any], episode: Episode, seconds: float, cpu: float) -> None:
    """Add an episode to what was measured."""
    found["episodes"] += 1
    found["faults"] += episode.faults.total()
    found["problems"] += len(episode.problems)
    for name, beginnings in COUNTS.items():
        found[name] += sum(each.startswith(beginnings) for each in episode.problems)
    found["outer steps taken again"] += episode.repeated
    found["seconds"] += seconds
    found["CPU seconds"] += cpu
    if episode.problems:
        found["problem"].append(
            {"episode": episode.number, "problems": [each[:500] for each in episode.problems]}
        )
    for name, count in episode.faults.items():
        found["kinds"][name]["faults"] += count


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + used.ru_utime + used.ru_stime


def tell(episode: Episode) -> None:
    """Print an episode whose seed and schedule somebody needs."""
    print(f"{episode.command}\n\n" + "\n".join(episode.told))  # noqa: T201
    print("\n".join(["", *episode.problems] if episode.problems else ["", "no problem"]))  # noqa: T201
    sys.stdout.flush()


def run(made: Campaign, given: argparse.Namespace) -> bool:
    """Run episodes until there are enough faults; return whether nothing was wrong."""
    if given.episode is not None:
        one = clusters.episode(made, given.episode) if given.ray else made.episode(given.episode)
        tell(one)
        return not one.problems
    costs = {kind.name: kind.cost for kind in kinds()}
    costs = dict.fromkeys(clusters.KINDS, "one checkpoint interval") if given.ray else costs
    found, end = begun(given.output, given.seed, costs), monotonic() + given.time_limit
    while found["faults"] < given.faults and monotonic() < end:
        started, cpu = monotonic(), cpu_seconds()
        number, left = found["episodes"], given.faults - found["faults"]
        episode = clusters.episode(made, number) if given.ray else made.episode(number, min(FAULTS, left))
        add(found, episode, monotonic() - started, cpu_seconds() - cpu)
        if episode.problems:
            tell(episode)
        if given.output:
            found["provenance"] = timing.machine(torch.device("cpu"))
            given.output.write_text(json.dumps(found, indent=1) + "\n")
    shown = {name: value for name, value in found.items() if name not in ("kinds", "provenance")}
    print(json.dumps(shown))  # noqa: T201
    return not found["problems"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ray", action="store_true", help="on a local Ray, in real processes")
    parser.add_argument("--episode", type=int, help="run this one only, and print what happens")
    parser.add_argument(
        "--time-limit", type=float, default=float("inf"), help="seconds; then go on by --output"
    )
    parser.add_argument("--output", type=Path, help="a JSON file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, campaign(Path(folder), given.seed) as made:
        sound = run(made, given)
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
