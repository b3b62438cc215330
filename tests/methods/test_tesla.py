"""TESLA: its gradient against one autograd graph, its labels, its settings."""

from importlib import import_module

import pytest
import torch

from suite.core.seeding import generator
from suite.core.training.recipes import Recipe
from suite.plugins.smoke import smoke_data
from tests.support.plain_trajectories import MTT, resumes_exactly, started, steps_as_plain_matching

METHOD = import_module("suite.plugins.methods.tesla").METHOD


@pytest.mark.parametrize("batch", [None, 4])
def test_the_gradient_is_that_of_plain_matching(batch: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    steps_as_plain_matching(started(METHOD, monkeypatch, batch=batch), targets="teacher")


def test_labels_are_what_the_expert_says_at_the_end_of_the_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, expert_epochs=3, max_start_epoch=1)
    before, rng = run.synthetic(), generator(0, "experts")
    assert before.hard
    run.step()
    expert = run.experts.trajectories[int(torch.randint(2, (), generator=rng))]
    said = run.network.logits(expert[3], before.images.flatten(0, 1)).softmax(1)
    torch.testing.assert_close(run.synthetic().labels.flatten(0, 1), said)


def test_it_resumes_exactly() -> None:
    resumes_exactly(METHOD(**METHOD.smoke), smoke_data())


def test_experts_are_those_of_mtt() -> None:
    expected = Recipe("expert", "arXiv 2203.11932", "sgd", 0.01, "dsa", epochs=50, batch=256)
    assert METHOD().training == MTT.METHOD().training == expected


def test_settings_are_those_of_the_authors_commands() -> None:
    assert METHOD().steps == 10_000
    found = METHOD(**METHOD.published["cifar10", 1])
    assert (found.syn_steps, found.expert_epochs, found.max_start_epoch, found.batch) == (50, 2, 5, None)
    assert (found.image_lr, found.lr_lr, found.student_lr) == (1000, 1e-7, 0.01)
    found = METHOD(**METHOD.published["cifar100", 50])
    assert (found.syn_steps, found.expert_epochs, found.max_start_epoch, found.batch) == (80, 2, 40, 125)
    found = METHOD(**METHOD.published["imagenet-64", 1])
    assert (found.syn_steps, found.expert_epochs, found.max_start_epoch, found.batch) == (10, 3, 10, 100)
    assert (found.image_lr, found.lr_lr, found.experts) == (1e4, 1e-4, 50)
