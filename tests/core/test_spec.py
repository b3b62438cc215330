"""The vocabulary: budgets, minibatches, synthetic sets, the holdout."""

import dataclasses

import pytest
import torch

from suite.core.data.tasks import load
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.core.spec import LATER, Budget, Examples, Task, TestSplit, later


def three_images_of_two_classes() -> SyntheticSet:
    return SyntheticSet(torch.arange(6.0).reshape(2, 3, 1, 1, 1), one_hot(2, 3))


def test_a_budget_has_an_image_per_class() -> None:
    with pytest.raises(ValueError, match="ipc 0 must be at least 1"):
        Budget(0)


def test_a_minibatch_takes_all_unless_it_is_told_otherwise() -> None:
    assert Minibatch().sample(2, 3, generator(0)).tolist() == [0, 1, 2, 3, 4, 5]
    assert Minibatch(per_class=9, classes=9).sample(2, 3, generator(0)).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_minibatch_draws_within_each_class_without_repeats() -> None:
    rng, seen = generator(0, "minibatch"), set()
    for _ in range(50):
        rows = Minibatch(per_class=2).sample(3, 4, rng)
        assert (rows // 4).tolist() == [0, 0, 1, 1, 2, 2]
        assert len(set(rows.tolist())) == 6
        seen |= set(rows.tolist())
    assert seen == set(range(12))


def test_a_minibatch_draws_classes_without_repeats() -> None:
    rng, seen = generator(0, "minibatch"), set()
    for _ in range(50):
        classes = (Minibatch(classes=2).sample(5, 3, rng) // 3).tolist()
        assert classes[:3] == [classes[0]] * 3 and classes[0] != classes[3]
        seen |= set(classes)
    assert seen == set(range(5))


def test_a_minibatch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="per_class 0 must be at least 1"):
        Minibatch(per_class=0)


def test_a_prefix_is_the_first_of_each_class() -> None:
    prefix = three_images_of_two_classes().prefix(2)
    assert prefix.images.flatten().tolist() == [0, 1, 3, 4]
    assert prefix.labels.shape == (2, 2, 2)
    with pytest.raises(ValueError, match="prefix of 4 images per class: this set has 3"):
        three_images_of_two_classes().prefix(4)


def test_flat_is_class_major() -> None:
    images, targets = three_images_of_two_classes().flat()
    assert images.flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert targets.argmax(1).tolist() == [0, 0, 0, 1, 1, 1]


def test_soft_labels_are_stored_and_hard_ones_are_not() -> None:
    hard = three_images_of_two_classes()
    assert hard.hard and hard.stored_bytes == 6 * 4
    soft = dataclasses.replace(hard, labels=hard.labels * 0.9)
    assert not soft.hard and soft.stored_bytes == 6 * 4 + 12 * 4


def test_labels_must_fit_the_images() -> None:
    with pytest.raises(ValueError, match="must be"):
        SyntheticSet(torch.zeros(2, 3, 1, 1, 1), one_hot(2, 2))


def small_task(per_class: int = 10) -> Task:
    digits = load("digits")
    rows = torch.cat([indices[:per_class] for indices in digits.train.by_class()])
    return dataclasses.replace(digits, train=digits.train.take(rows))


def test_holdout_is_a_stratified_slice_of_train_alone() -> None:
    task = small_task()
    held = task.holdout(0.2)
    assert task.split.reads == held.split.reads == 0
    test = held.test
    assert [len(rows) for rows in test.by_class()] == [2] * 10
    assert [len(rows) for rows in held.train.by_class()] == [8] * 10
    everything = torch.cat([held.train.images, test.images]).flatten(1)
    assert sorted(everything.tolist()) == sorted(task.train.images.flatten(1).tolist())
    assert task.split.reads == 0 and held.name == "digits:holdout"


def test_holdout_is_the_same_every_time() -> None:
    first, second = small_task().holdout(), small_task().holdout()
    assert torch.equal(first.train.images, second.train.images)


@pytest.mark.parametrize(("fraction", "message"), [(0.0, "between 0 and 1"), (1.0, "between 0 and 1")])
def test_holdout_refuses_a_fraction(fraction: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_task().holdout(fraction)


def test_holdout_refuses_a_class_of_one_image() -> None:
    with pytest.raises(ValueError, match="a class of 1 images is too small"):
        small_task(1).holdout(0.5)


def test_reads_of_test_are_counted() -> None:
    task = load("digits")
    task = dataclasses.replace(task, split=TestSplit(task.test))  # whose reads are its own
    assert task.split.reads == 0
    assert len(task.test) == len(task.test) == 296
    assert task.split.reads == 2
    assert task.to(torch.device("cpu")).split.reads == 0


def test_a_minibatch_of_some_images_of_some_classes() -> None:
    rng, seen = generator(0, "minibatch"), set()
    for _ in range(100):
        rows = Minibatch(per_class=2, classes=2).sample(4, 3, rng)
        classes = (rows // 3).tolist()
        assert len(set(rows.tolist())) == 4
        assert classes[0] == classes[1] != classes[2] == classes[3]
        seen |= set(rows.tolist())
    assert seen == set(range(12))


def test_holdout_takes_a_rounded_share_of_each_class_and_at_least_one() -> None:
    labels = torch.tensor([0] * 20 + [1] * 36 + [2] * 4)
    task = dataclasses.replace(
        load("digits"), train=Examples(torch.arange(60.0).reshape(60, 1, 1, 1), labels, 3)
    )
    held = task.holdout()  # .1 of 20, 36 and 4: 2, 3.6 and .4
    assert [len(rows) for rows in held.test.by_class()] == [2, 4, 1]
    aside = held.test.images.flatten().tolist()
    assert aside[:2] not in ([0, 1], [18, 19]) and aside[2:6] not in ([20, 21, 22, 23], [52, 53, 54, 55])
    assert held.split.reads == 2 and len(held.test) == 7 and task.split.reads == 0


def test_a_field_that_came_later_is_an_ordinary_field() -> None:
    @dataclasses.dataclass(frozen=True)
    class Method:
        old: int = 1
        new: bool = later(default=False)
        mended: float = later(0.5, before=0.0)

    assert Method() == Method(1, False, 0.5) and Method(new=True).new
    before = {
        each.name: each.metadata[LATER] for each in dataclasses.fields(Method) if LATER in each.metadata
    }
    assert before == {"new": False, "mended": 0.0}
