"""Search a set for images of the test split, also ones that were turned, scaled, dimmed or noised a little.

Images are compared by the correlation of their pixels, which does not change with brightness and contrast, in
several views of each synthetic image. Two tests follow, and images of train pass both.

One image: it is a copy if it is less than half as far from a test image as from every train image. On the 70
sets in `results/` the smallest such ratio is 0.89.

All images: the real image that is nearest to a synthetic one is of test as often as chance has it, which is
the share of test in all images, or less often, since sets are made from train. A set is refused if test
images are nearest more often (binomial test, level 0.001; equal nearest images count once). This also finds
mixtures, and sets distilled from test, which resemble no single test image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.stats import binom
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from suite.core.names import counted
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task
from suite.external.agreement import unit

RATIO = 0.5
"""A copy is nearer to a test image than this share of its distance to the nearest train image."""

LEVEL = 0.001
"""Level of the test over all images."""

_PROBES, _GROUP, _CHUNK = 500, 500, 4096
_SAME = 0.01  # distance below which images are the same up to rounding; copies of train may be in test, too
_SHOWN = 3


@dataclass(frozen=True)
class Copy:
    """A synthetic image that is a copy of a test image. ratio: of its distances to test and to train."""

    label: int
    number: int
    test: int
    ratio: float
    exact: bool  # whether all pixels are equal, in 8 bits


@dataclass(frozen=True)
class Leaks:
    """What was found. views: of each of `count` images; ratio: the smallest one.

    nearer: how many of the `distinct` nearest images are of test; chance: the expected share. test_reads: of
    this search.
    """

    count: int
    views: int
    ratio: float
    copies: tuple[Copy, ...]
    nearer: int
    distinct: int
    chance: float
    test_reads: int

    @property
    def reason(self) -> str:
        """Why the set is refused; "" if it is not."""
        if self.copies:
            named = (
                f"image {each.number} of class {each.label} is test image {each.test}"
                + ("" if each.exact else f" changed a little (ratio of distances {each.ratio:.2f})")
                for each in self.copies[:_SHOWN]
            )
            more = ", …" * (len(self.copies) > _SHOWN)
            return f"the set holds {counted(len(self.copies), 'test image')}: {', '.join(named)}{more}"
        if binom.sf(self.nearer - 1, self.distinct, self.chance) < LEVEL:
            return f"the set was made with test images: {self._share}"
        return ""

    @property
    def line(self) -> str:
        """The finding in one line."""
        compared = f"{counted(self.count, 'image')} in {self.views} views"
        return f"{compared}: smallest ratio of distances {self.ratio:.2f}; {self._share}"

    @property
    def _share(self) -> str:
        return (
            f"of the {self.distinct} real images that are nearest to its own, {self.nearer} are of test "
            f"(by chance {self.chance * self.distinct:.0f})"
        )


def find(synthetic: SyntheticSet, task: Task) -> Leaks:
    """Search a set that is preprocessed as the task's; reads the test split once."""
    before, train, test = task.split.reads, task.train.images, task.split.read().images
    images = synthetic.flat()[0].to(train.device)
    groups = [_views(group) for group in images.split(_GROUP)]
    (to_train, at_train), (to_test, at_test) = (
        map(torch.cat, zip(*(_nearest(views, real) for views in groups), strict=True))
        for real in (train, test)
    )
    ratios = torch.where(to_train < _SAME, torch.inf, to_test / to_train.clamp(min=_SAME))
    of_test = to_test < to_train
    nearest = set(zip(of_test.tolist(), torch.where(of_test, at_test, at_train).tolist(), strict=True))
    return Leaks(
        count=len(images),
        views=len(groups[0]),
        ratio=float(ratios.min()),
        copies=tuple(
            Copy(
                row // synthetic.ipc,
                row % synthetic.ipc,
                at,
                float(ratios[row]),
                _equal(images[row], test[at], task),
            )
            for row, at in enumerate(at_test.tolist())
            if ratios[row] < RATIO
        ),
        nearer=sum(side for side, _ in nearest),
        distinct=len(nearest),
        chance=_chance(train, test),
        test_reads=task.split.reads - before,
    )


def _chance(train: Tensor, test: Tensor) -> float:
    """Return how often the image nearest to a new one is of test: by numbers, and as train images have it."""
    rows = torch.randperm(len(train), generator=generator(0, "leaks"))[:_PROBES].to(train.device)
    to_train, to_test = _nearest([train[rows]], train, rows)[0], _nearest([train[rows]], test)[0]
    return max(len(test) / (len(train) + len(test)), float((to_test < to_train).double().mean()))


def _nearest(views: Sequence[Tensor], real: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the distance of each image to the nearest real one, over its views, and that one's row.

    The distance is sqrt(2 - 2 |correlation|), so that a negative counts, too. without: rows to leave out, one
    for each image.
    """
    every, count = [unit(view) for view in views], len(views[0])
    high = torch.full((count,), -2.0, device=real.device)
    place = torch.zeros(count, dtype=torch.long, device=real.device)
    for start in range(0, len(real), _CHUNK):
        chunk = unit(real[start : start + _CHUNK])
        for rows in every:
            products = (rows @ chunk.T).abs()
            if without is not None:
                here = torch.arange(start, start + len(chunk), device=real.device)
                products[without[:, None] == here] = -2.0
            found, at = products.max(1)
            place = torch.where(found > high, at + start, place)
            high = torch.maximum(found, high)
    return (2 - 2 * high).clamp(min=0).sqrt(), place


def _views(images: Tensor) -> list[Tensor]:
    """Return the images as they are, mirrored, turned, scaled and moved by a pixel."""
    _, _, height, width = images.shape
    turns = [images.rot90(turn, (2, 3)) for turn in ((1, 3) if height == width else ())]
    scaled = [_zoomed(images, factor) for factor in (0.8, 0.9, 1.1, 1.25)]
    moved = [images.roll(by, dim) for by in (1, -1) for dim in (2, 3)]
    return [images, images.flip(3), images.flip(2), images.flip((2, 3)), *turns, *scaled, *moved]


def _zoomed(images: Tensor, factor: float) -> Tensor:
    matrix = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]], device=images.device)
    grid = affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False, padding_mode="border")


def _equal(first: Tensor, second: Tensor, task: Task) -> bool:
    pixels = (task.preprocessing.invert(torch.stack([first, second])) * 255).round()
    return torch.equal(pixels[0], pixels[1])
