"""RaT-BPTT's own arithmetic: clipping, labels, windows, minibatches."""

import dataclasses
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.data.tasks import load
from suite.core.engine.truncation import Window, place_window
from suite.core.engine.unroll import MetaGradient
from suite.core.networks.named import Network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import Budget, Examples
from suite.core.training.augment import AugmentParams, OneOf

METHOD = import_module("suite.plugins.methods.rat_bptt").METHOD
QUICK: dict[str, Any] = {
    "steps": 4,
    "unroll": 4,
    "window": 2,
    "real_batch": 16,
    "network": "convnet-d1-w4-in",
}

META_GRADIENT = "suite.core.distilling.meta_learning.meta_gradient"


def train() -> Examples:
    digits = load("digits").train
    return digits.take(torch.cat([indices[:10] for indices in digits.by_class()]))


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


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
    losses = [float(run.step()["outer_loss"]) for _ in range(40)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("truncation", ["random", "fixed", "full", "random-length"])
def test_every_schedule_gives_a_finite_set(truncation: str) -> None:
    run = started(truncation=truncation, steps=2)
    before = run.synthetic()
    for _ in range(2):
        run.step()
    made: SyntheticSet = run.synthetic()
    assert made.images.isfinite().all() and not torch.equal(before.images, made.images)


@pytest.mark.parametrize(("changes", "back"), [({}, 2), ({"truncation": "full"}, 4), ({"networks": 3}, 6)])
def test_steps_that_are_walked_back_decide_on_compiling(
    changes: dict[str, Any], back: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[dict[str, Any]]()

    def pays(_: Network, **values: Any) -> bool:
        asked.append(values)
        return False

    monkeypatch.setattr("suite.core.engine.classification.worth_compiling", pays)
    started(ipc=3, per_class=2, **changes)
    assert asked == [{"batch": 20, "steps": 4 * back, "device": torch.device("cpu")}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 5}, "window 5 is longer than the unroll 4; lower window or raise unroll"),
        ({"augment": "flips"}, "unknown augmentation 'flips'"),
        ({"steps": 0}, "steps 0"),
        ({"per_class": 0}, "per_class 0 must be at least 1"),
        ({"networks": 0}, "networks 0 must be at least 1"),
        ({"skips": -1}, "skips -1 must not be negative"),
        ({"checkpoint_every": 3}, "checkpoint_every 3 must lie between 1 and the window's 2 steps"),
        (
            {"checkpoint_every": 5, "truncation": "full"},
            "checkpoint_every 5 must lie between 1 and the window's 4 steps",
        ),
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


def test_a_precision_that_the_device_has_not_is_refused_at_the_start() -> None:
    """Not by the check, which sees the images on a CPU even where the trial will have a GPU."""
    method = METHOD(**{**QUICK, "precision": "tf32"})
    method.check(train(), Budget(1))
    with pytest.raises(ValueError, match="precision tf32 needs a GPU; use float32 on a CPU"):
        method.start(train(), Budget(1), seed=0)


class Fake:
    """Stands in for the meta-gradient: its gradients have chosen norms, and it notes the windows."""

    def __init__(self, norms: Sequence[float] = (), labels: float = 0.0) -> None:
        self.norms, self.labels, self.windows = list(norms), labels, list[Window]()

    def __call__(self, *given: Any, window: Window, checkpoint_every: int | None) -> MetaGradient:
        inputs = given[2]
        self.windows.append(window)
        images = torch.ones_like(inputs[0])
        images *= (self.norms.pop(0) if self.norms else 1.0) / images.norm()
        labels = (torch.full_like(value, self.labels) for value in inputs[1:])
        loss = torch.tensor(0.5) + images.sum() * 0
        return MetaGradient(loss, (images, *labels), loss, torch.zeros(1))


def applied(run: Any) -> tuple[float, Tensor, Tensor]:
    """Take a step; return the norm it reports, and the gradients that Adam was given."""
    before = run.image_state[1], run.label_state[1]
    norm = float(run.step()["gradient_norm"])
    after = run.image_state[1], run.label_state[1]
    images, labels = ((new - 0.9 * old) / 0.1 for new, old in zip(after, before, strict=True))
    return norm, images, labels


def test_the_meta_gradient_is_clipped_at_twice_its_running_average_which_takes_it_in_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Averages 1, .9 + 1 = 1.9, 1.71 + .1 = 1.81, 1.629 + .37 = 1.999, and twice those are the limits: only
    # the second norm is above. If 3.8 were averaged in place of 10, the fourth would be clipped too.
    monkeypatch.setattr(META_GRADIENT, Fake([1.0, 10.0, 1.0, 3.7], labels=100.0))
    run = started(learn_labels=True)
    for before, after in [(1.0, 1.0), (10.0, 3.8), (1.0, 1.0), (3.7, 3.7)]:
        norm, images, labels = applied(run)
        assert norm == pytest.approx(before, rel=1e-4)
        assert float(images.norm()) == pytest.approx(after, rel=1e-4)
        assert torch.allclose(labels, torch.full_like(labels, 100.0))  # labels are not clipped


def test_clip_scales_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half the averages 1 and 1.9.
    monkeypatch.setattr(META_GRADIENT, Fake([1.0, 10.0]))
    run = started(clip=0.5)
    for after in (0.5, 0.95):
        assert float(applied(run)[1].norm()) == pytest.approx(after, rel=1e-4)


def test_a_meta_gradient_that_is_not_finite_is_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(META_GRADIENT, Fake([1.0, torch.nan, 10.0, torch.inf]))
    run = started(skips=1)
    run.step()
    before = run.synthetic().images
    second = run.step()
    assert torch.equal(run.synthetic().images, before) and float(second["skipped"]) == 1
    assert float(second["outer_loss"]) == 0.5 and run.diagnosis() == "the outer loss"
    # The average goes on from 1 as if nothing had been: .9 + 1 = 1.9.
    assert float(applied(run)[1].norm()) == pytest.approx(3.8, rel=1e-4)
    assert not run.step()["outer_loss"].isfinite()  # one more than may be: the harness ends the trial


def test_several_networks_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake([1.0, 3.0])
    monkeypatch.setattr(META_GRADIENT, fake)
    run = started(networks=2)
    norm, _, _ = applied(run)
    assert norm == pytest.approx(2.0, rel=1e-4) and fake.windows[0] == fake.windows[1]


def test_an_outer_step_is_adams_and_labels_end_at_zero_or_above(monkeypatch: pytest.MonkeyPatch) -> None:
    # Adam's first step is its rate whatever the gradient: labels 1 - .6 = .4, and 0 - .6 becomes 0.
    monkeypatch.setattr(META_GRADIENT, Fake(labels=100.0))
    run = started(learn_labels=True, outer_lr=0.6)
    before = run.synthetic().images
    run.step()
    assert torch.allclose(run.synthetic().images, before - 0.6, atol=1e-5)
    assert torch.allclose(run.synthetic().labels[:, 0], 0.4 * torch.eye(10), atol=1e-5)


@pytest.mark.parametrize("every", [1, 3])
def test_the_windows_used_are_those_of_their_own_stream(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    monkeypatch.setattr(META_GRADIENT, fake)
    run = started(unroll=1000, window=10, redraw_every=every)
    for _ in range(9):
        run.step()
    rng = generator(0, "window")
    drawn = [place_window("random", unroll=1000, window=10, rng=rng) for _ in range(9 // every)]
    assert fake.windows == [window for window in drawn for _ in range(every)]


def test_the_outer_loss_is_that_of_a_fresh_network_trained_to_the_end_of_the_window() -> None:
    # A fixed window of 1 in an unroll of 3 ends after three steps; the real batch is all 100 images.
    settings = {"unroll": 3, "window": 1, "truncation": "fixed", "inner_lr": 0.05, "augment": "none"}
    run = started(2, **settings, real_batch=5000)
    images, data = run.synthetic().images.flatten(0, 1), train()
    leaf = run.network.initialise(generator(0, "networks")).requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=0.05)
    for _ in range(3):
        optimiser.zero_grad()
        cross_entropy(run.network.logits(leaf, images), torch.arange(20) // 2).backward()
        optimiser.step()
    expected = cross_entropy(run.network.logits(leaf, data.images), data.labels)
    assert float(run.step()["outer_loss"]) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_an_inner_step_uses_only_its_minibatch() -> None:
    # One inner step on one image of each of two classes: the other 28 images have no gradient.
    run = started(3, unroll=1, window=1, augment="none", per_class=1, inner_classes=2)
    run.step()
    used = run.image_state[1].view_as(run.images).flatten(2).norm(dim=2) > 0
    assert used.sum() == 2 and used.any(1).sum() == 2


def test_synthetic_and_real_batches_are_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    apply = OneOf.apply

    def watched(self: OneOf, images: Tensor, draw: AugmentParams) -> Tensor:
        assert len(draw.uniform) == len(images)  # per image
        counts.append(len(images))
        return apply(self, images, draw)

    monkeypatch.setattr(OneOf, "apply", watched)
    run = started(2, truncation="full", unroll=3, window=1, real_batch=30)
    run.step()
    # Three inner steps; on the way back a step's batch is made again.
    assert counts == [30, 20, 20, 20, 20, 20, 20]


def test_a_real_batch_is_drawn_anew_without_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    run, batches = started(real_batch=30), []
    take = Examples.take

    def watched(self: Examples, indices: Tensor) -> Examples:
        batches.append(indices.tolist())
        return take(self, indices)

    monkeypatch.setattr(Examples, "take", watched)
    run.step()
    run.step()
    assert [len(set(batch)) for batch in batches] == [30, 30] and set(batches[0]) != set(batches[1])
