"""Does everything run on the device? Every method and evaluator once, each in a process of its own.

    python -m tests.benchmarks.gpu.smokes --at-once 4

A method is run at smoke settings with its CUDA graphs and again so, interrupted and resumed, without graphs,
and on the CPU. Graphs change only who launches a step, so all sets but the last should be equal, except for
the order of sums. What a run trains on train is cached, so each run has a fresh folder.
"""

import argparse
import faulthandler
import io
import multiprocessing
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from suite.core.execution import compiling
from suite.core.execution.graphs import CudaCapture, Graphs, Program
from suite.core.precision import multiplying
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Distiller, Evaluator, Method, Scores
from suite.plugins import registry
from suite.plugins.methods.rat_bptt import RaTBPTT, RaTBPTTDistiller
from suite.plugins.smoke import BUDGET, smoke_data, smoke_set, smoke_task
from tests.benchmarks import timing
from tests.benchmarks.gpu.book import Book

PATIENCE = 90.0  # seconds of a check
STEPS = 6  # outer steps at least, if the number can be set: programs are called, captured, then replayed
CPU = torch.device("cpu")


@contextmanager
def uncaptured() -> Iterator[None]:
    """Run programs without CUDA graphs."""
    with patch.object(Graphs, "on", classmethod(lambda cls, device, seen=None: cls())):
        yield


@contextmanager
def captures() -> Iterator[list[str]]:
    """Collect the pools of the programs that are captured."""
    pools, capture = list[str](), CudaCapture.__call__

    def counted(self: CudaCapture, program: Program, pool: str) -> Program:
        replay = capture(self, program, pool)
        pools.append(pool)
        return replay

    with patch.object(CudaCapture, "__call__", counted):
        yield pools


def difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the norm of the difference, relative to that of `expected`, over all tensors."""
    one, other = (
        torch.cat([x[name].detach().double().cpu().flatten() for name in expected]) for x in (found, expected)
    )
    return float((one - other).norm() / other.norm())


def check_method(name: str, device: torch.device) -> dict[str, Any]:
    """Return how the sets of the runs differ."""
    cls = registry.method(name)
    more = {"steps": max(STEPS, cls.smoke["steps"])} if "steps" in cls.smoke else {}
    method = registry.configure(cls, {**cls.smoke, **more}, where=f"{name}.smoke")
    with captures() as pools:
        found = made(method, device)
    others = {"again": made(method, device), "resumed": made(method, device, interrupted=True)}
    if device != CPU:
        with uncaptured():
            others["without graphs"] = made(method, device)
        others["on the cpu"] = made(method, CPU)
    same = {f"difference {key}": difference(found.tensors, other.tensors) for key, other in others.items()}
    finite = all(bool(value.isfinite().all()) for value in found.tensors.values())
    return {"captured": len(pools), "finite": finite, **same}


def made(method: Method, device: torch.device, *, interrupted: bool = False) -> SyntheticSet:
    """Return the set of a whole run."""
    with fresh_caches():
        train = smoke_data().to(device)
        method.check(train, BUDGET)
        run = method.start(train, BUDGET, seed=0)
        for step in range(run.steps):
            if interrupted and step == run.steps // 2:
                run = resumed(run, method.start(train, BUDGET, seed=0))
            run.step()
        return run.synthetic()


def resumed(run: Distiller, fresh: Distiller) -> Distiller:
    """Return a fresh run with the state of another, written and read as a checkpoint."""
    file = io.BytesIO()
    torch.save(run.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    return fresh


def check_evaluator(name: str, device: torch.device) -> dict[str, Any]:
    """Return the scores of a set of real images, and the largest difference to those of other ways."""
    cls = registry.evaluator(name)
    evaluator = registry.configure(cls, cls.smoke, where=f"{name}.smoke")
    others = dict[str, Scores]()
    with captures() as pools:
        found = scored(evaluator, device)
    if device != CPU:
        with uncaptured():
            others["without graphs"] = scored(evaluator, device)
        others["on the cpu"] = scored(evaluator, CPU)
    same = {f"difference {key}": largest_difference(found, other) for key, other in others.items()}
    return {"captured": len(pools), **same, "scores": found.values}


def scored(evaluator: Evaluator, device: torch.device) -> Scores:
    """Return the scores of the smoke set."""
    with fresh_caches():
        return evaluator.evaluate(smoke_set().to(device), smoke_task().to(device), seed=0)


def largest_difference(found: Scores, expected: Scores) -> float:
    """Return the largest difference of two values of one score, the seconds left out."""
    pairs = ((found.values[name], values) for name, values in expected.values.items() if name != "seconds")
    return max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))


def check_meta_gradient(name: str, device: torch.device) -> dict[str, Any]:
    """Return the relative difference of a meta-gradient in float64 on the device and, uncompiled, on the CPU.

    name: "compiled" or "uncompiled", on the device.
    """
    settings: dict[str, Any] = {"network": "convnet-d2-w8-in", "unroll": 40, "window": 20, "real_batch": 100}
    method, found = RaTBPTT(**settings, truncation="fixed", initial="real"), dict[str, dict[str, Tensor]]()
    for place in (device, CPU):
        data = smoke_data()
        train = replace(data, images=data.images.double()).to(place)
        with patch.object(compiling, "_allowed", name == "compiled" and place != CPU):
            run = method.start(train, BUDGET, seed=0)
            assert isinstance(run, RaTBPTTDistiller)
            for _ in range(3):
                run.step()
        images = run.last.gradients[0]
        assert images.dtype == torch.float64
        found[place.type] = {"images": images, "loss": run.last.loss}
    return {"difference in float64, third step": difference(found[device.type], found["cpu"])}


@contextmanager
def fresh_caches() -> Iterator[None]:
    """Let data and trainings be cached in a fresh folder."""
    with TemporaryDirectory() as folder, patch.dict(os.environ, {"RATBENCH_DATA": folder}):
        yield


CHECKS: dict[str, Callable[[str, torch.device], dict[str, Any]]] = {
    "method": check_method,
    "evaluator": check_evaluator,
    "meta-gradient": check_meta_gradient,
}


def main() -> None:
    """Check everything, some at once; nothing of this process touches the device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-once", type=int, default=4)
    given, book = parser.parse_args(), Book("smokes")
    torch.set_num_threads(1)
    smoke_task()  # read before the processes fork
    waiting = [("meta-gradient", "compiled"), ("meta-gradient", "uncompiled")]
    waiting += [(kind, name) for kind in ("evaluator", "method") for name in registry.names(kind)]
    with TemporaryDirectory() as stacks:
        check_all(waiting, given.at_once, book, Path(stacks))
    book.put("all checked", True)


def check_all(waiting: list[tuple[str, str]], at_once: int, book: Book, stacks: Path) -> None:
    """Check each in a process of its own; one that takes too long leaves where it was in `stacks`."""
    running = dict[str, tuple[Any, float]]()
    while waiting or running:
        while waiting and len(running) < at_once:
            key = "{} {}".format(*waiting[0])
            words = book, stacks / key, *waiting.pop(0)
            process = multiprocessing.get_context("fork").Process(target=_child, args=words)
            process.start()
            running[key] = process, time.monotonic() + PATIENCE
        time.sleep(0.05)
        for key, (process, end) in [*running.items()]:
            if late := process.is_alive() and time.monotonic() > end:
                process.kill()
            elif process.is_alive():
                continue
            process.join()
            if process.exitcode:
                reason = f"took more than {PATIENCE:.0f} s" if late else f"ended with {process.exitcode}"
                book.put(f"{key}: failed", f"its process {reason}: {(stacks / key).read_text()[:3000]}")
            del running[key]


def _child(book: Book, stack: Path, kind: str, name: str) -> None:
    started, device, file = time.perf_counter(), timing.device(1), stack.open("w")
    faulthandler.enable(file)
    faulthandler.dump_traceback_later(PATIENCE - 5, file=file)
    with warnings.catch_warnings(record=True) as caught, multiplying("float32"):
        warnings.simplefilter("always", UserWarning)
        try:
            found = CHECKS[kind](name, device)
        except Exception:
            found = {"failed": traceback.format_exc()[-3000:]}
    said = sorted({f"{each.category.__name__}: {str(each.message)[:300]}" for each in caught})
    told = {"warnings": said} if said else {}
    key = f"{kind} {name}{': failed' if 'failed' in found else ''}"
    book.put(key, {**found, **told, "seconds": time.perf_counter() - started})


if __name__ == "__main__":
    main()
