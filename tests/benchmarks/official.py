"""RaT-BPTT as its authors run it, written anew: `higher`, one graph over the window.

The ConvNet of torch's layers (GroupNorm with a group per channel), torch's Adam made differentiable by
`higher`, the real batch in one piece. Numbers are drawn on the device.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import higher
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from suite.core.precision import Precision
from suite.core.spec import Examples
from suite.core.training.augment import AugmentParams, OneOf

FLIP_ROTATE = OneOf(("flip", "rotate"))
DSA = OneOf(("color", "crop", "cutout", "flip", "scale", "rotate"))


class Window(NamedTuple):
    """Inner steps before the window and in it."""

    before: int
    length: int


def convnet(width: int, channels: int, classes: int, *, padding: int, depth: int = 3) -> nn.Sequential:
    """Return the field's ConvNet for images that `padding` brings to 32x32."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, 3, padding=padding), nn.GroupNorm(width, width)]
        layers += [nn.ReLU(), nn.AvgPool2d(2)]
        channels, padding = width, 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (32 >> depth) ** 2, classes))


def fresh_convnet(width: int, shape: Sequence[int], classes: int, device: torch.device) -> nn.Sequential:
    """Return a ConvNet for images of this shape, drawn on the device."""
    with device:
        return convnet(width, shape[0], classes, padding=(32 - shape[-1]) // 2 + 1)


def drawn(family: OneOf, count: int, device: torch.device) -> AugmentParams:
    """Draw an operation, and its numbers for `count` images on the device."""
    operation = family.operations[int(torch.randint(len(family.operations), ()))]
    return AugmentParams(operation, torch.rand(count, 3, device=device))


def augmented(family: OneOf, images: Tensor) -> Tensor:
    """Return images under one operation, each with its own numbers."""
    return family.apply(images, drawn(family, len(images), images.device))


def casting(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Round operands of products as the engine does in this precision: in bf16 torch's autocast does."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


class OfficialRun:
    """A run of RaT-BPTT with a fixed window, without a log."""

    def __init__(
        self, train: Examples, ipc: int, *, width: int, window: Window, real: int, precision: Precision
    ) -> None:
        self.train, self.device, self.precision = train, train.images.device, precision
        self.width, self.window, self.real = width, window, real
        noise = torch.randn(train.classes * ipc, *train.shape, device=self.device)
        self.images = (noise / noise.flatten(1).norm(dim=1)[:, None, None, None]).requires_grad_()
        self.targets = torch.eye(train.classes, device=self.device).repeat_interleave(ipc, 0)
        self.optimiser = torch.optim.Adam([self.images], lr=1e-3)
        self.average = torch.zeros((), device=self.device)  # of the gradient's norm
        self.count = 0

    def step(self) -> Tensor:
        """Take an outer step with a fresh network and a real batch of all of train; return its loss."""
        network = fresh_convnet(self.width, self.train.shape, self.train.classes, self.device)
        optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
        for _ in range(self.window.before):
            optimiser.zero_grad()
            self._loss(network, self.images.detach(), self.targets).backward()
            optimiser.step()
        rows = torch.randperm(len(self.train), device=self.device)[: self.real]
        real, labels = self.train.images[rows], self.train.labels[rows]
        with higher.innerloop_ctx(network, optimiser, copy_initial_weights=True) as (functional, steps):
            for _ in range(self.window.length):
                steps.step(self._loss(functional, self.images, self.targets))
            loss = self._loss(functional, real, labels)
            (gradient,) = torch.autograd.grad(loss, self.images)
        self._update(gradient)
        return loss.detach()

    def _loss(self, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        with casting(self.precision, self.device):
            loss: Tensor = cross_entropy(network(augmented(FLIP_ROTATE, images)), targets)
        return loss

    def _update(self, gradient: Tensor) -> None:
        """Take a step of Adam; the gradient's norm is at most twice its running average."""
        norm = gradient.norm()
        self.average = norm if self.count == 0 else 0.9 * self.average + 0.1 * norm
        self.count += 1
        self.images.grad = gradient * (2 * self.average / norm).clamp(max=1)
        self.optimiser.step()
