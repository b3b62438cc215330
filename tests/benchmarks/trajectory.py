"""Times an outer step of trajectory matching against plain MTT, side by side; on a GPU also its memory.

    python -m tests.benchmarks.trajectory S M L --output results/measurements/trajectory-cpu.json

Plain MTT, written anew, keeps one autograd graph over all synthetic steps, as the authors' code does. Both
draw minibatches, augment them, and update the images and the learning rate. Each starts at random parameters
and is to reach others: which costs what experts cost.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from unittest.mock import patch

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from suite.core.distilling.experts import Experts
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from tests.benchmarks import timing
from tests.benchmarks.official import DSA, augmented, fresh_convnet

METHOD = import_module("suite.plugins.methods.mtt").METHOD
IMAGE_LR = 1e-9  # the images stay what they are: their gradients towards random parameters are huge


@dataclass(frozen=True)
class Shape:
    """An outer step: network width, image shape, images per class, synthetic steps."""

    width: int
    shape: tuple[int, int, int]
    ipc: int
    syn_steps: int


SHAPES = {
    "tiny": Shape(8, (1, 28, 28), 1, 3),
    "S": Shape(32, (1, 28, 28), 1, 20),
    "M": Shape(64, (3, 32, 32), 1, 50),
    "L": Shape(128, (3, 32, 32), 10, 6),
    "cifar10-ipc1": Shape(128, (3, 32, 32), 1, 50),
    "cifar10-ipc10": Shape(128, (3, 32, 32), 10, 30),
}


def train(shape: Shape, device: torch.device) -> Examples:
    """Return as many random images as the synthetic set starts from."""
    images = torch.randn(10 * shape.ipc, *shape.shape, generator=generator(0, "benchmark"))
    return Examples(images, torch.arange(10).repeat(shape.ipc), 10).to(device)


def ours(shape: Shape, device: torch.device) -> Callable[[], Tensor]:
    """Return the method's outer step."""
    name = f"convnet-d3-w{shape.width}-in"
    start = network(name, shape.shape, 10).initialise(generator(0))
    known = Experts((torch.stack([start, start + 0.01]),), 0.0)
    settings = {"syn_steps": shape.syn_steps, "expert_epochs": 1, "max_start_epoch": 1, "image_lr": IMAGE_LR}
    with patch("suite.plugins.methods.mtt.experts", lambda *_: known):
        method = METHOD(network=name, experts=1, **settings)
        run = method.start(train(shape, device), Budget(shape.ipc), seed=0)

    def step() -> Tensor:
        found: Tensor = run.step()["outer_loss"]
        return found

    return step


def plain(shape: Shape, device: torch.device) -> Callable[[], Tensor]:
    """Return plain MTT's outer step: the gradient of images and rate through one graph."""
    module = fresh_convnet(shape.width, shape.shape, 10, device)
    names, parts = zip(*module.named_parameters(), strict=True)
    start = torch.cat([part.detach().flatten() for part in parts])
    target, lr = start + 0.01, torch.tensor(0.01, device=device, requires_grad=True)
    real = train(shape, device)
    images = real.images.clone().requires_grad_()
    optimisers = [torch.optim.SGD([images], lr=IMAGE_LR, momentum=0.5), torch.optim.SGD([lr], lr=1e-5)]

    def logits(flat: Tensor, seen: Tensor) -> Tensor:
        pieces = flat.split([part.numel() for part in parts])
        views = {name: piece.view_as(part) for name, piece, part in zip(names, pieces, parts, strict=True)}
        found: Tensor = functional_call(module, views, (seen,))
        return found

    def step() -> Tensor:
        student = start.clone().requires_grad_()
        for _ in range(shape.syn_steps):
            rows = torch.randperm(len(images), device=device)
            loss = cross_entropy(logits(student, augmented(DSA, images[rows])), real.labels[rows])
            student = student - lr * torch.autograd.grad(loss, student, create_graph=True)[0]
        left = (student - target).square().sum() / (start - target).square().sum()
        for optimiser in optimisers:
            optimiser.zero_grad()
        left.backward()
        for optimiser in optimisers:
            optimiser.step()
        return left.detach()

    return step


def main() -> None:
    """Run the named shapes and write what was measured."""
    parser = timing.options(__doc__)
    parser.add_argument("shapes", nargs="+", choices=SHAPES)
    given = parser.parse_args()
    device, found = timing.device(given.threads), dict[str, object]()
    for name in given.shapes:
        shape = SHAPES[name]
        row = timing.compare(
            {"plain": plain(shape, device), "ours": ours(shape, device)}, device, given.repeats
        )
        found[name] = {"shape": asdict(shape), **row}
        print(name, row["ratio"], row["peak_bytes"], flush=True)  # noqa: T201
        timing.write(given.output, device, found)


if __name__ == "__main__":
    main()
