"""Times retraining under the recipe `dsa` against a plain loop over copies, side by side.

    python -m tests.benchmarks.retraining 1 10 --output results/measurements/retraining-cpu.json

The plain loop is what the field's code does: torch's layers and SGD, a DataLoader that shuffles, one
network after another; augmentation is drawn on the device. It is timed with its DataLoader and without, on a
few epochs: an epoch costs the same from the first to the last. All sides draw fresh networks, minibatches and
augmentation. The set has random images of Fashion-MNIST's shape, which cost the same.
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from suite.core.engine import classification
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.training import fit
from suite.core.training.recipes import RECIPES
from tests.benchmarks import timing
from tests.benchmarks.official import DSA, augmented, fresh_convnet

SHAPE = (1, 28, 28)
SHORT = 100  # epochs of one image per class, at least


def plain(synthetic: SyntheticSet, width: int, epochs: int, copies: int, *, loader: bool) -> None:
    """Train copies one after another as the field's code does."""
    images, targets = synthetic.flat()
    for _ in range(copies):
        net = fresh_convnet(width, SHAPE, 10, images.device)
        rule = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        for batch, soft in _batches(images, targets, epochs, loader=loader):
            rule.zero_grad()
            cross_entropy(net(augmented(DSA, batch)), soft).backward()
            rule.step()


def _batches(
    images: Tensor, targets: Tensor, epochs: int, *, loader: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    if loader:
        batches = DataLoader(TensorDataset(images.cpu(), targets.cpu()), batch_size=256, shuffle=True)
        for _ in range(epochs):
            yield from ((a.to(images.device), b.to(images.device)) for a, b in batches)
        return
    for _ in range(epochs):
        for rows in torch.randperm(len(images), device=images.device).split(256):
            yield images[rows], targets[rows]


def ours(synthetic: SyntheticSet, width: int, epochs: int, copies: int) -> None:
    """Train copies as the evaluator does."""
    recipe = dataclasses.replace(RECIPES["dsa-1000"], epochs=epochs)
    net = network(f"convnet-d3-w{width}-in", SHAPE, 10)
    for _ in fit.fit_copies(net, synthetic, recipe, seeds=range(copies)):
        pass


def compare(ipc: int, given: argparse.Namespace, device: torch.device) -> dict[str, object]:
    """Interleave the three; return seconds of a step and ratios."""
    images = torch.randn(10, ipc, *SHAPE, generator=generator(0, "benchmark"))
    synthetic = SyntheticSet(images, one_hot(10, ipc)).to(device)
    epochs = max(given.epochs, SHORT // ipc)  # a small set's step is short beside what a training begins with
    size = given.width, epochs, given.copies
    runs: dict[str, Callable[[], None]] = {
        "loader": lambda: plain(synthetic, *size, loader=True),
        "plain": lambda: plain(synthetic, *size, loader=False),
        "ours": lambda: ours(synthetic, *size),
    }
    found = timing.compare(runs, device, given.repeats)
    return {"ipc": ipc, "width": given.width, "epochs": epochs, "copies": given.copies, **found}


def main() -> None:
    """Measure the given sizes and write."""
    parser = timing.options(__doc__)
    parser.add_argument("ipc", nargs="+", type=int)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--copies", type=int, default=2)
    given = parser.parse_args()
    classification.MIN_COMPILED_STEPS = 0  # compiled, as all 1000 epochs of 20 copies are
    device, found = timing.device(given.threads), dict[str, object]()
    for ipc in given.ipc:
        found[f"ipc {ipc}"] = compare(ipc, given, device)
        print(ipc, found[f"ipc {ipc}"], flush=True)  # noqa: T201
        timing.write(given.output, device, found)


if __name__ == "__main__":
    main()
