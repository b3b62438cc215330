"""What the benchmarks share: sides that take turns in one process, and the file of the results.

All sides of a comparison run under the same TF32 flags, which the file states: torch's default would let
convolutions of one side round to TF32 while the engine multiplies in float32.
"""

import argparse
import gc
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from math import inf
from pathlib import Path

import torch

from suite.core.precision import Precision, multiplying
from suite.experiments.provenance import provenance
from suite.experiments.resources import Resources

Step = Callable[[], object]

WARM = {"cpu": 1, "cuda": 3}
"""Calls of a side before it is timed. On a GPU the first compiles, the second captures, the third replays."""

GPU_FACTS = "driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit"


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


def compare(
    sides: Mapping[str, Step], place: torch.device, repeats: int, *, precision: Precision = "float32"
) -> dict[str, object]:
    """Take steps of the sides in turn; return seconds, ratios to the last side, which is ours, and memory."""
    *_, found = rounds(sides, place, repeats, precision=precision)
    return found


def rounds(
    sides: Mapping[str, Step],
    place: torch.device,
    repeats: int,
    *,
    precision: Precision = "float32",
    until: float = inf,
) -> Iterator[dict[str, object]]:
    """Yield what `compare` returns after each round.

    precision: that of the TF32 flags; until: no round begins after this `time.time()`, except the first.
    """
    flagged = {name: multiplying(precision)(run) for name, run in sides.items()}
    facts = {"arithmetic": arithmetic(precision), "peak_bytes": memory(flagged, place)}
    taken = list[dict[str, float]]()
    while len(taken) < repeats and (time.time() < until or not taken):
        taken.append({name: seconds(run, place) for name, run in flagged.items()})
        yield {"repeats": len(taken), **_summary(taken), **facts}


def _summary(taken: list[dict[str, float]]) -> dict[str, object]:
    *others, ours = taken[0]
    ratios = {name: spread([each[name] / each[ours] for each in taken]) for name in others}
    return {
        **{f"{name}_seconds": spread([each[name] for each in taken]) for name in taken[0]},
        **{"ratio" if len(others) == 1 else f"ratio_to_{name}": ratio for name, ratio in ratios.items()},
    }


def arithmetic(precision: Precision) -> dict[str, object]:
    """Return the precision and the TF32 flags under which all sides run."""
    with multiplying(precision):
        products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    return {"precision": precision, "matmul.allow_tf32": products, "cudnn.allow_tf32": convolutions}


def seconds(run: Step, place: torch.device) -> float:
    """Return what one call takes by the wall clock."""
    gc.collect()
    started = time.perf_counter()
    run()
    if place.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def memory(sides: Mapping[str, Step], place: torch.device) -> dict[str, dict[str, int]]:
    """Warm up each side; return the bytes by which a GPU's memory grew meanwhile at most.

    reserved: with unused parts of blocks, and with the pools of CUDA graphs, which `allocated` leaves out.
    """
    return {name: found for name, run in sides.items() if (found := warm_up(run, place))}


def warm_up(run: Step, place: torch.device) -> dict[str, int]:
    """Call a side before it is timed; return what `memory` returns for it, on a CPU nothing."""
    if place.type == "cpu":
        run()
        return {}
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for _ in range(WARM[place.type]):
        run()
    torch.cuda.synchronize()
    after = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return dict(
        zip(("allocated", "reserved"), (b - a for a, b in zip(before, after, strict=True)), strict=True)
    )


def spread(values: list[float]) -> dict[str, float]:
    """Return min, median and max."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def machine(place: torch.device) -> dict[str, object]:
    """Return the code, versions and device, and a GPU's driver and clocks."""
    resources = Resources(torch.get_num_threads(), float(place.type == "cuda"))
    facts: dict[str, object] = provenance(resources).model_dump(mode="json")
    return facts if place.type == "cpu" else {**facts, **gpu_facts()}


def gpu_facts() -> dict[str, object]:
    """Return a GPU's driver and clocks as `nvidia-smi` tells them, and the versions of CUDA and cuDNN."""
    words = ["nvidia-smi", f"--query-gpu={GPU_FACTS}", "--format=csv,noheader"]
    try:
        told = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True).stdout
        known = dict(zip(GPU_FACTS.split(","), told.strip().split(", "), strict=False))
    except (OSError, subprocess.SubprocessError) as error:
        known = {"failed": str(error)}
    return {"nvidia-smi": known, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}


def write(output: Path, place: torch.device, found: Mapping[str, object]) -> None:
    """Write what was found so far, with where it was."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"provenance": machine(place), **found}, indent=1) + "\n")
