"""DATM: its gradient against one autograd graph, its range of epochs, its labels, its threshold."""

from importlib import import_module
from typing import Any

import pytest
import torch

from suite.core.distilling.initial_images import random_choice
from suite.core.seeding import generator
from suite.experiments import expand
from suite.plugins import registry
from suite.plugins.smoke import smoke_data
from tests.support.plain_trajectories import double, resumes_exactly, started, steps_as_plain_matching

MODULE = import_module("suite.plugins.methods.datm")
METHOD = MODULE.METHOD
PLAIN: dict[str, Any] = {"early_max_start_epoch": None, "threshold": None, "label_lr": 1.0}


@pytest.mark.parametrize("batch", [None, 5])
def test_the_gradient_is_that_of_plain_matching(batch: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    steps_as_plain_matching(started(METHOD, monkeypatch, **PLAIN, batch=batch), targets="learned")


def test_labels_have_a_momentum_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, **PLAIN | {"label_lr": 2.0, "label_momentum": 0.8})
    labels, velocity = run.labels.clone(), torch.zeros_like(run.labels)
    for _ in range(3):
        run.step()
        velocity = 0.8 * velocity + run.last.gradients[1]
        labels = labels - 2.0 * velocity
        torch.testing.assert_close(run.labels, labels)


def test_a_loss_above_the_threshold_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = float(started(METHOD, monkeypatch, **PLAIN).step()["outer_loss"])
    for threshold, moves in ((loss * 0.99, False), (loss * 1.01, True)):
        run = started(METHOD, monkeypatch, **PLAIN | {"threshold": threshold})
        before = run.synthetic()
        assert float(run.step()["outer_loss"]) == loss
        after = run.synthetic()
        assert torch.equal(before.images, after.images) != moves
        assert torch.equal(before.labels, after.labels) != moves
        assert (before.lr == after.lr) != moves


def test_a_step_that_is_not_taken_leaves_the_momentum() -> None:
    """Against taking only the other steps; not a number is above every threshold."""
    gradients = torch.randn(6, 3, generator=generator(0))
    gradients[2, 1] = torch.nan
    made = []
    for skipping in (True, False):
        value = torch.ones(3)
        optimiser = torch.optim.SGD([{"params": [value], "momentum": 0.5}], lr=0.1)
        for gradient, loss in zip(gradients, (2.0, 0.5, torch.nan, 0.5, 2.0, 1.0), strict=True):
            value.grad = gradient
            if skipping:
                MODULE.step_if(optimiser, torch.tensor(loss) <= 1)
            elif loss <= 1:
                optimiser.step()
        made.append(value)
    assert torch.equal(*made)


def test_stretches_start_in_a_range_that_grows() -> None:
    method = METHOD(early_max_start_epoch=10, max_start_epoch=20, growth=1000)
    steps = (0, 99, 100, 550, 999, 1000, 5000)
    assert [method.segments.before(step) for step in steps] == [10, 10, 11, 15, 19, 20, 20]
    assert METHOD(early_max_start_epoch=None, max_start_epoch=7).segments.before(0) == 7


def test_stretches_start_within_their_range(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {"min_start_epoch": 1, "early_max_start_epoch": 2, "max_start_epoch": 3, "growth": 20}
    run = started(METHOD, monkeypatch, **PLAIN | bounds, expert_epochs=1)
    drawn = [run.step()["start_epoch"] for _ in range(40)]
    assert set(drawn[:20]) == {1} and set(drawn[20:]) == {1, 2}


def test_images_and_labels_start_from_the_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, **PLAIN)
    first, made = run.experts.trajectories[0][-1], run.synthetic()
    right = run.network.logits(first, double().images).argmax(1) == double().labels
    for label, order in enumerate(random_choice(double(), 12, seed=0)):
        expected = [*order[right[order]], *order[~right[order]]][:2]
        assert torch.equal(made.images[label], double().images[torch.stack(expected)])
    assert torch.equal(made.labels, run.labels.softmax(-1)) and not made.hard


def test_experts_are_those_of_ftd_and_without_rho_those_of_mtt() -> None:
    found, ftd = METHOD().training, import_module("suite.plugins.methods.ftd").METHOD
    assert found == ftd(alpha=0.3, trained_epochs=100).training and (found.rho, found.alpha) == (0.01, 0.3)
    mtt = import_module("suite.plugins.methods.mtt").METHOD
    assert METHOD(rho=0.0).training == mtt(trained_epochs=100).training


def test_trials_of_earlier_releases_keep_their_experts() -> None:
    """They name neither rho nor alpha."""
    known = expand.plain(METHOD(rho=0.0))
    assert not {"rho", "alpha"} & set(known) and expand.plain(METHOD())["rho"] == 0.01
    assert registry.stored(METHOD, known, where="a cell") == METHOD(rho=0.0)
    assert registry.configure(METHOD, known, where="a grid") == METHOD()


def test_it_resumes_exactly() -> None:
    resumes_exactly(METHOD(**METHOD.smoke), smoke_data())


@pytest.mark.parametrize(
    ("key", "values"),
    [  # N, M, T-, T, T+, growth, image rate, label rate, rate of the rate, batch, threshold
        (("cifar10", 1), (80, 2, 0, None, 4, 100, 5, 1e-7, None, 1.1)),
        (("cifar10", 10), (80, 2, 0, 10, 20, 100, 2, 1e-5, 100, 1.0)),
        (("cifar10", 50), (80, 2, 0, 20, 40, 1000, 2, 1e-5, 500, 1.0)),
        (("cifar10", 500), (40, 2, 40, None, 60, 50, 10, 1e-5, 1000, 1.0)),
        (("cifar10", 1000), (100, 2, 40, None, 60, 50, 10, 1e-5, 1000, 1.0)),
        (("cifar100", 1), (40, 3, 0, 10, 20, 1000, 10, 1e-5, None, 1.0)),
        (("cifar100", 10), (80, 2, 0, 30, 50, 1000, 10, 1e-5, None, 1.0)),
        (("cifar100", 50), (80, 2, 20, None, 70, 1000, 10, 1e-5, 1000, 1.0)),
        (("cifar100", 100), (80, 2, 30, None, 70, 50, 10, 1e-5, 1000, 1.0)),
        (("tiny-imagenet", 1), (40, 2, 0, 15, 20, 10_000, 10, 1e-4, None, 1.0)),
        (("tiny-imagenet", 10), (40, 2, 10, None, 50, 100, 10, 1e-4, 500, 1.0)),
        (("tiny-imagenet", 50), (20, 2, 40, None, 70, 100, 10, 1e-4, 1000, 1.0)),
    ],
    ids=str,
)
def test_settings_are_those_of_the_authors_files(
    key: tuple[str, int], values: tuple[float | None, ...]
) -> None:
    made = METHOD(**METHOD.published[key])
    bounds = (made.min_start_epoch, made.early_max_start_epoch, made.max_start_epoch)
    rates = (made.image_lr, made.label_lr, made.lr_lr)
    assert (made.syn_steps, made.expert_epochs, *bounds, *rates, made.batch, made.threshold) == values
    assert (made.steps, made.label_momentum, made.student_lr) == (10_000, 0.9, 0.01)
    growth = {("cifar10", 50): 2000, ("cifar100", 10): 2000, ("tiny-imagenet", 1): 2000}
    assert made.growth == growth.get(key, 1000) and METHOD.recipe == "datm-1000"
    assert made.trained_epochs == 100 and len(METHOD.published) == 12


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial": "noise"}, "set initial = 'real'"),
        ({"min_start_epoch": 20}, "from epoch 20 on, at first before 10, later before 20"),
        ({"early_max_start_epoch": 26}, "at first before 26, later before 20"),
        ({"growth": 0}, "growth 0 must be at least 1"),
        ({"threshold": 0.0}, "threshold 0.0 must be larger than 0"),
    ],
    ids=str,
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)
