"""Times an outer step of the engine against the official scheme, side by side; on a GPU also its memory.

    python -m tests.benchmarks.outer_step S M L --output results/measurements/outer-step-cpu.json

Shapes are synthetic-set shapes of the papers; the images are random, which costs the same. On a CPU
memory.py measures memory, since here the compiler's own peak would hide the engine's.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.meta_gradient import meta_gradient
from suite.core.engine.optimisers import Adam
from suite.core.engine.truncation import Window
from suite.core.networks.named import network
from suite.core.precision import Precision, multiplying
from suite.core.seeding import generator
from tests.benchmarks import timing
from tests.benchmarks.official import convnet, outer_step


@dataclass(frozen=True)
class Shape:
    """An outer step: network width, image shape, synthetic images, steps, real batch."""

    width: int
    shape: tuple[int, int, int]
    images: int
    before: int
    window: int
    real: int


SHAPES = {
    "S": Shape(32, (1, 28, 28), 10, 10, 20, 256),
    "M": Shape(64, (3, 32, 32), 10, 10, 40, 512),
    "L": Shape(128, (3, 32, 32), 100, 3, 6, 512),
    "cifar10-ipc10": Shape(128, (3, 32, 32), 100, 70, 60, 5000),
    "cifar10-ipc1": Shape(128, (3, 32, 32), 10, 70, 60, 5000),
}


class Problem:
    """One shape with random images, as both schemes see it."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        rng = generator(0, "benchmark")
        self.shape, self.device = shape, device
        self.images = torch.randn(shape.images, *shape.shape, generator=rng).to(device).requires_grad_()
        self.targets = torch.eye(10).repeat(shape.images // 10, 1).to(device)
        real = torch.randn(shape.real, *shape.shape, generator=rng)
        self.real = real.to(device), torch.randint(10, (shape.real,), generator=rng).to(device)

    def official(self) -> Callable[[], Tensor]:
        """Return the official scheme's outer step."""
        shape = self.shape
        padding = 3 if shape.shape == (1, 28, 28) else 1
        module = convnet(shape.width, shape.shape[0], 10, padding=padding).to(self.device)
        return lambda: outer_step(
            module, self.images, self.targets, self.real, before=shape.before, window=shape.window
        )

    def engine(self, precision: Precision, *, compiled: bool = True) -> Callable[[], Tensor]:
        """Return the engine's outer step."""
        shape = self.shape
        net = network(f"convnet-d3-w{shape.width}-in", shape.shape, 10)
        problem = inner_problem(net, Adam(1e-3), precision=precision, compiled=compiled)
        start = net.initialise(generator(0), self.device)

        def step() -> Tensor:
            with multiplying(precision):
                found = meta_gradient(
                    problem,
                    start,
                    [self.images],
                    lambda _: (self.images, self.targets),
                    chunks(*self.real),
                    window=Window(shape.before, shape.window),
                )
            return found.gradients[0]

        return step


def compare(shape: Shape, device: torch.device, precision: Precision, repeats: int) -> dict[str, object]:
    """Interleave both schemes; return seconds, their ratios, and memory."""
    problem = Problem(shape, device)
    sides = {"official": problem.official(), "engine": problem.engine(precision)}
    found = timing.compare(sides, device, repeats)
    return {"shape": asdict(shape), "precision": precision, **found}


def main() -> None:
    """Run the named shapes and write what was measured."""
    parser = timing.options(__doc__)
    parser.add_argument("shapes", nargs="+", choices=SHAPES)
    parser.add_argument("--precision", nargs="+", default=["float32"])
    given = parser.parse_args()
    device, found = timing.device(given.threads), dict[str, object]()
    for name in given.shapes:
        for precision in given.precision:
            row = compare(SHAPES[name], device, precision, given.repeats)
            found[f"{name} {precision}"] = row
            print(name, precision, row["ratio"], row["peak_bytes"], flush=True)  # noqa: T201
            timing.write(given.output, device, found)


if __name__ == "__main__":
    main()
