"""What the machine can do at most: launches, transfers, products, copies.

python -m tests.benchmarks.gpu.ceilings
"""

import os
import statistics
import time
from collections.abc import Callable

import torch

from suite.core.execution.graphs import Graphs
from suite.core.networks.named import network
from suite.core.precision import Precision, multiplying
from tests.benchmarks import timing
from tests.benchmarks.gpu.book import TINY, Book

Call = Callable[[], object]


def main() -> None:
    """Measure all, what needs the least time first."""
    book, device = Book("ceilings"), timing.device(1)
    book.put("machine", {**timing.machine(device), "cpus": os.cpu_count(), "memory": _memory(device)})
    for measure in (launches, graphs, transfers, host_draws, products, copies):
        with book.attempt(measure.__name__):
            for key, value in measure(device).items():
                book.put(key, value)
    book.put("clocks after products", timing.gpu_facts())


def launches(device: torch.device) -> dict[str, object]:
    """Return what a small eager kernel costs."""
    value = torch.zeros(16, device=device)
    return {"eager add": per_call(lambda: value + 1, 500)}


def graphs(device: torch.device) -> dict[str, object]:
    """Return what a CUDA graph costs: for each kernel, one after another, and to launch it."""
    replays, value = Graphs.on(device), torch.zeros(16, device=device)

    def chain(length: int) -> None:
        result = value
        for _ in range(length):
            result = result + 1

    found = {}
    for length in (1, 200):
        found[length] = per_call(lambda length=length: replays.run(length, lambda: chain(length)), 20)  # type: ignore[misc]
    kernel = (found[200]["us_in_all"] - found[1]["us_in_all"]) / 199
    return {"graph of one kernel": found[1], "graph of 200 kernels": found[200], "us a kernel": kernel}


def transfers(device: torch.device) -> dict[str, object]:
    """Return what it costs to send ten rows of augmentation, and a network."""
    rows, net = torch.zeros(10, 3), torch.zeros(320_000)
    found: dict[str, object] = {"from pageable memory, (10, 3)": per_call(lambda: rows.to(device), 200)}
    if device.type == "cuda":
        for name, value in (("(10, 3)", rows), ("(320000,)", net)):
            key, pinned = f"from pinned memory, {name}", value.pin_memory()
            found[key] = per_call(lambda x=pinned: x.to(device, non_blocking=True), 200)  # type: ignore[misc]
    return found


def host_draws(device: torch.device) -> dict[str, object]:
    """Return the milliseconds of an outer step's largest draws on the host."""
    net, rng = network("convnet-d3-w128-in", (3, 32, 32), 10), torch.Generator()
    draws = {
        "randperm(50000)": lambda: torch.randperm(50_000, generator=rng),
        "initial parameters": lambda: net.initialise(rng),
    }
    return {f"{name}: ms": per_call(draw, 5)["us_in_all"] / 1000 for name, draw in draws.items()}


def products(device: torch.device) -> dict[str, object]:
    """Return TFLOP/s of a large product of random matrices."""
    size, found = 256 if TINY else 8192, {}
    kinds: tuple[tuple[Precision, torch.dtype], ...] = (
        ("float32", torch.float32),
        ("tf32", torch.float32),
        ("bf16", torch.bfloat16),
    )
    for precision, kind in kinds:
        with multiplying(precision):
            one, other = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
            took = per_call(lambda a=one, b=other: a @ b, 5)["us_in_all"]  # type: ignore[misc]
            found[f"{precision} product: TFLOP/s"] = 2 * size**3 / took / 1e6
    return {**found}


def copies(device: torch.device) -> dict[str, object]:
    """Return TB/s of a large copy, counting bytes read and written."""
    source = torch.randn(2**16 if TINY else 2**29, device=device)
    target = torch.empty_like(source)
    return {"copy: TB/s": 2 * source.nbytes / per_call(lambda: target.copy_(source), 5)["us_in_all"] / 1e6}


def per_call(call: Call, calls: int, repeats: int = 5) -> dict[str, float]:
    """Return microseconds of a call among many: until the host goes on, and in all."""
    for _ in range(3):
        call()
    _wait()
    queued, whole = list[float](), list[float]()
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        queued.append(1e6 * (time.perf_counter() - started) / calls)
        _wait()
        whole.append(1e6 * (time.perf_counter() - started) / calls)
    return {"us_until_queued": statistics.median(queued), "us_in_all": statistics.median(whole)}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _memory(device: torch.device) -> tuple[int, int] | None:
    return torch.cuda.mem_get_info() if device.type == "cuda" else None


if __name__ == "__main__":
    main()
