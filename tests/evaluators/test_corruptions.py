"""Accuracy under corruptions: names, means, preprocessing, refusals."""

import dataclasses
from statistics import mean

import pytest
import torch

from suite.core.data.preprocessing import ZCA
from suite.core.data.tasks import load
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Scores, Task, TestSplit
from suite.plugins.evaluators.corruptions import Corruptions, _corrupted
from suite.plugins.evaluators.retrain import Retrain
from suite.plugins.smoke import smoke_data
from tests.support.small_data import smoke_task

QUICK = Corruptions("ncfm-40", "convnet-d1-w8-in", 2, ("noise", "contrast"), (1, 5))


def whitened() -> Task:
    """Return digits under ZCA."""
    digits, train = load("digits"), smoke_data()
    raw, test = (digits.preprocessing.invert(each.images) for each in (train, digits.test))
    zca = ZCA.fit([raw])
    split = TestSplit(dataclasses.replace(digits.test, images=zca.apply(test)))
    images = dataclasses.replace(train, images=zca.apply(raw))
    return dataclasses.replace(digits, train=images, split=split, preprocessing=zca)


def scored(evaluator: Corruptions | Retrain, on: Task) -> Scores:
    images = on.train.images[torch.stack([indices[:3] for indices in on.train.by_class()])]
    return evaluator.evaluate(SyntheticSet(images, one_hot(10, 3)), on, seed=1)


def test_scores_are_those_of_retrained_networks() -> None:
    found = scored(QUICK, smoke_task()).values
    plain = scored(Retrain("ncfm-40", QUICK.network, 2), smoke_task()).values
    assert found["accuracy"] == plain["accuracy"]
    parts = [found[f"accuracy/{name}/{severity}"] for name in ("noise", "contrast") for severity in (1, 5)]
    for copy in range(2):
        expected = mean(part[copy] for part in parts)
        assert found["mean"][copy] == pytest.approx(expected)
        assert found["drop"][copy] == pytest.approx(found["accuracy"][copy] - expected)
    assert found["accuracy/contrast/5"] != found["accuracy"]


def test_preprocessing_is_undone_and_done_again() -> None:
    on = smoke_task()
    raw = on.preprocessing.invert(on.test.images)
    found = on.preprocessing.invert(_corrupted(raw, on.preprocessing, "brightness", 5))
    assert torch.allclose(found, (raw + 0.3).clamp(max=1), atol=1e-4)


def test_a_whitening_forgets_contrast_and_nothing_else() -> None:
    found = scored(dataclasses.replace(QUICK, severities=(5,), corruptions=("contrast", "noise")), whitened())
    assert found.values["accuracy/contrast/5"] == found.values["accuracy"]
    assert found.values["accuracy/noise/5"] != found.values["accuracy"]


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown corruption 'nois'; did you mean 'noise'"):
        Corruptions(corruptions=("nois",))
    with pytest.raises(ValueError, match=r"severities \[6\] must lie between 1 and 5"):
        Corruptions(severities=(1, 6))
    with pytest.raises(ValueError, match=r"severities .* must not be empty or have duplicates"):
        Corruptions(severities=())
    two = Examples(torch.zeros(1, 2, 32, 32), torch.zeros(1, dtype=torch.int64), 1)
    with pytest.raises(ValueError, match="images of 2 channels: JPEG needs one or three"):
        Corruptions().check(two)
