"""Differentiable operations on images (n, channels, height, width), each with uniform numbers in [0, 1).

Image i depends only on itself and on row i of the numbers (n, 3). Sources: DSA, arXiv 2102.08259; DC, arXiv
2006.05929, for MNIST; FRePo, arXiv 2206.00719, as in its code.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


def _affine(images: Tensor, matrix: Tensor, outside: str = "zeros") -> Tensor:
    """Resample with (n, 2, 3) matrices; outside: zeros, or border for the nearest pixel."""
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False, padding_mode=outside)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    zero = torch.zeros_like(a)
    return torch.stack([torch.stack([a, b, zero], 1), torch.stack([c, d, zero], 1)], 1)


def _rotate(images: Tensor, uniform: Tensor, degrees: float = 15.0) -> Tensor:
    return _turned(images, (uniform[:, 0] * 2 - 1) * math.radians(degrees))


def _turned(images: Tensor, angle: Tensor, outside: str = "zeros") -> Tensor:
    """Rotate by angles (n,) in radians about the centre, bilinearly."""
    cos, sin = angle.cos(), angle.sin()
    return _affine(images, _matrix(cos, -sin, sin, cos), outside)


def _scale(images: Tensor, uniform: Tensor, ratio: float = 1.2) -> Tensor:
    factors = uniform[:, :2] * (ratio - 1 / ratio) + 1 / ratio
    zero = torch.zeros_like(factors[:, 0])
    return _affine(images, _matrix(factors[:, 0], zero, zero, factors[:, 1]))


def _flip(images: Tensor, uniform: Tensor) -> Tensor:
    return torch.where(_column(uniform[:, 0] < 0.5), images.flip(3), images)


def _color(images: Tensor, uniform: Tensor) -> Tensor:
    """Change brightness (1), saturation (2) and contrast (0.5), in this order.

    Saturation does not change grey images, in which a pixel equals its mean over channels.
    """
    images = images + _column(uniform[:, 0] - 0.5)
    grey = images.mean(1, keepdim=True)
    images = (images - grey) * _column(uniform[:, 1] * 2) + grey if images.shape[1] > 1 else images
    mean = images.mean((1, 2, 3), keepdim=True)
    return (images - mean) * _column(uniform[:, 2] + 0.5) + mean


def _crop(images: Tensor, uniform: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to `ratio` of each side and fill with zeros."""
    limits = (int(side * ratio + 0.5) for side in images.shape[2:])
    down, right = (_integers(uniform[:, axis], limit) for axis, limit in enumerate(limits))
    return _shifted(images, down, right)


def _dc_crop(images: Tensor, uniform: Tensor, pixels: int = 4) -> Tensor:
    """Shift each side by -`pixels` to `pixels` - 1 and fill with zeros."""
    down, right = ((uniform[:, axis] * 2 * pixels).floor().long() - pixels for axis in (0, 1))
    return _shifted(images, down, right)


def _dc_scale(images: Tensor, uniform: Tensor, ratio: float = 0.2) -> Tensor:
    """Resize sides by 1 - `ratio` to 1 + `ratio` with the nearest pixels, about the centre; zeros outside."""
    places = []
    sizes = [
        (side * (1 - ratio + 2 * ratio * uniform[:, axis])).long().clamp(min=1)
        for axis, side in enumerate(images.shape[2:])
    ]
    for size, side in zip(sizes, images.shape[2:], strict=True):
        # The resized image lies in the middle of a square canvas, from whose middle the result is cut.
        canvas = torch.stack([*sizes, torch.full_like(size, max(images.shape[2:]))]).amax(0)
        first = (canvas - side) // 2 - (canvas - size) // 2
        at = torch.arange(side, device=images.device) + first[:, None]
        inside = (at >= 0) & (at < size[:, None])
        places.append(torch.where(inside, at * side // size[:, None], -1))
    return _picked(images, *places)


def _dc_rotate(images: Tensor, uniform: Tensor, degrees: int = 45) -> Tensor:
    """Rotate by a whole number of degrees, -`degrees` to `degrees` - 1; zeros outside."""
    angle = ((uniform[:, 0] * 2 * degrees).floor() - degrees).deg2rad()
    return _turned(images, angle)


def _shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Take row r + down and column c + right to row r and column c; zeros outside."""
    sides = zip(images.shape[2:], (down, right), strict=True)
    return _picked(images, *(torch.arange(side, device=by.device) + by[:, None] for side, by in sides))


def _picked(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the pixels at rows (n, height) and columns (n, width); zeros for those outside."""
    height, width = images.shape[2:]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    pixels = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    every = pixels.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, every).view(images.shape) * inside[:, None]


def _cutout(images: Tensor, uniform: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank a rectangle of `ratio` of each side around a uniform centre, cut at the border."""
    keep = torch.ones(len(images), *images.shape[2:], dtype=torch.bool, device=images.device)
    for axis, side in enumerate(images.shape[2:]):
        hole = int(side * ratio + 0.5)
        first = (uniform[:, axis] * (side + 1 - hole % 2)).floor() - hole // 2
        offset = torch.arange(side, device=images.device) - first[:, None]
        inside = (offset >= 0) & (offset < hole)
        keep = keep & (inside[:, :, None] if axis == 0 else inside[:, None, :])
    return images * ~keep[:, None]


def _frepo_color(images: Tensor, uniform: Tensor, strength: float = 0.25) -> Tensor:
    """Add up to `strength`; change contrast, then saturation, by up to exp(`strength`), log-uniformly."""
    images = images + _column((uniform[:, 0] * 2 - 1) * strength)
    for axes, number in (((1, 2, 3), 1), ((1,), 2)):
        mean = images.mean(axes, keepdim=True)
        images = (images - mean) * _column(((uniform[:, number] * 2 - 1) * strength).exp()) + mean
    return images


def _frepo_crop(images: Tensor, uniform: Tensor, ratio: float = 1.25) -> Tensor:
    """Zoom by 1 / `ratio` to `ratio`, log-uniformly, about a place that keeps the smaller in the larger."""
    zoom = ((uniform[:, 0] * 2 - 1) * math.log(ratio)).exp()
    down, right = ((uniform[:, axis] * 2 - 1) * (zoom - 1).abs() / zoom for axis in (1, 2))
    return _affine(images, _placed(1 / zoom, down, right), "border")


def _frepo_translate(images: Tensor, uniform: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to `ratio` of each side, bilinearly."""
    down, right = ((uniform[:, axis] * 2 - 1) * 2 * ratio for axis in (0, 1))
    return _affine(images, _placed(torch.ones_like(down), down, right), "border")


def _placed(scale: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return matrices (n, 2, 3) that scale and shift places, in half sides of the image."""
    zero = torch.zeros_like(scale)
    return torch.stack([torch.stack([scale, zero, right], 1), torch.stack([zero, scale, down], 1)], 1)


def _frepo_cutout(images: Tensor, uniform: Tensor) -> Tensor:
    """Blank a square of a quarter of the height that lies in the image."""
    hole, keep = images.shape[2] // 4, torch.zeros_like(images[:, 0], dtype=torch.bool)
    for axis, side in enumerate(images.shape[2:]):
        first = (uniform[:, axis] * (side - hole + 1)).floor()
        offset = torch.arange(side, device=images.device) - first[:, None]
        outside = (offset < 0) | (offset >= hole)
        keep = keep | (outside[:, :, None] if axis == 0 else outside[:, None, :])
    return images * keep[:, None]


def _frepo_rotate(images: Tensor, uniform: Tensor) -> Tensor:
    return _turned(images, (uniform[:, 0] * 2 - 1) * math.radians(15), "border")


_ATTEMPTS, _RATIO = 10, 4 / 3  # of torchvision's RandomResizedCrop: draws of a size, and of its sides

CROP_NUMBERS = 2 * _ATTEMPTS + 2
"""Uniform numbers of a `resized_crop`."""


def resized_crop(images: Tensor, uniform: Tensor, least: float) -> Tensor:
    """Return a crop of each image, enlarged bilinearly to the image's size: torchvision's RandomResizedCrop.

    Its area is uniform from `least` to 1, as a share of the image's; the logarithm of width / height is
    uniform from 3/4 to 4/3. The first of ten sizes that fits is taken; if none does, the whole image.
    uniform: (n, CROP_NUMBERS); areas, ratios, then the place.
    """
    size = images.shape[2], images.shape[3]
    area = (least + (1 - least) * uniform[:, :_ATTEMPTS]) * (size[0] * size[1])
    ratio = ((uniform[:, _ATTEMPTS : 2 * _ATTEMPTS] * 2 - 1) * math.log(_RATIO)).exp()
    heights, widths = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
    fits = (heights >= 1) & (heights <= size[0]) & (widths >= 1) & (widths <= size[1])
    first = fits.int().argmax(1, keepdim=True)
    maps = []
    for axis, (side, lengths) in enumerate(zip(size, (heights, widths), strict=True)):
        length = torch.where(fits.any(1), lengths.gather(1, first)[:, 0], side)
        start = (uniform[:, 2 * _ATTEMPTS + axis] * (side - length + 1)).floor()
        pixels = torch.arange(side, device=images.device, dtype=images.dtype)
        inside = ((pixels + 0.5) * (length[:, None] / side) - 0.5).clamp(min=0)
        at = start[:, None] + torch.minimum(inside, length[:, None] - 1)
        maps.append((1 - (at[:, :, None] - pixels).abs()).clamp(min=0))  # weights of the pixels (n, out, in)
    return maps[0][:, None] @ images @ maps[1][:, None].transpose(2, 3)


def _integers(uniform: Tensor, limit: int) -> Tensor:
    """Map uniforms to integers in [-limit, limit]."""
    return (uniform * (2 * limit + 1)).floor().long() - limit


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda images, uniform: images,
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
    "dc-crop": _dc_crop,
    "dc-scale": _dc_scale,
    "dc-rotate": _dc_rotate,
    "frepo-color": _frepo_color,
    "frepo-crop": _frepo_crop,
    "frepo-translate": _frepo_translate,
    "frepo-cutout": _frepo_cutout,
    "frepo-rotate": _frepo_rotate,
}
"""Operations by name. A flip is the only one that mirrors."""
