"""Corruptions against values worked by hand, and what holds of all of them."""

from math import exp

import pytest
import torch

from suite.core.auditing.corruptions import CORRUPTIONS, SEVERITIES, corruption
from suite.core.seeding import generator

STRIPES = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).view(1, 1, 2, 2)


def picture() -> torch.Tensor:
    """Return a colour image with slopes, an edge and some texture."""
    across, down = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    texture = 0.2 * torch.rand(3, 32, 32, generator=generator(0))
    return (0.5 * torch.stack([across, down, (across > 0.4).float()]) + texture).clamp(0.02, 0.98)[None]


def impulse(side: int) -> torch.Tensor:
    image = torch.zeros(1, 1, side, side)
    image[0, 0, side // 2, side // 2] = 1
    return image


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_other_severity_is_further_away(name: str) -> None:
    image = picture()
    found = [corruption(name).apply(image, severity) for severity in SEVERITIES[::2]]
    far = [float((each - image).square().mean()) for each in found]
    assert all(each.shape == image.shape and each.dtype == image.dtype for each in found)
    assert all(float(each.min()) >= 0 and float(each.max()) <= 1 for each in found)
    assert far == sorted(far) and far[0] > 1e-6


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_repeats_its_bits(name: str) -> None:
    images, other = picture().repeat(2, 1, 1, 1), torch.rand(2, 1, 5, 7, generator=generator(1))
    torch.manual_seed(1)
    first = corruption(name).apply(images, 3)
    torch.manual_seed(2)
    assert torch.equal(first, corruption(name).apply(images, 3))
    assert corruption(name).apply(other, 5).shape == other.shape


def test_noise_has_its_level_and_differs_from_batch_to_batch() -> None:
    grey = torch.full((20, 1, 32, 32), 0.5)
    found = [corruption("noise").apply(grey, severity) - grey for severity in SEVERITIES]
    assert [float(each.std()) for each in found] == pytest.approx([0.04, 0.06, 0.08, 0.09, 0.10], rel=0.03)
    assert not torch.equal(found[0], corruption("noise").apply(grey, 1, batch=1) - grey)


# The middle of a Gaussian's weights, cut at four sigmas, in both directions.
@pytest.mark.parametrize(("side", "sigma", "reach"), [(32, 1.0, 4), (16, 0.5, 2)])
def test_blur_follows_the_side(side: int, sigma: float, reach: int) -> None:
    total = 1 + 2 * sum(exp(-(step**2) / (2 * sigma**2)) for step in range(1, reach + 1))
    found = corruption("blur").apply(impulse(side), 5)
    assert float(found.max()) == pytest.approx(total**-2, rel=1e-5)
    assert float(found.sum()) == pytest.approx(1, rel=1e-5)


def test_contrast_draws_to_each_channels_mean() -> None:
    image = torch.cat([STRIPES, STRIPES / 2], 1)  # means .5 and .25
    found = corruption("contrast").apply(image, 1)  # .75 of the distance
    assert found[0, :, 0].flatten().tolist() == pytest.approx([0.125, 0.875, 0.0625, 0.4375])


def test_brightness_raises_the_value_and_keeps_the_hue() -> None:
    pixels = torch.tensor([[0.2, 0.4, 0.5], [0.0, 0.0, 0.0], [0.19, 0.95, 0.0]]).T.reshape(1, 3, 1, 3)
    found = corruption("brightness").apply(pixels, 2)[0, :, 0].T  # + .1: values .5, 0, .95 to .6, .1, 1
    assert found[0].tolist() == pytest.approx([0.24, 0.48, 0.6])
    assert found[1].tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert found[2].tolist() == pytest.approx([0.2, 1.0, 0.0])
    assert corruption("brightness").apply(torch.full((1, 1, 2, 2), 0.3), 5).mean() == pytest.approx(0.6)


def test_pixelate_averages_boxes() -> None:
    # Of 2x2 pixels int(2 * .95) = 1 is left, their mean, which a byte holds to 1/255.
    assert corruption("pixelate").apply(STRIPES, 1).flatten().tolist() == pytest.approx(
        [0.5] * 4, abs=1 / 255
    )
    # Of 4x4 at .65, 2x2: a checkerboard of 2x2 blocks stays as it is.
    blocks = torch.eye(2).repeat_interleave(2, 0).repeat_interleave(2, 1).view(1, 1, 4, 4)
    assert torch.equal(corruption("pixelate").apply(blocks, 5), blocks)


def test_jpeg_keeps_a_plain_and_loses_a_faint_checkerboard() -> None:
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 4 + 126
    faint = (board / 255).view(1, 1, 8, 8)
    plain = torch.full((1, 3, 8, 8), 128 / 255)
    assert torch.equal(corruption("jpeg").apply(plain, 5), plain)
    # Each coefficient is below half of quality 40's step, 15 and more where it is not zero.
    assert torch.equal(corruption("jpeg").apply(faint, 5), plain[:, :1])


def test_an_unknown_corruption_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown corruption 'blurr'; did you mean 'blur'"):
        corruption("blurr")
