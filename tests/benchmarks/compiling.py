"""Times a training step plain and compiled, and the compiling: from how many steps on is that worth it?

    python -m tests.benchmarks.compiling --threads 1 --output results/measurements/compiling-cpu.json

`compiled_from` is the number of steps from which on `worth_compiling` compiles. Nothing is read from the
disk cache, and the compiler is imported beforehand. Draws and augmentation are left out: they cost both sides
the same, and do not change how many seconds a compiled step saves.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._inductor import config

from suite.core.engine.classification import MIN_COMPILED_STEPS, inner_problem, worth_compiling
from suite.core.engine.optimisers import SGD
from suite.core.networks.named import network
from suite.core.seeding import generator
from tests.benchmarks import timing

DIGITS, GREY, COLOUR = (1, 8, 8), (1, 28, 28), (3, 32, 32)
SHAPES = [
    *(("convnet-d2-w16-in", DIGITS, batch) for batch in (10, 50, 256)),
    *(("convnet-d3-w16-in", GREY, batch) for batch in (10, 64, 256)),
    ("convnet-d3-w32-in", GREY, 256),
    *(("convnet-d3-w128-in", COLOUR, batch) for batch in (10, 64)),
    ("resnet18-w16-in", COLOUR, 64),
]

Shape = tuple[str, tuple[int, int, int], int]


def step(shape: Shape, device: torch.device, *, compiled: bool) -> Callable[[], tuple[Tensor, ...]]:
    """Return a step of training on random images."""
    name, pixels, batch = shape
    rule, rng = SGD(0.01, 0.9), generator(0)
    net = network(name, pixels, 10)
    steps = inner_problem(net, rule, compiled=compiled)
    state = rule.start(net.initialise(rng)).to(device)
    images = torch.randn(batch, *pixels, generator=rng).to(device)
    labels = torch.eye(10)[torch.arange(batch) % 10].to(device)
    rate, corrections = state.new_tensor(0.01), state.new_tensor(rule.corrections(1))
    return torch.no_grad()(lambda: steps.forward(state, rate, corrections, images, labels))


def measured(shape: Shape, device: torch.device, repeats: int) -> dict[str, Any]:
    """Return the seconds of both steps and of compiling, and the two numbers of steps."""
    name, pixels, batch = shape
    sides = {"plain": step(shape, device, compiled=False), "compiled": step(shape, device, compiled=True)}
    compiling = timing.seconds(sides["compiled"], device)
    found = timing.compare(sides, device, repeats)
    plain, ours = (found[f"{side}_seconds"]["median"] for side in sides)  # type: ignore[index]
    net = network(name, pixels, 10)
    compiled_from = 1 + bisect_left(
        range(1, MIN_COMPILED_STEPS + 1),
        True,
        key=lambda steps: worth_compiling(net, batch=batch, steps=steps, device=device),
    )
    worth = {"compiling_seconds": compiling, "worth_from": compiling / (plain - ours)}
    return {**found, **worth, "outputs": net.outputs(batch), "compiled_from": compiled_from}


def main() -> None:
    """Measure every shape."""
    given = timing.options(__doc__).parse_args()
    device = timing.device(given.threads)
    config.force_disable_caches = True
    step(("mlp-w2", (1, 1, 2), 4), device, compiled=True)()
    found = dict[str, Any]()
    for shape in SHAPES:
        name, pixels, batch = shape
        found[f"{name} {'x'.join(map(str, pixels))} {batch}"] = measured(shape, device, given.repeats)
        timing.write(given.output, device, found)


if __name__ == "__main__":
    main()
