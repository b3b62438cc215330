"""FTD: MTT's step, the average of its images, its experts, and the authors' settings."""

from importlib import import_module
from typing import Any

import pytest
import torch

from suite.core.training.recipes import FlatRecipe
from suite.plugins.smoke import smoke_data
from tests.support.plain_trajectories import MTT, resumes_exactly, started, steps_as_plain_matching

METHOD = import_module("suite.plugins.methods.ftd").METHOD


def test_without_memory_a_step_is_that_of_plain_matching(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, ema_decay=0.0, image_momentum=0.0)
    steps_as_plain_matching(run, targets="hard")


def test_the_set_is_the_average_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, ema_decay=0.75)
    average = run.images.clone()
    assert torch.equal(run.synthetic().images, average)
    for _ in range(3):
        run.step()
        average = 0.75 * average + 0.25 * run.images
        torch.testing.assert_close(run.synthetic().images, average)
    assert not torch.allclose(average, run.images)


def test_experts_are_flat_for_a_positive_rho() -> None:
    plain, found = MTT.METHOD().training, METHOD(rho=0.02, alpha=0.3).training
    assert isinstance(found, FlatRecipe) and found.flatness == type(found.flatness)(0.02, 0.3)
    same = ("name", "optimiser", "lr", "augment", "momentum", "weight_decay", "epochs", "batch")
    assert [getattr(found, name) for name in same] == [getattr(plain, name) for name in same]
    assert METHOD(rho=0.0).training == plain


def test_it_resumes_exactly() -> None:
    resumes_exactly(METHOD(**METHOD.smoke), smoke_data())


@pytest.mark.parametrize(
    ("key", "values"),
    [  # N, M, T+, batch, image rate, rate of the rate, rate, alpha, decay
        (("cifar10", 1), (50, 2, 2, None, 100, 1e-7, 0.01, 0.3, 0.9999)),
        (("cifar10", 10), (30, 2, 20, None, 100, 1e-5, 0.001, 0.3, 0.9995)),
        (("cifar10", 50), (30, 2, 40, None, 1000, 1e-5, 0.01, 1, 0.999)),
        (("cifar100", 1), (40, 3, 20, None, 1000, 1e-5, 0.01, 1, 0.9995)),
        (("cifar100", 10), (20, 2, 40, None, 1000, 1e-5, 0.01, 1, 0.9995)),
        (("cifar100", 50), (80, 2, 40, 1000, 1000, 1e-5, 0.01, 1, 0.999)),
        (("tiny-imagenet", 1), (30, 2, 10, None, 10_000, 1e-4, 0.01, 1, 0.999)),
        (("tiny-imagenet", 10), (20, 2, 40, 500, 10_000, 1e-4, 0.01, 1, 0.999)),
    ],
    ids=str,
)
def test_settings_are_those_of_the_authors_table(key: tuple[str, int], values: tuple[Any, ...]) -> None:
    made = METHOD(**METHOD.published[key])
    lengths = (made.syn_steps, made.expert_epochs, made.max_start_epoch, made.batch)
    assert (*lengths, made.image_lr, made.lr_lr, made.student_lr, made.alpha, made.ema_decay) == values
    assert (made.steps, made.rho, made.trained_epochs, made.experts) == (5000, 0.01, 50, 100)
    assert len(METHOD.published) == 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": -0.1}, "rho -0.1 must not be negative"),
        ({"ema_decay": 1.0}, "ema_decay 1.0 must be at least 0 and below 1"),
    ],
    ids=str,
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)
