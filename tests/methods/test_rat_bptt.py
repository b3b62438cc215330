"""RaT-BPTT's own arithmetic: clipping, labels, windows, minibatches."""

import dataclasses
from importlib import import_module
from typing import Any

import pytest
import torch

from suite.core.datasets import load
from suite.core.spec import Budget, Examples, Minibatch, SyntheticSet

METHOD = import_module("methods.rat_bptt").METHOD
QUICK: dict[str, Any] = {
    "steps": 4,
    "unroll": 4,
    "window": 2,
    "real_batch": 16,
    "network": "convnet-d1-w4-in",
}


def train() -> Examples:
    digits = load("digits").train
    return digits.take(torch.cat([indices[:10] for indices in digits.by_class()]))


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def test_the_meta_gradient_is_clipped_at_twice_its_running_average_which_takes_it_in_first() -> None:
    run = started()
    limits = []
    for norm in (1.0, 1.0, 10.0, 10.0):
        gradient = torch.zeros_like(run.images)
        gradient.view(-1)[0] = norm
        run.images.grad = gradient
        assert run._clip() == norm
        limits.append(float(run.images.grad.norm()))
        run.taken += 1
    # Averages 1, 1, .9 + 1 = 1.9, 1.71 + 1 = 2.71: twice that is 2, 2, 3.8, 5.42.
    assert limits == pytest.approx([1.0, 1.0, 3.8, 5.42])


def test_learned_labels_start_one_hot_move_stay_non_negative_and_are_not_renormalised() -> None:
    run = started(learn_labels=True, outer_lr=0.1)
    assert run.synthetic().hard
    for _ in range(4):
        run.step()
    labels = run.synthetic().labels
    assert labels.min() == 0 and not torch.allclose(labels.sum(2), torch.ones(10, 1), atol=1e-2)


def test_labels_stay_one_hot_unless_they_are_learned() -> None:
    run = started()
    run.step()
    assert run.synthetic().hard


@pytest.mark.parametrize(("every", "windows"), [(1, 8), (4, 2)])
def test_windows_are_redrawn_every_so_many_outer_steps(every: int, windows: int) -> None:
    run = started(redraw_every=every, unroll=1000, window=1)
    found = []
    for taken in range(8):
        run.taken = taken
        found.append(run._place_window().before)
    assert len(set(found)) == windows and found[0] == found[every - 1]


def test_images_start_as_noise_of_unit_norm_or_as_real_images() -> None:
    noise = started(3).synthetic().images
    assert torch.allclose(noise.flatten(2).norm(dim=2), torch.ones(10, 3))
    real = started(3, initial="real").synthetic().images.flatten(0, 1).flatten(1)
    known = train().images.flatten(1)
    assert all(bool((known == image).all(1).any()) for image in real)


def test_the_set_carries_the_minibatch_that_it_was_made_with() -> None:
    assert started(3, per_class=2, inner_classes=5).synthetic().minibatch == Minibatch(2, 5)


def test_the_outer_loss_falls() -> None:
    digits = load("digits").train
    method = METHOD(**{**QUICK, "steps": 40, "inner_lr": 0.02, "outer_lr": 0.05, "augment": "none"})
    run = dataclasses.replace(method, unroll=10, window=8, real_batch=128).start(digits, Budget(1), seed=0)
    losses = [run.step()["outer_loss"] for _ in range(40)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("truncation", ["random", "fixed", "full", "random-length"])
def test_every_schedule_gives_a_finite_set(truncation: str) -> None:
    run = started(truncation=truncation, steps=2)
    before = run.synthetic()
    for _ in range(2):
        run.step()
    made: SyntheticSet = run.synthetic()
    assert made.images.isfinite().all() and not torch.equal(before.images, made.images)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 5}, "window 5 is longer than the unroll 4; lower window or raise unroll"),
        ({"augment": "flips"}, "unknown augmentation 'flips'"),
        ({"steps": 0}, "steps 0"),
        ({"per_class": 0}, "per_class 0 must be at least 1"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{**QUICK, **changes})


@pytest.mark.parametrize(
    ("changes", "ipc", "message"),
    [
        ({"per_class": 3}, 2, "per_class 3 is larger than ipc 2"),
        ({"inner_classes": 11}, 1, "the task has 10 classes"),
        ({"initial": "real"}, 11, "ipc 11 is larger than the smallest class"),
        ({"network": "convnet-d4-w4-in"}, 1, "too small for 4 blocks"),
    ],
)
def test_settings_that_do_not_fit_the_task_are_refused(
    changes: dict[str, Any], ipc: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{**QUICK, **changes}).check(train(), Budget(ipc))
