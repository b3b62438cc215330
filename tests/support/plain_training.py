"""Retraining in plain PyTorch: modules, augmentations and mixing, written anew after the authors' code.

They share nothing with the suite but the numbers that are drawn.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample
from torch.nn.utils import vector_to_parameters

from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.training.augment import AugmentParams, augmentation
from suite.core.training.jobs import TrainingJob


def convnet(shape: tuple[int, int, int], classes: int, depth: int, width: int, norm: str) -> nn.Sequential:
    """Return the field's ConvNet; norm: in or bn. A convolution before a norm has no bias."""
    channels, height, side = shape
    layers: list[nn.Module] = []
    for _ in range(depth):
        own = nn.BatchNorm2d(width) if norm == "bn" else nn.GroupNorm(width, width)
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), own, nn.ReLU(), nn.AvgPool2d(2)]
        channels, height, side = width, height // 2, side // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * side, classes))


def started(job: TrainingJob, depth: int, width: int) -> nn.Sequential:
    """Return the network that the suite initialises for a job."""
    shape, classes = tuple(job.images.shape[1:]), 10
    net = network(f"convnet-d{depth}-w{width}-in", shape, classes)  # type: ignore[arg-type]
    module = convnet(shape, classes, depth, width, "in")  # type: ignore[arg-type]
    vector_to_parameters(net.initialise(generator(job.seed, "initialisation")), module.parameters())
    return module


def draws(job: TrainingJob) -> Iterator[tuple[Tensor, AugmentParams]]:
    """Yield the rows of each step, and the numbers of its augmentation."""
    rng = generator(job.seed, "augmentation")
    for rows in job.rows():
        yield rows, augmentation(job.recipe.augment, mixing=True).sample(len(rows), rng)


def augmented(images: Tensor, drawn: AugmentParams) -> Tensor:
    """Return a batch after the operation that was drawn for it, with each image's own numbers."""
    return torch.stack([BY_NAME[drawn.operation](*each) for each in zip(images, drawn.uniform, strict=True)])


def mixed(images: Tensor, drawn: AugmentParams) -> tuple[Tensor, Tensor, float]:
    """Return a batch with one rectangle from other images, their rows, and the rectangle's area."""
    height, width = images.shape[2:]
    number = drawn.uniform[0, -4:].double()
    partner = drawn.uniform[:, -5].argsort()
    cut = math.sqrt(float(number[1]))  # sqrt(1 - lam), lam from Beta(1, 1)
    spans = []
    for side, place in ((height, number[2]), (width, number[3])):
        centre, half = int(float(place) * side), int(side * cut) // 2
        spans.append(slice(max(0, centre - half), min(side, centre + half)))
    found = images.clone()
    found[:, :, spans[0], spans[1]] = images[partner][:, :, spans[0], spans[1]]
    area = (spans[0].stop - spans[0].start) * (spans[1].stop - spans[1].start) / (height * width)
    return found, partner, area


def _flipped(image: Tensor, number: Tensor) -> Tensor:
    return image.flip(2) if number[0] < 0.5 else image


def _resampled(image: Tensor, rows: list[list[float]], outside: str = "zeros") -> Tensor:
    grid = affine_grid(torch.tensor([rows]), [1, *image.shape], align_corners=False)
    return grid_sample(image[None], grid, padding_mode=outside, align_corners=False)[0]


def _rotated(image: Tensor, number: Tensor, outside: str = "zeros") -> Tensor:
    angle = (float(number[0]) - 0.5) * 2 * 15 / 180 * math.pi
    cos, sin = math.cos(angle), math.sin(angle)
    return _resampled(image, [[cos, -sin, 0], [sin, cos, 0]], outside)


def _coloured(image: Tensor, number: Tensor) -> Tensor:
    brightness, contrast, saturation = (0.25 * (2 * float(each) - 1) for each in number[:3])
    image = image + brightness
    image = (image - image.mean()) * math.exp(contrast) + image.mean()
    grey = image.mean(0)
    return (image - grey) * math.exp(saturation) + grey


def _zoomed(image: Tensor, number: Tensor) -> Tensor:
    zoom = math.exp(math.log(0.8) + float(number[0]) * (math.log(1.25) - math.log(0.8)))
    height, width = image.shape[1:]
    down = (2 * float(number[1]) - 1) * abs(height * zoom - height) / 2  # pixels of the zoomed image
    right = (2 * float(number[2]) - 1) * abs(width * zoom - width) / 2
    rows = [[1 / zoom, 0, right * 2 / width / zoom], [0, 1 / zoom, down * 2 / height / zoom]]
    return _resampled(image, rows, "border")


def _moved(image: Tensor, number: Tensor) -> Tensor:
    height, width = image.shape[1:]
    down, right = (
        0.125 * side * (2 * float(each) - 1) for side, each in zip((height, width), number[:2], strict=True)
    )
    return _resampled(image, [[1, 0, right * 2 / width], [0, 1, down * 2 / height]], "border")


def _with_hole(image: Tensor, number: Tensor) -> Tensor:
    hole, found = image.shape[1] // 4, image.clone()
    top, left = (
        int(float(each) * (side - hole + 1)) for side, each in zip(image.shape[1:], number[:2], strict=True)
    )
    found[:, top : top + hole, left : left + hole] = 0
    return found


BY_NAME: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda image, number: image,
    "flip": _flipped,
    "rotate": _rotated,
    "frepo-color": _coloured,
    "frepo-crop": _zoomed,
    "frepo-translate": _moved,
    "frepo-cutout": _with_hole,
    "frepo-rotate": lambda image, number: _rotated(image, number, "border"),
}
