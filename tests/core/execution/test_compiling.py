"""Compiled pieces give what the plain ones give; what does not compile runs all the same."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.meta_gradient import meta_gradient
from suite.core.engine.optimisers import Adam
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient
from suite.core.execution import compiling
from suite.core.execution.compiling import Compiled
from suite.core.networks.named import Shape, network
from suite.core.seeding import generator


@pytest.mark.parametrize(
    ("max_kept_bytes", "shape", "before"),
    [(2**20, (1, 8, 8), 0), (0, (3, 8, 8), 2)],  # each part that is compiled takes seconds
    ids=["kept", "recomputed, in colour"],
)
def test_a_compiled_meta_gradient_is_the_plain_one(max_kept_bytes: int, shape: Shape, before: int) -> None:
    name = "convnet-d1-w4-in"
    rng = generator(0)
    images = torch.randn(4, *shape, generator=rng, dtype=torch.float64).requires_grad_()
    real = torch.randn(40, *shape, generator=rng, dtype=torch.float64), torch.arange(40) % 2

    def found(compiled: bool) -> MetaGradient:
        net = network(name, shape, 2)
        problem = inner_problem(net, Adam(), compiled=compiled)
        start = net.initialise(generator(1)).double()
        targets = torch.eye(2, dtype=torch.float64).repeat(2, 1)
        return meta_gradient(
            replace(problem, max_kept_bytes=max_kept_bytes),
            start,
            [images],
            lambda _: (images, targets),
            chunks(*real),
            window=Window(before, 3),
        )

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*is not compiled.*")
        ours, plain = found(True), found(False)
    assert torch.allclose(ours.loss, plain.loss, rtol=1e-10)
    assert (ours.gradients[0] - plain.gradients[0]).norm() <= 1e-8 * plain.gradients[0].norm()


def test_few_numbers_may_lie_anywhere_on_a_gpu() -> None:
    """Inductor takes from the example's place whether an input lies at a multiple of 16 bytes."""
    for shape in ((), (2,)):
        example = compiling._example(torch.zeros(shape, device="meta"))
        assert example.shape == shape and example.storage_offset() == 1
        assert compiling._example(torch.ones(shape)).storage_offset() == 0
    many = torch.zeros(3, 5, device="meta").t()
    assert compiling._example(many).stride() == (1, 5) and not compiling._example(many).storage_offset()


def test_what_cannot_be_compiled_runs_as_it_is_and_says_so_once() -> None:
    def doubled(x: Tensor) -> tuple[Tensor, ...]:
        return (x * (2 if x.sum() > 0 else 3),)  # a branch on data

    run = Compiled(doubled, "the doubling")
    with pytest.warns(UserWarning, match="the doubling is not compiled and runs slower: ") as caught:
        assert run(torch.ones(2))[0].tolist() == [2, 2]
    assert run(-torch.ones(2))[0].tolist() == [-3, -3]
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


@pytest.mark.parametrize("wrapped", [False, True])
def test_too_little_memory_is_no_failure_of_the_compiler(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell fails with `oom`, where it would run slowly without compiled steps."""

    def full(*_: object) -> NoReturn:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except torch.OutOfMemoryError as error:
            if wrapped:
                raise RuntimeError("inductor failed") from error
            raise

    monkeypatch.setattr(compiling, "_inductor", full)
    run = Compiled(lambda x: (x + 1,), "the sum")
    with pytest.raises(RuntimeError, match="inductor failed" if wrapped else "CUDA out of memory"):
        run(torch.ones(2))


def test_what_was_compiled_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by this object alone, but on the disk, where the next process looks too."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))

    def hits() -> int:
        # Asked for anew each time: the first compilation of a process replaces the counter.
        found: int = counters["inductor"]["fxgraph_cache_hit"]
        return found

    def run() -> list[float]:
        values: list[float] = Compiled(lambda x: (x.sin() + 1,), "the sine")(torch.zeros(3))[0].tolist()
        return values

    assert run() == [1, 1, 1]
    kept, before = list(tmp_path.glob("fxgraph/**/*")), hits()
    assert kept and run() == [1, 1, 1]
    assert hits() == before + 1 and list(tmp_path.glob("fxgraph/**/*")) == kept


def test_nothing_is_compiled_where_that_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function itself runs at each call, and nothing is written for the compiler."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    calls: list[torch.Tensor] = []

    def plus_one(x: torch.Tensor) -> tuple[torch.Tensor]:
        calls.append(x)
        return (x + 1,)

    compiling.allow(False)
    try:
        run, given = Compiled(plus_one, "the sum"), [torch.ones(1), torch.zeros(1)]
        assert [run(x)[0].tolist() for x in given] == [[2], [1]]
    finally:
        compiling.allow(True)
    assert all(seen is x for seen, x in zip(calls, given, strict=True))
    assert not (tmp_path / "cache").exists()
