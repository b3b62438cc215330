"""Retraining of twenty networks: side by side, one after another, in a stack, and in a plain loop.

    python -m tests.benchmarks.gpu.evaluator --ipc 1

The recipe is dsa-1000's on sets of Fashion-MNIST's shape, for fewer epochs. The plain loop trains one
network, and `times as fast` compares seconds a network. A stack computes all networks in one program:
`grouped` by convolutions with a group for each network, `bmm` by batched products with patches.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.engine import classification
from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import LayerwiseLoss
from suite.core.engine.steps import Training
from suite.core.execution import compiling
from suite.core.execution.compiling import Compiled
from suite.core.execution.graphs import Graphs
from suite.core.execution.transfer import send
from suite.core.networks import layers
from suite.core.networks.layers import Lowering
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.training.augment import AugmentParams, apply_each, augmentation
from suite.core.training.fit import fit_each
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES
from tests.benchmarks import timing
from tests.benchmarks.gpu.book import TINY, Book
from tests.benchmarks.gpu.engine import profiled, variant
from tests.benchmarks.retraining import SHAPE, plain

WIDTH, COPIES = (4, 2) if TINY else (128, 20)
AHEAD = 16  # steps in a program
PROFILED = 2 if TINY else 4  # networks: a profile of all has too many kernels
DSA = augmentation("dsa")


class Stack:
    """All networks in one program, with parameters of shape (copies, rows, size)."""

    def __init__(self, jobs: Sequence[TrainingJob], *, bmm: bool) -> None:
        self.jobs, self.device, recipe = jobs, jobs[0].images.device, jobs[0].recipe
        self.rule = recipe.optimiser_at(recipe.lr)
        with ExitStack() as stack:
            if bmm:  # products with patches for all convolutions, not those of few inputs alone
                stack.enter_context(patch.object(layers, "_FEW", 2**30))
            self.net = network(f"convnet-d3-w{WIDTH}-in", SHAPE, 10, Lowering(decomposed=True, patches=bmm))
        self.one = InnerProblem(LayerwiseLoss(self.net), cross_entropy, self.rule)
        forward = Compiled(self._forward, "the step of a stack")

        def step(*inputs: Tensor) -> tuple[Tensor, ...]:
            with patch.object(layers, "_NARROW", 2**30) if bmm else ExitStack():
                return forward(*inputs)

        self.training = Training(cast(InnerProblem, SimpleNamespace(forward=step)), Graphs.on(self.device))

    def _forward(self, state: Tensor, lr: Tensor, corrections: Tensor, *batch: Tensor) -> tuple[Tensor, ...]:
        axes = 0, None, None, *(0 for _ in batch)
        return torch.func.vmap(self.one.forward, axes)(state, lr, corrections, *batch)

    @torch.no_grad()
    def train(self) -> None:
        """Train all networks."""
        starts = [self.net.initialise(generator(job.seed, "initialisation")) for job in self.jobs]
        lrs, *starts = send([torch.tensor(self.jobs[0].lr_schedule), *starts], self.device)
        self.training.start(torch.stack([self.rule.start(start) for start in starts]))
        corrections = self.one.corrections(len(lrs), lrs)
        for first, batch in zip(range(0, len(lrs), AHEAD), self._batches(), strict=True):
            own = slice(first, first + AHEAD)
            self.training.take(lrs[own], corrections[own], batch, room=AHEAD)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and targets (steps, copies, n, …); the copies have one set."""
        rngs = [generator(job.seed, "augmentation") for job in self.jobs]
        steps = zip(*(job.rows() for job in self.jobs), strict=True)
        while ahead := list(islice(steps, AHEAD)):
            params = [
                DSA.sample(len(own), rng) for step in ahead for own, rng in zip(step, rngs, strict=True)
            ]
            rows, *uniform = send(
                [torch.stack([torch.stack(step) for step in ahead]), *(each.uniform for each in params)],
                self.device,
            )
            params = [AugmentParams(x.operation, own) for x, own in zip(params, uniform, strict=True)]
            images = self.jobs[0].images[rows].flatten(0, 1)
            yield apply_each(DSA, images, params).unflatten(0, rows.shape[:2]), self.jobs[0].targets[rows]


def main() -> None:
    """Compile, wait for the turn, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ipc", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--stacks", action="store_true", help="measure stacks and single networks, too")
    parser.add_argument("--variant", choices=["", "tuned", "patches"], default="")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--name", default="evaluator")
    given = parser.parse_args()
    book, device = Book(given.name), timing.device(1)
    classification.MIN_COMPILED_STEPS = 0  # compiled, as all 1000 epochs of 20 copies are
    compiling.allow(not TINY)
    with variant(given.variant):
        measure(given, book, device)
    book.put("measured", True)


def measure(given: argparse.Namespace, book: Book, device: torch.device) -> None:
    """Compile, wait for the turn, measure all sides, and ours for the whole recipe."""
    epochs = 2 if TINY else given.epochs
    sides, began = all_sides(given.ipc, device, epochs, stacks=given.stacks), time.perf_counter()
    for name, side in [*sides.items()]:
        with book.attempt(f"compiling {name}"):
            side()
            continue
        del sides[name]  # it failed
    book.put("ready after seconds, compiled", time.perf_counter() - began)
    until = book.turn()
    facts = {"networks": COPIES, "epochs": epochs, "width": WIDTH, "ipc": given.ipc}
    with book.attempt("all sides"):
        for found in timing.rounds(sides, device, 2 if TINY else 7, until=until):
            ratio = found.get("ratio") or found["ratio_to_plain"]
            assert isinstance(ratio, dict)
            times = {name: COPIES * value for name, value in ratio.items()}
            book.put("all sides", {**facts, **found, "times as fast": times})
    with book.attempt("the whole recipe"):
        whole = all_sides(given.ipc, device, 2 * epochs if TINY else RECIPES["dsa-1000"].epochs)["ours"]
        book.put("the whole recipe: seconds", timing.seconds(whole, device))
    if given.profile:
        with book.attempt("profile"):
            few = all_sides(given.ipc, device, epochs, copies=PROFILED)["ours"]
            book.put(f"profile of {PROFILED} side by side", profiled(few, device))


def all_sides(
    ipc: int, device: torch.device, epochs: int, *, copies: int = COPIES, stacks: bool = False
) -> dict[str, Callable[[], Any]]:
    """Return the ways to train all networks, the plain loop for one of them; the last one is ours."""
    images = torch.randn(10, ipc, *SHAPE, generator=generator(0, "benchmark"))
    synthetic = SyntheticSet(images, one_hot(10, ipc)).to(device)
    recipe = dataclasses.replace(RECIPES["dsa-1000"], epochs=epochs)
    jobs = [TrainingJob.on_set(synthetic, recipe, seed) for seed in range(copies)]
    net = network(f"convnet-d3-w{WIDTH}-in", SHAPE, 10)
    sides: dict[str, Callable[[], Any]] = {"plain": lambda: plain(synthetic, WIDTH, epochs, 1, loader=False)}
    if stacks:
        sides["grouped"] = Stack(jobs, bmm=False).train
        sides["bmm"] = Stack(jobs, bmm=True).train
        sides["alone"] = lambda: list(fit_each(net, jobs, at_once=1))
    return {**sides, "ours": lambda: list(fit_each(net, jobs))}


if __name__ == "__main__":
    main()
