"""Initial images: those of a class, in a fixed order, or noise of a known size."""

import pytest
import torch

from suite.core.distilling.initial_images import check_initial, initial_images, random_choice
from suite.core.spec import Budget, Examples

TRAIN = Examples(torch.arange(12.0).reshape(12, 1, 1, 1), torch.arange(12) % 3, 3)


def test_real_images_are_of_their_class_and_each_once() -> None:
    made = initial_images(TRAIN, 4, "real", seed=0).flatten(1)
    assert made.shape == (3, 4)
    for label in range(3):
        assert sorted(made[label].tolist()) == [label, label + 3, label + 6, label + 9]


def test_a_smaller_choice_is_a_prefix_and_a_seed_another_one() -> None:
    choices = {seed: torch.stack(random_choice(TRAIN, 4, seed=seed)) for seed in range(5)}
    smaller = torch.stack(random_choice(TRAIN, 2, seed=0))
    assert torch.equal(smaller, choices[0][:, :2])
    assert len({tuple(each.flatten().tolist()) for each in choices.values()}) > 1
    assert torch.equal(initial_images(TRAIN, 2, "real", seed=0).flatten(1).long(), smaller)


def test_real_images_are_copies() -> None:
    made = initial_images(TRAIN, 1, "real", seed=0)
    made.zero_()
    assert TRAIN.images.sum() == 66


def test_noise_is_standard_or_of_unit_norm() -> None:
    wide = Examples(torch.zeros(6, 3, 16, 16), torch.arange(6) % 3, 3)
    noise, unit = (initial_images(wide, 10, how, seed=0) for how in ("noise", "unit-noise"))
    assert noise.shape == unit.shape == (3, 10, 3, 16, 16)
    assert noise.std() == pytest.approx(1, abs=0.02) and noise.mean() == pytest.approx(0, abs=0.02)
    assert torch.allclose(unit.flatten(2).norm(dim=2), torch.ones(3, 10))
    directions = noise / noise.flatten(2).norm(dim=2)[..., None, None, None]
    assert torch.allclose(unit, directions)
    assert not torch.equal(noise, initial_images(wide, 10, "noise", seed=1))


def test_too_few_real_images_are_refused_and_noise_needs_none() -> None:
    check_initial(TRAIN, Budget(4), "real")
    check_initial(TRAIN, Budget(5), "noise")
    with pytest.raises(ValueError, match="ipc 5 is larger than the smallest class"):
        check_initial(TRAIN, Budget(5), "real")
