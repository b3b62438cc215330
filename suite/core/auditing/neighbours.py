"""Nearest neighbours among real images by their pixels, in bounded memory."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt

import torch
from torch import Tensor

CHUNK = 1024
"""Images on either side that are compared at once. Beside images of 3x32x32 that takes 130 MB, 260 MB if they
are whitened (measured), however many there are."""


@dataclass(frozen=True)
class Neighbours:
    """Images and their nearest real ones. Distances are root mean squares of the differences of pixels.

    rows (q,): of the real image nearest to each image; distances (q,): to it; back (n,): of each real image
    to the nearest image.
    """

    rows: Tensor
    distances: Tensor
    back: Tensor


def neighbours(
    images: Tensor, real: Tensor, invert: Callable[[Tensor], Tensor], without: Tensor | None = None
) -> Neighbours:
    """Compare images (q, channels, height, width), as pixels, with all of `real` (n, …), in chunks.

    invert: maps images of `real` to pixels; without: for each image a row (q,) of `real` to leave out.
    """
    flat, pixels = images.flatten(1), sqrt(images[0].numel())
    nearest, rows = flat.new_full((len(flat),), inf), torch.zeros_like(flat[:, 0], dtype=torch.int64)
    back = flat.new_full((len(real),), inf)
    for start in range(0, len(real), CHUNK):
        chunk = invert(real[start : start + CHUNK]).flatten(1)
        there = back[start : start + CHUNK]
        others = torch.arange(start, start + len(chunk), device=flat.device)
        for first in range(0, len(flat), CHUNK):
            here = slice(first, first + CHUNK)
            found = torch.cdist(flat[here], chunk)
            if without is not None:
                found.masked_fill_(without[here, None] == others, inf)
            low, place = found.min(1)
            rows[here] = torch.where(low < nearest[here], place + start, rows[here])
            nearest[here] = torch.minimum(nearest[here], low)
            there.copy_(torch.minimum(there, found.amin(0)))
    return Neighbours(rows, _exact(images, real, rows, invert), back / pixels)


def _exact(images: Tensor, real: Tensor, rows: Tensor, invert: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the distances (q,) to the real images at `rows`: 0 for a copy, which a product may not give."""
    pairs = zip(images.split(CHUNK), rows.split(CHUNK), strict=True)
    return torch.cat([(own - invert(real[at])).square().mean((1, 2, 3)).sqrt() for own, at in pairs])
