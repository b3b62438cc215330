"""On a real GPU: code that is compiled, replayed or side by side gives the numbers of plain code."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.meta_gradient import StackedBatches, meta_gradient
from suite.core.engine.optimisers import Adam
from suite.core.engine.truncation import Window
from suite.core.execution import compiling
from suite.core.execution.graphs import Graphs
from suite.core.networks.named import network
from suite.core.precision import Precision, declared_products, multiplying
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Examples
from suite.core.training.fit import fit_each
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES
from suite.plugins import registry

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

GPU = torch.device("cuda", 0)
NET = network("convnet-d2-w8-in", (3, 16, 16), 10)
WINDOW = Window(5, 4)
ERRORS: dict[Precision, float] = {"float32": 1e-4, "tf32": 0.05, "bf16": 0.3}
"""The error of a meta-gradient relative to its norm, at most; on a CPU 6e-7 in float32 and 0.1 in bf16."""


@contextmanager
def strictly(precision: Precision = "float32") -> Iterator[None]:
    """Products round as declared, and what cannot be compiled or captured is an error."""
    with warnings.catch_warnings(), declared_products(), multiplying(precision):
        warnings.filterwarnings("error", message="no CUDA graph|.* is not compiled")
        yield


def meta_gradients(
    device: torch.device, precision: Precision, kind: torch.dtype, *, compiled: bool
) -> list[Tensor]:
    """Return those of four outer steps; a GPU calls, captures and replays them in turn."""
    size = WINDOW.length
    problem = inner_problem(
        NET, Adam(0.001), compiled=compiled, device=device, precision=precision, window=size
    )

    def gradient(number: int) -> Tensor:
        rng = generator(number)
        images = torch.randn(20, *NET.shape, generator=rng).to(device, kind).requires_grad_()
        labels = one_hot(10, 2).flatten(0, 1).to(images)
        rows = torch.stack([torch.randperm(20, generator=rng)[:10] for _ in range(WINDOW.before + size)])
        real = torch.randn(300, *NET.shape, generator=rng).to(images), (torch.arange(300) % 10).to(device)

        def make(steps: range) -> tuple[Tensor, Tensor]:
            own = rows[steps.start : steps.stop].to(device)
            return images[own], labels[own]

        start = NET.initialise(rng).to(images)
        found = meta_gradient(problem, start, [images], StackedBatches(make), chunks(*real), window=WINDOW)
        return found.gradients[0].cpu().double()

    return [gradient(number) for number in range(4)]


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("precision", ERRORS)
def test_meta_gradients_are_those_of_a_cpu(precision: Precision, compiled: bool) -> None:
    expected = meta_gradients(torch.device("cpu"), "float32", torch.float64, compiled=False)
    with strictly(precision):
        found = meta_gradients(GPU, precision, torch.float32, compiled=compiled)
    for ours, exact in zip(found, expected, strict=True):
        assert (ours - exact).norm() <= ERRORS[precision] * exact.norm()


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_networks_side_by_side_are_as_if_alone(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.core.training.fit.worth_compiling", lambda *_, **__: compiled)
    images, recipe = torch.randn(10, 2, *NET.shape, generator=generator(0)), RECIPES["rat-bptt-1000"]
    synthetic = SyntheticSet(images, one_hot(10, 2)).to(GPU)
    jobs = [TrainingJob.on_set(synthetic, replace(recipe, steps=70), seed) for seed in range(5)]
    with strictly():
        alone, together = (list(fit_each(NET, jobs, at_once=count)) for count in (1, 5))
    for one, other in zip(together, alone, strict=True):
        assert (one - other).norm() <= 1e-2 * other.norm()
    assert (alone[0] - alone[1]).norm() > 0.1 * alone[0].norm()


@pytest.mark.parametrize("name", ["dc", "dm", "idc", "mtt", "rat_bptt"])
def test_a_replayed_run_is_a_called_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_allowed", False)
    cls = registry.find("method", name)
    changes = {"networks": 3} if name == "rat_bptt" else {}
    method = registry.configure(cls, {**cls.smoke, **changes}, where=name)
    images = torch.randn(300, 1, 8, 8, generator=generator(0))
    train = Examples(images, torch.arange(300) % 10, 10).to(GPU)

    def learned() -> tuple[Tensor, Tensor]:
        run = method.start(train, Budget(1), seed=0)
        before = run.synthetic().images
        for _ in range(run.steps):
            run.step()
        return before, run.synthetic().images

    with strictly():
        before, found = learned()
        monkeypatch.setattr(Graphs, "on", lambda device, seen=None: Graphs())
        _, expected = learned()
    assert (found - expected).norm() <= 0.1 * (expected - before).norm()


def test_a_failed_capture_leaves_the_gpu_usable() -> None:
    failing, value = Graphs.on(GPU), torch.ones(1000, device=GPU)

    def program() -> None:
        large = torch.zeros(2**28, device=GPU)
        failing.hold("sum", value + float(value.sum()) + large[0])

    def reserved() -> int:
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    before = reserved()
    with pytest.warns(UserWarning, match="no CUDA graph of sum"):
        for _ in range(3):
            failing.run("sum", program)
    assert failing["sum"][0] == 1001 and reserved() < before + 2**28
    graphs = Graphs.on(GPU)

    def double() -> None:
        graphs.hold("double", value * 2)

    with strictly():
        for _ in range(3):
            graphs.run("double", double)
    assert graphs["double"].sum() == 2000
