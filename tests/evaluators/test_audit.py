"""The audit of a set: beside other evaluators and plain loops, with planted canaries, under whitening."""

import dataclasses
from statistics import mean
from typing import Any

import pytest
import torch

from suite.core.data.preprocessing import ZCA
from suite.core.data.tasks import load
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Scores, Task, TestSplit
from suite.core.training.fit import copy_seeds, fit
from suite.core.training.recipes import recipe
from suite.plugins.evaluators.audit import Audit
from suite.plugins.evaluators.retrain import Retrain
from tests.support.small_data import smoke_task

QUICK = Audit("dc-300", "convnet-d1-w8-in", 1, attacked=60)
DIGITS = load("digits")


def small(offset: int = 0, per_class: int = 6) -> Task:
    """Return digits with few random images of each class as train, from the `offset`-th on."""
    order = torch.randperm(len(DIGITS.train), generator=generator(0))
    train = DIGITS.train.take(order)
    rows = torch.cat([own[offset : offset + per_class] for own in train.by_class()])
    return dataclasses.replace(DIGITS, train=train.take(rows), split=TestSplit(DIGITS.test))


def all_of(train: Examples) -> SyntheticSet:
    images = torch.stack([train.images[rows] for rows in train.by_class()])
    return SyntheticSet(images, one_hot(10, images.shape[1]))


def audited(synthetic: SyntheticSet, task: Task, evaluator: Audit | Retrain = QUICK) -> Scores:
    return evaluator.evaluate(synthetic, task, seed=1)


@pytest.fixture(scope="module")
def canaries() -> Scores:
    """The audit of a set whose images are all of train."""
    return audited(all_of(small().train), small())


def test_planted_canaries_are_found(canaries: Scores) -> None:
    assert canaries.values["copies"] == (1.0,) and canaries.values["copied/train"] == (1.0,)
    assert canaries.values["distance"] == (0.0,)


def test_networks_give_canaries_away_and_know_nothing_of_images_they_have_not_seen() -> None:
    deeper, own, others = dataclasses.replace(QUICK, network="convnet-d2-w16-in"), small(0, 3), small(50, 3)
    assert audited(all_of(own.train), own, deeper).values["members"][0] > 0.95
    found = audited(all_of(others.train), own, deeper).values
    assert found["members"][0] == pytest.approx(0.5, abs=0.1)
    assert found["copied/train"][0] < 0.7 and found["distance"][0] > 0.05


def test_accuracies_are_those_of_the_retrained_networks(canaries: Scores) -> None:
    plain = audited(all_of(small().train), small(), Retrain("dc-300", QUICK.network, 1))
    assert canaries.values["accuracy"] == plain.values["accuracy"]
    task = small()
    net = network(QUICK.network, task.train.shape, 10)
    how = recipe("dc-300").for_data(task.train)
    parameters = fit(net, all_of(task.train), how, seed=copy_seeds(1, 1)[0])
    with torch.no_grad():
        probabilities = net.logits(parameters, task.test.images).softmax(1)
    right, test = probabilities.argmax(1) == DIGITS.test.labels, DIGITS.test.labels
    worst = min(float(right[test == label].double().mean()) for label in range(10))
    assert canaries.values["worst"][0] == pytest.approx(worst)
    gaps = []
    for low in range(15):
        inside = (probabilities.amax(1) * 15).long().clamp(max=14) == low
        if inside.any():
            gap = right[inside].double().mean() - probabilities.amax(1)[inside].double().mean()
            gaps.append(float(abs(gap)) * int(inside.sum()) / len(test))
    assert canaries.values["calibration"][0] == pytest.approx(sum(gaps), abs=1e-5)


def test_attacks_get_stronger() -> None:
    strong = dataclasses.replace(QUICK, strengths=(1, 32, 128))
    found = audited(all_of(small().train), small(), strong).values
    for name in ("fgsm", "pgd"):
        accuracies = [found[f"{name}/{strength}"][0] for strength in (1, 32, 128)]
        assert accuracies == sorted(accuracies, reverse=True)
    assert found["pgd/32"][0] <= found["fgsm/32"][0] and found["pgd/128"][0] < 0.1


def test_whitened_images_are_attacked_and_compared_as_pixels() -> None:
    task = small()
    raw, test = (task.preprocessing.invert(each) for each in (task.train.images, DIGITS.test.images))
    zca = ZCA.fit([DIGITS.preprocessing.invert(DIGITS.train.images)])
    white = dataclasses.replace(
        task,
        train=dataclasses.replace(task.train, images=zca.apply(raw)),
        split=TestSplit(dataclasses.replace(DIGITS.test, images=zca.apply(test))),
        preprocessing=zca,
    )
    found = audited(all_of(white.train), white).values
    assert found["copies"] == (1.0,) and found["distance"][0] == pytest.approx(0, abs=1e-6)
    assert found["pgd/8"][0] <= found["fgsm/2"][0]


def test_scores_do_not_depend_on_the_order_of_train(canaries: Scores) -> None:
    task, order = small(), torch.arange(59, -1, -1)
    other = audited(all_of(task.train), dataclasses.replace(task, train=task.train.take(order))).values
    for name in ("copies", "copied/train", "copied/test", "covered", "members"):
        assert other[name] == pytest.approx(canaries.values[name])


def test_an_image_of_test_in_the_set_is_told() -> None:
    task = small()
    images = all_of(task.train).images.clone()
    images[:, 0] = torch.stack([DIGITS.test.images[DIGITS.test.labels == label][0] for label in range(10)])
    found = audited(SyntheticSet(images, one_hot(10, 6)), task).values
    assert mean(found["copied/test"]) == pytest.approx(1 / 6)


def test_what_cannot_be_audited_is_refused() -> None:
    with pytest.raises(ValueError, match=r"strengths \[2, 2\] must not be empty or have duplicates"):
        Audit(strengths=(2, 2))
    with pytest.raises(ValueError, match=r"strengths \[0, 300\] must lie between 1 and 255"):
        Audit(strengths=(0, 8, 300))
    none: dict[str, Any] = dict.fromkeys(("copies", "bins", "steps", "attacked"), 0)
    for field in none:
        with pytest.raises(ValueError, match=f"{field} 0 must be at least 1"):
            Audit(**{field: none[field]})
    one = smoke_task().train.take(torch.tensor([0]))
    with pytest.raises(ValueError, match="the training split has only one image"):
        QUICK.check(one)


def test_more_attacked_images_than_there_are_means_all() -> None:
    task = small()
    few = dataclasses.replace(task, split=TestSplit(DIGITS.test.take(torch.arange(30))))
    found = audited(all_of(task.train), few, dataclasses.replace(QUICK, strengths=(1,)))
    assert 0 <= found.values["fgsm/1"][0] <= found.values["accuracy"][0]


def test_a_network_that_diverged_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    task, small = smoke_task(), Audit("ncfm-40", "convnet-d1-w8-in", copies=1, attacked=9)
    net = network(small.network, task.train.shape, task.train.classes)
    given = [torch.full((net.size,), torch.nan)]
    monkeypatch.setattr("suite.plugins.evaluators.audit.fitted", lambda *_, **__: given)
    rows = torch.stack([indices[:1] for indices in task.train.by_class()])
    found = small.evaluate(SyntheticSet.with_hard_labels(task.train.images[rows]), task, seed=0).values
    assert (found["worst"], found["members"]) == ((0.0,), (0.5,))
    assert found["accuracy"] == (float((task.test.labels == 0).double().mean()),)
