"""Times an outer step of gradient and distribution matching against a plain loop over classes.

    python -m tests.benchmarks.matching --output results/measurements/matching-cpu.json

The loop is what the authors' code does, written anew: torch's layers, one class after another, real images
picked from a permutation of the class, augmentation drawn on the device. Both sides take whole steps with a
fresh network: for DC one update of the images, DSA off; for DM one step under DSA. The images are random,
which costs the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from suite.core.seeding import generator
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.dc import DC
from suite.plugins.methods.dm import DM
from tests.benchmarks import timing
from tests.benchmarks.official import DSA, drawn, fresh_convnet


@dataclass(frozen=True)
class Shape:
    """A step: network width, image shape, classes, images per class, real images per class."""

    width: int
    shape: tuple[int, int, int] = (1, 28, 28)
    classes: int = 10
    ipc: int = 1
    real: int = 64


SHAPES = {
    "tiny": Shape(4, ipc=2, real=4),
    "w16-ipc1": Shape(16),
    "w16-ipc10": Shape(16, ipc=10),
    "w32-ipc1": Shape(32),
    "w32-ipc10-rgb": Shape(32, (3, 32, 32), ipc=10),
    "w128-ipc1": Shape(128, ipc=1),
    "paper-ipc1": Shape(128, (3, 32, 32), real=256),
    "paper-ipc10": Shape(128, (3, 32, 32), ipc=10, real=256),
    "paper-100-classes": Shape(128, (3, 32, 32), classes=100, ipc=10, real=256),
}
CPU = ("w16-ipc1", "w16-ipc10", "w32-ipc1", "w32-ipc10-rgb", "w128-ipc1")


class Problem:
    """One shape with random images, as both sides see it."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        rng, count = generator(0, "benchmark"), shape.classes * max(300, shape.real)
        self.shape, self.device, self.name = shape, device, f"convnet-d3-w{shape.width}-in"
        images = torch.randn(count, *shape.shape, generator=rng).to(device)
        self.train = Examples(images, torch.arange(count).to(device) % shape.classes, shape.classes)
        self.rows = self.train.by_class()
        self.images = torch.randn(shape.classes, shape.ipc, *shape.shape, generator=rng).to(device)
        self.images.requires_grad_()

    def dc(self) -> Distiller:
        """Return DC of this package, one update of the images a step."""
        method = DC(network=self.name, real_batch=self.shape.real, outer_loop=1, inner_loop=1)
        return method.start(self.train, Budget(self.shape.ipc), seed=0)

    def dm(self) -> Distiller:
        """Return DM of this package."""
        method = DM(network=self.name, real_batch=self.shape.real, initial="noise")
        return method.start(self.train, Budget(self.shape.ipc), seed=0)

    def gradient_loop(self) -> Callable[[], None]:
        """Return the loop's step of DC."""
        optimiser = torch.optim.SGD([self.images], lr=0.1, momentum=0.5)

        def step() -> None:
            network = self._network()
            weights, loss = list(network.parameters()), torch.zeros((), device=self.device)
            for label, real in enumerate(self._real()):
                target = torch.autograd.grad(self._loss(network, real, label), weights)
                found = torch.autograd.grad(
                    self._loss(network, self.images[label], label), weights, create_graph=True
                )
                loss = loss + sum(map(distance, found, target), start=torch.zeros_like(loss))
            advance(optimiser, loss)

        return step

    def distribution_loop(self) -> Callable[[], None]:
        """Return the loop's step of DM."""
        optimiser = torch.optim.SGD([self.images], lr=1.0, momentum=0.5)

        def step() -> None:
            embed, loss = self._network()[:-1].requires_grad_(False), torch.zeros((), device=self.device)
            for label, real in enumerate(self._real()):
                shared = drawn(DSA, 1, self.device)
                target = embed(DSA.apply(real, shared)).detach().mean(0)
                found = embed(DSA.apply(self.images[label], shared)).mean(0)
                loss = loss + (target - found).square().sum()
            advance(optimiser, loss)

        return step

    def _network(self) -> nn.Sequential:
        return fresh_convnet(self.shape.width, self.shape.shape, self.shape.classes, self.device)

    def _real(self) -> Iterator[Tensor]:
        for rows in self.rows:
            yield self.train.images[rows[torch.randperm(len(rows))[: self.shape.real].to(self.device)]]

    def _loss(self, network: nn.Module, images: Tensor, label: int) -> Tensor:
        labels = torch.full((len(images),), label, device=self.device)
        loss: Tensor = cross_entropy(network(images), labels)
        return loss


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Return 1 - cosine summed over the rows of a weight's gradients; of other parameters 0."""
    if one.ndim == 1:
        return one.new_zeros(())
    one, other = one.flatten(1), other.flatten(1)
    lengths = one.norm(dim=1) * other.norm(dim=1)
    total: Tensor = (1 - (one * other).sum(1) / (lengths + 1e-6)).sum()
    return total


def advance(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take the step, and read the loss as a log would."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    loss.item()


def main() -> None:
    """Run the named shapes and write what was measured."""
    parser = timing.options(__doc__)
    parser.add_argument("shapes", nargs="*", default=CPU)
    given = parser.parse_args()
    if wrong := set(given.shapes) - set(SHAPES):
        parser.error(f"unknown shapes {sorted(wrong)}; known: {', '.join(SHAPES)}")
    device, found = timing.device(given.threads), dict[str, object]()
    for name in given.shapes:
        problem = Problem(SHAPES[name], device)
        sides = {
            "dc": (problem.gradient_loop(), problem.dc().step),
            "dm": (problem.distribution_loop(), problem.dm().step),
        }
        rows = {
            method: timing.compare({"loop": loop, "ours": ours}, device, given.repeats)
            for method, (loop, ours) in sides.items()
        }
        found[name] = {"shape": asdict(SHAPES[name]), **rows}
        print(name, {method: row["ratio"] for method, row in rows.items()}, flush=True)  # noqa: T201
        timing.write(given.output, device, found)


if __name__ == "__main__":
    main()
