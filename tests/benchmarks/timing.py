"""What the benchmarks share: one side against another in turn in one process, and the file of the results."""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from suite.experiments.provenance import provenance
from suite.experiments.resources import Resources

Step = Callable[[], object]


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True)
    return parser


def device(threads: int) -> torch.device:
    """Return where to measure: a GPU if there is one, else so many threads of the CPU."""
    torch.set_num_threads(threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compare(sides: Mapping[str, Step], place: torch.device, repeats: int) -> dict[str, object]:
    """Take steps of two sides in turn: seconds of each, how often as fast the second is, a GPU's memory."""
    for run in sides.values():
        run()  # compile, and warm up
    memory = {name: peak(run, place) for name, run in sides.items()} if place.type == "cuda" else {}
    taken = [{name: seconds(run, place) for name, run in sides.items()} for _ in range(repeats)]
    theirs, ours = sides
    return {
        "repeats": repeats,
        **{f"{name}_seconds": spread([each[name] for each in taken]) for name in sides},
        "ratio": spread([each[theirs] / each[ours] for each in taken]),
        "peak_bytes": memory,
    }


def seconds(run: Step, place: torch.device) -> float:
    """Return what one call takes by the wall clock."""
    gc.collect()
    started = time.perf_counter()
    run()
    if place.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def peak(run: Step, place: torch.device) -> int:
    """Return by how many bytes a GPU's memory peaked above where it stood."""
    gc.collect()
    resources = _resources(place)
    resources.reset_peak_memory()
    before = torch.cuda.memory_allocated()
    run()
    return resources.peak_memory_bytes() - before


def spread(values: list[float]) -> dict[str, float]:
    """Return min, median and max."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def _resources(place: torch.device) -> Resources:
    return Resources(torch.get_num_threads(), float(place.type == "cuda"))


def write(output: Path, place: torch.device, found: Mapping[str, object]) -> None:
    """Write what was found so far, with where it was."""
    output.parent.mkdir(parents=True, exist_ok=True)
    facts = {"provenance": provenance(_resources(place)).model_dump(mode="json"), **found}
    output.write_text(json.dumps(facts, indent=1) + "\n")
