"""Measures what commands take on stores of many records: time, and peak memory.

    python -m tests.benchmarks.stores 10000 100000 --output results/measurements/stores-cpu.json

A store has sets of four settings of each method on eight tasks at three sizes with five seeds, six
evaluations of each set, and curves of 100 points: see `tests/support/large_store.py`.
"""

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks import timing
from tests.support.large_store import fill, varied
from tests.support.usage import measured


def commands(store: Path, folder: Path) -> dict[str, list[object]]:
    """Return the commands that are measured, by their names."""
    return {
        "status": ["status", store],
        "leaderboard": ["leaderboard", store],
        "leaderboard with plots": ["leaderboard", store, "--output", folder / "board.md"],
        "list artefacts": ["list", "artefacts", store],
        "compare": ["compare", store, "--method", "method_000", "--method", "method_001"],
        "atlas": ["atlas", store, "--output", folder / "atlas.md"],
        "merge": ["merge", store, "--output", folder / "merged"],
        "site": ["site", store, "--output", folder / "site"],
    }


def main() -> None:
    """Measure all commands on stores of so many records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", type=int)
    parser.add_argument("--load", default="nothing else ran", help="what else ran on the machine")
    parser.add_argument("--output", type=Path, required=True)
    given, found = parser.parse_args(), dict[int, dict[str, object]]()
    for records in given.records:
        with tempfile.TemporaryDirectory() as name:
            folder, found[records] = Path(name), {}
            fill(folder / "store", varied(records))
            for name, words in commands(folder / "store", folder).items():
                found[records][name] = measured(words)
                timing.write(given.output, timing.device(2), {"load": given.load, "records": found})


if __name__ == "__main__":
    main()
