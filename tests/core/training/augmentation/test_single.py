"""Crops of random size; operations and flips are tested with the table in `test_augment.py`."""

import torch

from suite.core.seeding import generator
from suite.core.training.augment import augmentation
from suite.core.training.augmentation.single import AugmentParams, ResizedCrop

IMAGES = torch.randn(6, 2, 8, 8, generator=generator(0))


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    whole = ResizedCrop(1.0, mirrors=False)
    params = whole.sample(6, generator(1))
    assert torch.allclose(whole.apply(IMAGES, params), IMAGES, atol=1e-6)


def test_it_flips_half_of_the_images() -> None:
    """The last number decides; `least` changes no draw."""
    params = ResizedCrop(1.0).sample(6, generator(1))
    assert torch.equal(params.uniform, ResizedCrop(0.08).sample(6, generator(1)).uniform)
    seen = ResizedCrop(1.0).apply(IMAGES, params)
    flips = params.uniform[:, -1] < 0.5
    assert 0 < flips.sum() < 6
    assert torch.allclose(seen[flips], IMAGES[flips].flip(3), atol=1e-6)
    assert torch.allclose(seen[~flips], IMAGES[~flips], atol=1e-6)


def test_one_draw_is_one_crop_for_all_images() -> None:
    crop = ResizedCrop(0.08)
    one = crop.sample(1, generator(2))
    alone = torch.cat([crop.apply(image[None], one) for image in IMAGES])
    assert torch.allclose(crop.apply(IMAGES, one), alone, atol=1e-6)


def test_those_in_the_table_crop_to_their_least_area() -> None:
    assert augmentation("resize+flip") == ResizedCrop(0.08)
    assert isinstance(augmentation("resize").sample(2, generator(0)), AugmentParams)
