"""Copies of real images: what is found in copies, in fresh images, in noise, and by hand."""

from statistics import mean

import pytest
import torch
from torch import Tensor

from suite.core.auditing.copies import copies, nearest_train
from suite.core.data.tasks import load
from suite.core.seeding import generator

DIGITS = load("digits")
ALL = DIGITS.preprocessing.invert(DIGITS.train.images)


def same(images: Tensor) -> Tensor:
    return images


def split(seed: int, held: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return `held` digits, 1000 others as train, and 300 as test."""
    order = torch.randperm(len(ALL), generator=generator(seed))[: held + 1300]
    return ALL[order[:held]], ALL[order[held : held + 1000]], ALL[order[held + 1000 :]]


def line(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_shares_by_hand() -> None:
    # The nearest others of train are 0.1, 0.1, 0.2 and 0.3 away; the median (torch's) is 0.1.
    train, test = line(0.0, 0.1, 0.3, 0.6), line(0.26, 0.9)
    # 0.15 is 0.05 from 0.1: a copy of train. The test image nearest to it is 0.11 away, and 0.04 from train.
    # 0.94 is 0.04 from the test image 0.9, which is 0.3 from train: a copy of test. It is 0.34 from train.
    found = copies(line(0.15, 0.94), train, test, same)
    assert found.train.rows.tolist() == [1, 3]
    assert found.train.distances.tolist() == pytest.approx([0.05, 0.34])
    assert found.usual.tolist() == pytest.approx([0.1, 0.3])
    assert (found.of_train, found.of_test) == (0.5, 0.5)
    # 0.26 is 0.11 from the set, and 0.9 is 0.04.
    assert found.covered == 0.5
    # The two train images nearest to the set are 0.05 and 0.15 away, the one test image 0.04.
    assert found.told == 0.0


def test_planted_canaries_are_found() -> None:
    for seed in range(3):
        _, train, test = split(seed, 10)
        found = copies(train[:100], train, test, same)
        assert found.told == 1.0 and found.of_train == 1.0
        assert found.train.distances.max() == 0 and torch.equal(found.train.rows, torch.arange(100))
        # An image of train is no copy of test, though some test images have it as their nearest.
        assert found.of_test == 0


def test_copies_of_test_are_found() -> None:
    _, train, test = split(0, 10)
    found = copies(test[:50], train, test, same)
    assert found.of_test == 1.0 and found.told < 0.1


@pytest.mark.parametrize("unrelated", ["digits", "noise"])
def test_an_unrelated_set_gives_a_half(unrelated: str) -> None:
    told = []
    for seed in range(12):
        held, train, test = split(seed, 100)
        noise = torch.rand(held.shape, generator=generator(seed, "noise"))
        told.append(copies(held if unrelated == "digits" else noise, train, test, same).told)
    # The standard error of a mean of twelve is about 0.5 / sqrt(30) / sqrt(12) = 0.03.
    assert mean(told) == pytest.approx(0.5, abs=0.08)


def test_noise_has_no_copies_and_a_part_of_canaries_is_its_share() -> None:
    _, train, test = split(1, 10)
    noise = torch.rand(40, *train.shape[1:], generator=generator(2))
    assert copies(noise, train, test, same).of_train == 0
    assert copies(torch.cat([noise[:30], train[:10]]), train, test, same).of_train == 0.25


def test_a_train_image_that_is_there_twice_is_copied_too() -> None:
    found, usual = nearest_train(line(0.2), line(0.2, 0.2, 0.7), same)
    assert found.distances.tolist() == usual.tolist() == [0.0]
