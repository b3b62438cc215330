"""Recipes of the matching methods replayed: plain loops after each authors' description, with the same draws.

The loops use torch's modules and optimisers, and do to one image at a time what the papers' code does to it.
Only random numbers, and the initial weights made from them, are drawn as ours are. All is in float64, since
training multiplies what rounding leaves, and takes a twentieth of the epochs (`test_recipes.py` tests all).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, interpolate
from torch.nn.functional import pad as padded

from suite.core.data.tasks import load
from suite.core.networks.named import Network, network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples
from suite.core.training.fit import fit
from suite.core.training.recipes import recipe

NAME = "convnet-d2-w8-in"
SEED = 3
SHORTER = 20


def digits(*, mirrored: bool = False) -> Examples:
    return replace(load("digits").train, mirrored=mirrored)


def some(train: Examples) -> SyntheticSet:
    """Seventy real images, of which a batch of 64 leaves 6, with soft labels and a rate."""
    rows = torch.stack([rows[:7] for rows in train.by_class()])
    made = SyntheticSet.with_hard_labels(train.images[rows].double())
    return replace(made, labels=0.9 * made.labels + 0.01, lr=0.02)


def module(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The field's ConvNet, of two blocks and width 8, for 8x8 images."""
    blocks, channels = list[nn.Module](), shape[0]
    for _ in range(2):
        blocks += [
            nn.Conv2d(channels, 8, 3, padding=1, bias=False),
            nn.GroupNorm(8, 8),
            nn.ReLU(),
            nn.AvgPool2d(2),
        ]
        channels = 8
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(8 * 2 * 2, classes)).double()


# What the papers' code does to an image (channels, height, width), given numbers in [0, 1)


def turned(image: Tensor, matrix: list[list[float]]) -> Tensor:
    grid = affine_grid(torch.tensor([matrix]).to(image), [1, *image.shape], align_corners=False)
    return grid_sample(image[None], grid, align_corners=False)[0]


def colour(image: Tensor, u: list[float]) -> Tensor:
    image = image + (u[0] - 0.5)
    grey = image.mean(0)
    image = (image - grey) * (2 * u[1]) + grey
    return (image - image.mean()) * (u[2] + 0.5) + image.mean()


def crop(image: Tensor, u: list[float]) -> Tensor:
    _, height, width = image.shape
    limits = int(height * 0.125 + 0.5), int(width * 0.125 + 0.5)
    down, right = (math.floor(x * (2 * limit + 1)) - limit for x, limit in zip(u, limits, strict=False))
    wide = padded(image, (limits[1], limits[1], limits[0], limits[0]))
    return wide[:, limits[0] + down :, limits[1] + right :][:, :height, :width]


def cutout(image: Tensor, u: list[float]) -> Tensor:
    image, spans = image.clone(), []
    for side, x in zip(image.shape[1:], u, strict=False):
        hole = int(side / 2 + 0.5)
        first = math.floor(x * (side + 1 - hole % 2)) - hole // 2
        spans.append([place for place in range(first, first + hole) if 0 <= place < side])
    for row in spans[0]:
        for column in spans[1]:
            image[:, row, column] = 0
    return image


def flip(image: Tensor, u: list[float]) -> Tensor:
    return image.flip(2) if u[0] < 0.5 else image


def scale(image: Tensor, u: list[float]) -> Tensor:
    across, down = (x * (1.2 - 1 / 1.2) + 1 / 1.2 for x in u[:2])
    return turned(image, [[across, 0, 0], [0, down, 0]])


def rotate(image: Tensor, u: list[float]) -> Tensor:
    angle = (u[0] - 0.5) * 2 * 15 * math.pi / 180
    return turned(image, [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])


Act = Callable[[Tensor, list[float]], Tensor]


@dataclass
class Acts:
    """An author's augmentation: always `before`, one of `drawn` for a batch, always `after`."""

    drawn: tuple[Act, ...]
    before: tuple[Act, ...] = ()
    after: tuple[Act, ...] = ()

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        one = self.drawn[int(torch.randint(len(self.drawn), (), generator=rng))]
        acts = (*self.before, one, *self.after)
        numbers = torch.rand(len(images), 3 * len(acts), generator=rng).view(len(images), len(acts), 3)
        changed = []
        for image, own in zip(images, numbers.tolist(), strict=True):
            for act, u in zip(acts, own, strict=True):
                image = act(image, u)
            changed.append(image)
        return torch.stack(changed)


def dc_each(images: Tensor, rng: torch.Generator) -> Tensor:
    """DC's augmentation on MNIST: each image is moved, resized or rotated."""
    changed = []
    for image, (choice, first, second, _) in zip(
        images, torch.rand(len(images), 4, generator=rng).tolist(), strict=True
    ):
        side = image.shape[1]
        if choice < 1 / 3:
            down, right = int(first * 8), int(second * 8)
            changed.append(padded(image, (4, 4, 4, 4))[:, down : down + side, right : right + side])
        elif choice < 2 / 3:
            height, width = (int((0.8 + 0.4 * u) * side) for u in (first, second))
            most = max(height, width, side)
            canvas, cut = image.new_zeros(len(image), most, most), (most - side) // 2
            top, left = (most - height) // 2, (most - width) // 2
            canvas[:, top : top + height, left : left + width] = interpolate(image[None], (height, width))[0]
            changed.append(canvas[:, cut : cut + side, cut : cut + side])
        else:
            angle = math.radians(int(first * 90) - 45)
            changed.append(
                turned(image, [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
            )
    return torch.stack(changed)


def nothing(images: Tensor, rng: torch.Generator) -> Tensor:
    return images


# The loops


@dataclass
class Loop:
    """A description: length, rate of each epoch, batch size, augmentation, whether half of the steps mix."""

    epochs: int
    rate: Callable[[int], float]
    batch: int
    augment: Callable[[Tensor, torch.Generator], Tensor]
    cutmix: bool = False

    def train(self, images: Tensor, targets: Tensor) -> nn.Module:
        shape: tuple[int, int, int] = (images.shape[1], images.shape[2], images.shape[3])
        own = module(shape, targets.shape[1])
        drawn = network(NAME, shape, targets.shape[1]).initialise(generator(SEED, "initialisation"))
        nn.utils.vector_to_parameters(drawn, own.parameters())
        optimiser = torch.optim.SGD(own.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        order, numbers = generator(SEED, "order"), generator(SEED, "augmentation")
        for epoch in range(self.epochs):
            optimiser.param_groups[0]["lr"] = float(torch.tensor(self.rate(epoch)))  # rates are float32
            for rows in torch.randperm(len(images), generator=order).split(self.batch):
                optimiser.zero_grad()
                self.loss(own, images[rows], targets[rows], numbers).backward()
                optimiser.step()
        return own

    def loss(self, own: nn.Module, images: Tensor, targets: Tensor, rng: torch.Generator) -> Tensor:
        images = self.augment(images, rng)
        if not self.cutmix:
            return cross_entropy(own(images), targets)
        partner, whether, area, row, column = torch.rand(len(images), 5, generator=rng).unbind(1)
        if whether[0] >= 0.5:
            return cross_entropy(own(images), targets)
        _, _, height, width = images.shape
        others, cut = partner.argsort(), math.sqrt(float(area[0]))
        spans = []
        for side, at in ((height, float(row[0])), (width, float(column[0]))):
            middle, half = int(at * side), int(side * cut) // 2
            spans.append((max(0, middle - half), min(side, middle + half)))
        (top, bottom), (left, right) = spans
        images = images.clone()
        images[:, :, top:bottom, left:right] = images[others][:, :, top:bottom, left:right]
        ratio = 1 - (bottom - top) * (right - left) / (height * width)
        found = own(images)
        return ratio * cross_entropy(found, targets) + (1 - ratio) * cross_entropy(found, targets[others])


def half(epochs: int, rate: float = 0.01) -> tuple[int, Callable[[int], float]]:
    """A tenth from epoch `epochs` / 2 + 1 on."""
    return epochs, lambda epoch: rate if epoch < epochs // 2 + 1 else rate / 10


def fifths(epochs: int) -> tuple[int, Callable[[int], float]]:
    """A fifth after two thirds of the epochs, and again after five sixths."""
    return epochs, lambda epoch: 0.01 * 0.2 ** ((epoch >= 2 * epochs // 3) + (epoch >= 5 * epochs // 6))


MOVES, PLAIN_DSA = (crop, scale, rotate), (colour, crop, cutout, scale, rotate)
DSA = (colour, crop, cutout, flip, scale, rotate)

IDC = fifths(1000 // SHORTER)

LOOPS: dict[str, tuple[Loop, Loop]] = {
    # For digits, and for other data.
    "dc-300": (Loop(*half(300 // SHORTER), 256, nothing),) * 2,
    "dsa-1000": (
        Loop(*half(1000 // SHORTER), 256, Acts(PLAIN_DSA)),
        Loop(*half(1000 // SHORTER), 256, Acts(DSA)),
    ),
    "mtt-1000": (
        Loop(*half(1000 // SHORTER, 0.02), 256, Acts(PLAIN_DSA)),
        Loop(*half(1000 // SHORTER, 0.02), 256, Acts(DSA)),
    ),
    "datm-1000": (
        Loop(*half(1000 // SHORTER, 0.02), 128, Acts(PLAIN_DSA)),
        Loop(*half(1000 // SHORTER, 0.02), 128, Acts(DSA)),
    ),
    "datadam-1800": (
        Loop(*half(1800 // SHORTER), 64, Acts(PLAIN_DSA)),
        Loop(*half(1800 // SHORTER), 64, Acts(DSA)),
    ),
    "dc-mnist-1000": (Loop(*half(1000 // SHORTER), 256, dc_each),) * 2,
    "idc-1000-v2": (
        Loop(*IDC, 64, Acts(MOVES, before=(colour,)), cutmix=True),
        Loop(*IDC, 64, Acts(MOVES, before=(flip, colour)), cutmix=True),
    ),
    "idc-mnist-1000": (Loop(*IDC, 64, Acts(MOVES, before=(colour,))),) * 2,
    "idc-svhn-1000": (Loop(*IDC, 64, Acts(MOVES, before=(colour,), after=(cutout,))),) * 2,
}


def cases() -> Iterator[tuple[str, bool]]:
    for name, (on_digits, elsewhere) in LOOPS.items():
        yield name, False
        if elsewhere is not on_digits:
            yield name, True


@pytest.mark.parametrize(("name", "mirrored"), cases())
def test_a_recipe_is_the_authors_loop(name: str, mirrored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Network.initialise
    monkeypatch.setattr(Network, "initialise", lambda own, rng: plain(own, rng).double())
    train, whole = digits(mirrored=mirrored), recipe(name)
    epochs = whole.epochs // SHORTER
    decay = None if whole.decay_at is None else epochs // 2 + 1
    net, made = network(NAME, train.shape, train.classes), some(train)
    ours = fit(net, made, replace(whole, epochs=epochs, decay_at=decay).for_data(train), seed=SEED)
    theirs = LOOPS[name][mirrored].train(*made.flat())
    images = train.images.double()
    with torch.no_grad():
        found, expected = net.logits(ours, images), theirs(images)
    assert torch.equal(found.argmax(1), expected.argmax(1))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
