"""Unrolls whose programs are replayed, as on a GPU, give what unrolls give whose programs are called."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import Batch
from suite.core.engine.optimisers import SGD, Adam, Optimiser
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import Given, MetaGradient, Unroll
from suite.core.execution.graphs import KEPT, Graphs
from suite.core.networks.named import network
from suite.core.seeding import generator
from tests.support.replays import Captures

NET = network("convnet-d1-w4-in", (1, 8, 8), 3)
IMAGES, TARGETS = 6, torch.eye(3).repeat(2, 1)


class Outer:
    """Outer steps on learned images and labels: fresh draws, networks and real images in each."""

    def __init__(self, rule: Optimiser, *, keeps: bool, learn_labels: bool = True) -> None:
        compiled = inner_problem(NET, rule, compiled=True)  # of layers that are differentiated one by one
        self.problem = InnerProblem(compiled.inner, compiled.outer, rule, max_kept_bytes=2**30 * keeps)
        self.learn_labels = learn_labels

    def given(self, number: int, window: Window) -> tuple[Given, Tensor]:
        rng = generator(number)
        images = torch.randn(IMAGES, *NET.shape, generator=rng).requires_grad_()
        labels = TARGETS.clone().requires_grad_(self.learn_labels)
        count = window.before + window.length
        rows = torch.stack([torch.randperm(IMAGES, generator=rng)[:4] for _ in range(count)])
        factors = torch.rand(count, 1, 1, 1, 1, generator=rng)

        def make(slots: range) -> Batch:
            own = slice(window.before + slots.start, window.before + slots.stop)
            return images[rows[own]] * factors[own], labels[rows[own]]

        inputs = (images, labels) if self.learn_labels else (images,)
        lr = torch.tensor(0.01 * (number + 1))
        start = NET.initialise(rng)
        corrections = self.problem.corrections(count, start)
        return Given(inputs, make, self.real(rng), window, lr, corrections), start

    def real(self, rng: torch.Generator) -> Iterator[Batch]:
        yield from chunks(torch.randn(70, *NET.shape, generator=rng), torch.arange(70) % 3)


def values(found: MetaGradient) -> list[Tensor]:
    return [found.loss, *found.gradients, found.lr, found.state_sums]


@pytest.mark.parametrize("rule", [Adam(0.01), SGD(0.1, 0.9)], ids=["adam", "sgd"])
@pytest.mark.parametrize("keeps", [False, True], ids=["recomputed", "kept"])
@pytest.mark.parametrize("ahead", [1, 3, 16])
def test_a_replayed_unroll_gives_the_same_bits(rule: Optimiser, ahead: int, keeps: bool) -> None:
    outer, captures = Outer(rule, keeps=keeps), Captures()
    replayed = Unroll(outer.problem, Graphs(captures), ahead)
    for number in range(4):
        window = Window(5 - number, 7)
        ours = replayed.run(*outer.given(number, window), window.length)
        plain = Unroll(outer.problem, Graphs(), ahead).run(*outer.given(number, window), window.length)
        for one, other in zip(values(ours), values(plain), strict=True):
            assert torch.equal(one, other)
    # The steps of the window, the way back, the outer loss, and parts of the steps before the window.
    assert captures.pools.count(KEPT) == 7 and len(captures.pools) >= 7 + 7 + 1 + (ahead == 1)


def test_windows_of_changing_length_are_replayed() -> None:
    outer = Outer(Adam(0.01), keeps=True, learn_labels=False)
    replayed = Unroll(outer.problem, Graphs(Captures()), 3)
    for number, length in enumerate((2, 5, 1, 5, 8, 3, 8, 8)):
        window = Window(number % 3, length)
        ours = replayed.run(*outer.given(number, window), length)
        plain = Unroll(outer.problem, Graphs(), 3).run(*outer.given(number, window), length)
        for one, other in zip(values(ours), values(plain), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("ahead", [2, 4, 16])
def test_batches_made_together_change_only_rounding(ahead: int) -> None:
    outer, window = Outer(Adam(0.01), keeps=True), Window(5, 7)
    together, alone = (Unroll(outer.problem, Graphs(), size) for size in (ahead, 1))
    ours, theirs = (one.run(*outer.given(0, window), window.length) for one in (together, alone))
    for one, other in zip(values(ours), values(theirs), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


def test_what_was_found_stays_when_programs_run_again() -> None:
    outer, window = Outer(SGD(0.1), keeps=True), Window(2, 3)
    replayed = Unroll(outer.problem, Graphs(Captures()), 2)
    for number in range(4):
        found = replayed.run(*outer.given(number, window), window.length)
        before = [value.clone() for value in values(found)]
        replayed.run(*outer.given(number + 9, window), window.length)
        assert all(torch.equal(one, other) for one, other in zip(values(found), before, strict=True))
