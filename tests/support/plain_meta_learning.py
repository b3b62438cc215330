"""RaT-BPTT's meta-gradient as one autograd graph, and its outer steps in plain PyTorch: an oracle in float64.

It shares the suite's random streams, so that it draws what a distiller draws, and its networks; inner
training, differentiation, clipping and updates are written anew.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.engine.truncation import place_window
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch
from suite.core.spec import Examples
from suite.core.training.augment import augmentation

NAME = "convnet-d1-w4-none"


def double(broken: Sequence[int] = ()) -> Examples:
    """Return 30 random images of three classes in float64; those at the rows `broken` are not finite."""
    images = torch.randn(30, 1, 4, 4, generator=generator(1), dtype=torch.float64)
    images[list(broken)] = torch.nan
    return Examples(images, torch.arange(30) % 3, 3)


class PlainMetaLearning:
    """The meta-gradients of a method with `window` (or `unroll`) and `schedule`, one outer step at a time."""

    def __init__(self, method: Any, train: Examples, *, seed: int = 0) -> None:
        self.method, self.train = method, train
        self.network = network(method.network, train.shape, train.classes)
        names = ("window", "networks", "minibatches", "real batches", "augmentation")
        self.rngs = {name: generator(seed, name) for name in names}
        self.window, self.steps = (0, 0), 0

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the outer loss and its gradients for images and labels (classes, n, …)."""
        method = self.method
        if self.steps % method.redraw_every == 0:
            unroll, window = method.unroll, method.max_window
            if getattr(method, "growing", False):  # each length for as many outer steps, as far as they go
                unroll = window + int((unroll - window + 1) * self.steps / method.steps)
            placed = place_window(method.schedule, unroll=unroll, window=window, rng=self.rngs["window"])
            self.window = placed.before, placed.length
        self.steps += 1
        found = [self._one(images, labels) for _ in range(method.networks)]
        losses, gradients = zip(*found, strict=True)
        means = [torch.stack(values).mean(0) for values in zip(*gradients, strict=True)]
        return torch.stack(losses).mean(), means

    def _one(self, images: Tensor, labels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        method, augment = self.method, augmentation(self.method.augment)
        (before, length), (classes, size) = self.window, images.shape[:2]
        minibatch = Minibatch(method.per_class, method.inner_classes)
        batches = []
        for _ in range(before + length):
            rows = minibatch.sample(classes, size, self.rngs["minibatches"])
            batches.append((rows, augment.sample(len(rows), self.rngs["augmentation"])))
        parameters = self.network.initialise(self.rngs["networks"])
        real = self.train.take(self.train.sample_rows(method.real_batch, self.rngs["real batches"]))
        seen = augment.apply(real.images, augment.sample(len(real), self.rngs["augmentation"]))
        leaves = images.clone().requires_grad_(), labels.clone().requires_grad_()
        state = parameters.double(), torch.zeros(()).double(), torch.zeros(()).double()
        for step, (rows, params) in enumerate(batches):
            kept = step >= before
            if not kept:
                state = tuple(value.detach() for value in state)  # type: ignore[assignment]
            flat = augment.apply(leaves[0].flatten(0, 1)[rows], params), leaves[1].flatten(0, 1)[rows]
            start = state[0] if state[0].requires_grad else state[0].clone().requires_grad_()
            loss = cross_entropy(self.network.logits(start, flat[0]), flat[1])
            (gradient,) = torch.autograd.grad(loss, start, create_graph=kept)
            if method.inner_optimiser == "sgd":
                velocity = 0.9 * state[1] + gradient
                state = start - method.inner_lr * velocity, velocity, state[2]
                continue
            inside = kept and method.eps_inside
            state = adam((start, *state[1:]), gradient, method.inner_lr, step + 1, eps_inside=inside)
        outer = cross_entropy(self.network.logits(state[0], seen), real.labels)
        return outer.detach(), torch.autograd.grad(outer, leaves)


def adam(
    state: tuple[Tensor, Tensor, Tensor], gradient: Tensor, lr: float, step: int, *, eps_inside: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return parameters and moments after a step of Adam, whose root has no derivative at 0.

    eps_inside: add eps to the root before the bias correction, as `higher` does.
    """
    parameters, mean, square = state
    mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient.square()
    moves = square > 0
    root = torch.where(moves, torch.where(moves, square, 1.0).sqrt(), 0.0)
    correction = (1 - 0.999**step) ** 0.5
    divisor = (root + 1e-8) / correction if eps_inside else root / correction + 1e-8
    change = mean / (1 - 0.9**step) / divisor
    return parameters - lr * change, mean, square


class PlainClip:
    """A gradient no longer than `factor` average norms, an average that takes in the new norm first."""

    def __init__(self, factor: float) -> None:
        self.factor, self.average = factor, 0.0

    def __call__(self, gradient: Tensor) -> Tensor:
        """Return the clipped gradient."""
        norm = float(gradient.norm())
        self.average = 0.9 * self.average + 0.1 * norm if self.average else norm
        return gradient * min(1.0, self.factor * self.average / norm)
