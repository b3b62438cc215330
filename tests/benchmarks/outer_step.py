"""Times an outer step of RaT-BPTT against the official scheme, side by side; on a GPU also its memory.

    python -m tests.benchmarks.outer_step S M L --output results/measurements/outer-step-cpu.json

Both take whole steps: a fresh network, minibatches and their augmentation, a real batch drawn from all of
train, the meta-gradient and the update of the images. In bf16 the official scheme runs under torch's
autocast. Shapes are those of the papers; the images are random, which costs the same. On a CPU memory.py
measures memory, since here the compiler's own peak would hide the engine's.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from suite.core.precision import Precision
from suite.core.seeding import generator
from suite.core.spec import Budget, Distiller, Examples
from suite.plugins.methods.rat_bptt import RaTBPTT
from tests.benchmarks import timing
from tests.benchmarks.official import OfficialRun, Window


@dataclass(frozen=True)
class Shape:
    """An outer step: network width, image shape, synthetic images, steps, real batch, images of train."""

    width: int
    shape: tuple[int, int, int]
    images: int
    before: int
    window: int
    real: int
    train: int = 50_000


GREY, COLOUR = (1, 28, 28), (3, 32, 32)
SHAPES = {
    "tiny": Shape(4, COLOUR, 10, 2, 3, 16, train=100),
    "S": Shape(32, GREY, 10, 10, 20, 256, train=60_000),
    "M": Shape(64, COLOUR, 10, 10, 40, 512),
    "L": Shape(128, COLOUR, 100, 3, 6, 512),
    "cifar10-ipc1": Shape(128, COLOUR, 10, 70, 60, 5000),
    "cifar10-ipc10": Shape(128, COLOUR, 100, 70, 60, 5000),
}


class Problem:
    """One shape with random images, as both schemes see it."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.shape, rng = shape, generator(0, "benchmark")
        images = torch.randn(shape.train, *shape.shape, generator=rng)
        self.train = Examples(images, torch.arange(shape.train) % 10, 10).to(device)

    def official(self, precision: Precision) -> OfficialRun:
        """Return a run of the official scheme."""
        shape = self.shape
        return OfficialRun(
            self.train,
            shape.images // 10,
            width=shape.width,
            window=Window(shape.before, shape.window),
            real=shape.real,
            precision=precision,
        )

    def engine(self, precision: Precision, **changes: Any) -> Distiller:
        """Return a run of this package; changes: of its settings."""
        shape = self.shape
        settings: dict[str, Any] = {
            "network": f"convnet-d3-w{shape.width}-in",
            "truncation": "fixed",  # as many steps in every outer step
            "unroll": shape.before + shape.window,
            "window": shape.window,
            "real_batch": shape.real,
            "precision": precision,
        }
        return RaTBPTT(**{**settings, **changes}).start(self.train, Budget(shape.images // 10), seed=0)


def compare(shape: Shape, device: torch.device, precision: Precision, repeats: int) -> dict[str, object]:
    """Interleave both schemes; return seconds, their ratios, and memory."""
    problem = Problem(shape, device)
    sides = {"official": problem.official(precision).step, "engine": problem.engine(precision).step}
    found = timing.compare(sides, device, repeats, precision=precision)
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
