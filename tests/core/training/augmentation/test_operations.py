"""The operations of DC's augmentation against torch's and scipy's; those of DSA are in test_augment.py."""

import math
from collections.abc import Callable

import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate

from suite.core.seeding import generator
from suite.core.training.augmentation.operations import CROP_NUMBERS, OPERATIONS, resized_crop

IMAGE = torch.rand(1, 2, 28, 28, generator=generator(0)) + 1


def done(name: str, *uniform: float, image: Tensor = IMAGE) -> Tensor:
    return OPERATIONS[name](image, torch.tensor([[*uniform, 0.5, 0.5, 0.5][:3]]))[0]


def placed(image: Tensor, down: int, right: int) -> Tensor:
    """Return the pixel of row r + down, column c + right at (r, c); 0 outside."""
    wide = torch.nn.functional.pad(image, (8, 8, 8, 8))
    return wide[..., 8 + down : 36 + down, 8 + right : 36 + right]


@pytest.mark.parametrize(
    ("uniform", "shift"), [((0.0, 0.5), (-4, 0)), ((0.99, 0.126), (3, -3)), ((0.51, 0.874), (0, 2))]
)
def test_a_crop_shifts_by_eight_places(uniform: tuple[float, float], shift: tuple[int, int]) -> None:
    assert torch.equal(done("dc-crop", *uniform), placed(IMAGE[0], *shift))


def by_hand(height: int, width: int) -> Tensor:
    """Resize, put into the middle of a canvas of zeros, and cut 28x28 from its middle."""
    canvas = max(height, width, 28)
    top, left, cut = (canvas - height) // 2, (canvas - width) // 2, (canvas - 28) // 2
    wide = torch.zeros(2, canvas, canvas)
    wide[:, top : top + height, left : left + width] = interpolate(IMAGE, (height, width))[0]
    return wide[:, cut : cut + 28, cut : cut + 28]


@pytest.mark.parametrize("height", [22, 25, 28, 31, 33])
@pytest.mark.parametrize("width", [22, 23, 28, 30, 33])
def test_scale_takes_nearest_pixels(height: int, width: int) -> None:
    # 28 * (.8 + .4 u), cut to a whole number.
    uniform = (((side + 0.5) / 28 - 0.8) / 0.4 for side in (height, width))
    assert torch.equal(done("dc-scale", *uniform), by_hand(height, width))


def test_scale_is_from_a_fifth_smaller_to_a_fifth_larger() -> None:
    assert torch.equal(done("dc-scale", 0.0, 0.999), by_hand(22, 33))


@pytest.mark.parametrize(("uniform", "degrees"), [(0.0, -45), (0.5, 0), (0.55, 4), (0.999, 44)])
def test_rotation_is_by_whole_degrees(uniform: float, degrees: int) -> None:
    yy, xx = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    smooth = torch.exp(-((yy - 9) ** 2 + (xx - 16) ** 2) / 20)[None, None]
    expected = ndimage.rotate(smooth[0, 0].numpy(), degrees, reshape=False, order=1)
    torch.testing.assert_close(
        done("dc-rotate", uniform, image=smooth)[0], torch.from_numpy(expected), atol=0.02, rtol=0
    )


@pytest.mark.parametrize("name", ["dc-crop", "dc-scale", "dc-rotate"])
def test_each_image_has_its_own_numbers(name: str) -> None:
    act: Callable[[Tensor, Tensor], Tensor] = OPERATIONS[name]
    images, uniform = IMAGE.expand(3, -1, -1, -1), torch.rand(3, 3, generator=generator(1))
    together = act(images, uniform)
    for row in range(3):
        torch.testing.assert_close(together[row], act(IMAGE, uniform[row : row + 1])[0])


@pytest.mark.parametrize("least", [0.08, 0.6, 1.0])
def test_a_resized_crop_is_torchvisions(least: float) -> None:
    """Of the ten sizes that are drawn, the first that fits is cut out and enlarged; else the whole image."""
    images = torch.randn(60, 2, 12, 16, generator=generator(3))
    uniform = torch.rand(60, CROP_NUMBERS, generator=generator(4))
    found, whole = resized_crop(images, uniform, least), 0
    for image, own, seen in zip(images, uniform.tolist(), found, strict=True):
        height, width = 12, 16
        for area, ratio in zip(own[:10], own[10:20], strict=True):
            pixels = (least + (1 - least) * area) * 12 * 16
            shape = math.exp((2 * ratio - 1) * math.log(4 / 3))
            tall, wide = round(math.sqrt(pixels / shape)), round(math.sqrt(pixels * shape))
            if 1 <= tall <= 12 and 1 <= wide <= 16:
                height, width = tall, wide
                break
        else:
            whole += 1
        top, left = int(own[20] * (13 - height)), int(own[21] * (17 - width))
        part = image[None, :, top : top + height, left : left + width]
        torch.testing.assert_close(seen, interpolate(part, (12, 16), mode="bilinear")[0], atol=1e-4, rtol=0)
    assert (whole > 0) == (least == 1.0)


def test_none_changes_nothing() -> None:
    assert OPERATIONS["none"](IMAGE, torch.zeros(1, 3)) is IMAGE
