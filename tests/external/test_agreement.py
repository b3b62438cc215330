"""Labels of sets against train: true ones pass, permuted ones are refused, too few are said to be."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, TestSplit
from suite.external.agreement import LEVEL, Agreement, check, measure
from tests.support import foreign_sets

TASK = foreign_sets.task()


def digits(ipc: int, *, held_out: bool = True) -> SyntheticSet:
    """Return images of the test split, which are no copies of train images, or train images."""
    part = TASK.split.read() if held_out else TASK.train
    return SyntheticSet.with_hard_labels(torch.stack([part.images[rows[:ipc]] for rows in part.by_class()]))


def permuted(own: SyntheticSet, order: Tensor) -> SyntheticSet:
    return replace(own, labels=own.labels[..., order])


@pytest.mark.parametrize("ipc", [1, 2, 10])
@pytest.mark.parametrize("held_out", [True, False])
def test_true_labels_pass(ipc: int, held_out: bool) -> None:
    said = check(digits(ipc, held_out=held_out), TASK)
    assert f"of {10 * ipc} labels agree with the nearest train image or class mean" in said
    assert "too few" not in said and "look" not in said


@pytest.mark.parametrize("ipc", [1, 2, 10])
@pytest.mark.parametrize("order", ["shift", "reversed", "any"])
def test_labels_of_another_order_are_refused(ipc: int, order: str) -> None:
    classes = {
        "shift": torch.arange(10).roll(1),
        "reversed": torch.arange(9, -1, -1),
        "any": torch.randperm(10, generator=generator(0)),
    }[order]
    own = permuted(digits(ipc), classes)
    with pytest.raises(ValueError, match=r"the labels look permuted: .* --trust-labels if they are right"):
        check(own, TASK)
    assert "but are trusted" in check(own, TASK, trusted=True)


def test_two_exchanged_classes_are_named() -> None:
    order = torch.arange(10)
    order[[3, 7]] = order[[7, 3]]
    with pytest.raises(ValueError, match=r"exchange of classes \('3' as '7', '7' as '3'\)"):
        check(permuted(digits(10), order), TASK)


def test_labels_that_have_nothing_to_do_with_the_images_are_refused() -> None:
    own = digits(10)
    rows = torch.randperm(100, generator=generator(1))
    mixed = replace(own, images=own.images.flatten(0, 1)[rows].view_as(own.images))
    with pytest.raises(ValueError, match=r"the labels look wrong: \d+ of 100 labels agree"):
        check(mixed, TASK)


def test_learned_labels_count_by_their_largest_entry() -> None:
    own = digits(10)
    assert measure(replace(own, labels=own.labels * 0.2 + 0.08), TASK.train).agreeing > 90


def two_noises(ipc: int, *, wrong: bool) -> tuple[SyntheticSet, Examples]:
    """Return a set of two classes that can hardly be told apart, and its train."""
    rng = generator(0)
    labels = torch.arange(400) % 2
    images = torch.randn(400, 1, 4, 4, generator=rng)
    images[:, 0, 0, 0] += labels * 2.0 - 1
    train = Examples(images, labels, 2)
    rows = torch.stack([train.by_class()[label][:ipc] for label in ((1, 0) if wrong else (0, 1))])
    noise = torch.randn(2, ipc, 1, 4, 4, generator=rng)
    return SyntheticSet.with_hard_labels(train.images[rows] * 0.3 + noise), train


def test_few_images_of_two_classes_cannot_tell() -> None:
    own, train = two_noises(1, wrong=False)
    said = check(own, replace(TASK, train=train, split=TestSplit(train), class_names=("a", "b")))
    assert "these are too few images to tell whether labels are right" in said


def agreement(agreeing: int, count: int) -> Agreement:
    return Agreement(count, agreeing, chance=0.1, usual=0.5, moved=0, tolerated=1, best=())


@pytest.mark.parametrize(
    ("agreeing", "count", "by_chance", "wrong"),
    [
        (10, 100, True, True),
        (50, 100, False, False),
        (19, 100, False, False),  # P(X >= 19) = 0.0046 by chance
        (0, 5, True, False),  # P(X <= 0) = 0.031 for right labels
        (0, 10, True, True),  # P(X <= 0) = 0.001
        (3, 10, True, False),  # P(X >= 3) = 0.07 by chance, P(X <= 3) = 0.17 for right labels
        (4, 10, True, False),
        (5, 10, False, False),
    ],
)
def test_both_tests_are_binomial(agreeing: int, count: int, by_chance: bool, wrong: bool) -> None:
    found = agreement(agreeing, count)
    assert LEVEL == 0.01 and (found.by_chance, found.wrong) == (by_chance, wrong)


@pytest.mark.parametrize(("agreeing", "permuted"), [(97, False), (91, False), (90, True), (75, True)])
def test_labels_that_agree_as_often_as_trains_own_are_not_permuted(agreeing: int, permuted: bool) -> None:
    """97 and 3 are those of a set of RTP, whose images of a class resemble each other."""
    found = Agreement(100, agreeing, chance=0.119, usual=0.904, moved=3, tolerated=2, best=())
    assert found.permuted is permuted


def test_large_sets_and_large_train_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suite.external.agreement._IMAGES", 30)
    monkeypatch.setattr("suite.external.agreement._BYTES", 0)  # a thousand images are always compared
    monkeypatch.setattr("suite.external.agreement._CHUNK", 64)
    found = measure(digits(20), TASK.train)
    assert found.count == 30 and found.agreeing > 25 and not found.permuted
