"""Pictures of 8 bits, and how far they are from the images."""

import io

import pytest
import torch
from PIL import Image

from suite.external.writers.pictures import as_bytes, difference, png
from tests.support import foreign_sets

GREY = {"kind": "normalise", "mean": [0.5], "std": [0.25]}


def test_bytes_are_rounded_and_clipped() -> None:
    images = torch.tensor([-2.0, 2.0, -3.0, 0.0]).view(1, 1, 1, 2, 2)  # pixels 0, 1, -0.25, 0.5
    pixels = as_bytes(images, GREY)
    assert pixels.flatten().tolist() == [0, 255, 0, 128] and pixels.dtype == torch.uint8
    found = difference(images, pixels, GREY)
    assert found.largest == pytest.approx(1.0)
    assert found.mean == pytest.approx((1.0 + (128 / 255 - 0.5) / 0.25) / 4, abs=1e-6)
    assert found.spread == pytest.approx(images.std(correction=0).item())


def test_real_images_come_back() -> None:
    own = foreign_sets.digits()
    description = foreign_sets.task().preprocessing.describe()
    pixels = as_bytes(own.images, description)
    assert torch.equal(pixels.flatten(0, 1), foreign_sets.pixels())
    step = 1 / 255 / description["std"][0]
    assert difference(own.images, pixels, description).largest <= 0.5001 * step


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_a_png(channels: int) -> None:
    image = torch.arange(channels * 6, dtype=torch.uint8).view(channels, 2, 3)
    with Image.open(io.BytesIO(png(image))) as found:
        assert found.format == "PNG" and found.size == (3, 2) and len(found.getbands()) == channels
        assert found.getpixel((1, 1)) in (4, (4, 10, 16))
