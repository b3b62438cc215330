"""RaT-BPTT: its outer steps against plain PyTorch, what it leaves out, and what it refuses."""

import math
from bisect import bisect_left
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.data.tasks import load
from suite.core.distilling.meta_learning import NormClip
from suite.core.engine.classification import worth_compiling
from suite.core.networks.named import network
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.spec import UNPUBLISHED, Budget, Examples
from suite.core.training.augment import AugmentParams, OneOf
from suite.plugins.registry import source_of_settings
from tests.support.plain_meta_learning import NAME, PlainClip, PlainMetaLearning, double
from tests.support.small_data import few_digits

METHODS = {
    name: import_module(f"suite.plugins.methods.{name}").METHOD
    for name in ("rat_bptt", "t_bptt", "bptt", "r_bptt")
}
METHOD = METHODS["rat_bptt"]
QUICK: dict[str, Any] = {
    "steps": 4,
    "unroll": 4,
    "window": 2,
    "real_batch": 16,
    "network": "convnet-d1-w4-in",
}
PLAIN: dict[str, Any] = {
    "steps": 6,
    "unroll": 5,
    "real_batch": 12,
    "network": NAME,
    "inner_lr": 0.05,
    "outer_lr": 0.2,
    "clip": 0.7,
}


def train() -> Examples:
    return few_digits(10)


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def plain_steps(method: Any, data: Examples, start: SyntheticSet) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the loss of each outer step, and the images and labels after it."""
    gradients_of, clip = PlainMetaLearning(method, data), PlainClip(method.clip)
    images, labels = start.images.clone(), start.labels.clone()
    optimiser = torch.optim.Adam([images, labels], lr=method.outer_lr)
    found = []
    for _ in range(method.steps):
        loss, (of_images, of_labels) = gradients_of(images, labels)
        if of_images.isfinite().all():
            images.grad = clip(of_images)
            labels.grad = of_labels if method.learn_labels else None
            optimiser.step()
            labels.clamp_(min=0)
        found.append((loss, images.clone(), labels.clone()))
    return found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rat_bptt", {"window": 2}),
        ("rat_bptt", {"window": 2, "learn_labels": True}),
        ("rat_bptt", {"window": 3, "networks": 2, "redraw_every": 3, "augment": "none", "clip": 0.3}),
        ("rat_bptt", {"window": 3, "per_class": 1, "inner_classes": 2, "learn_labels": True}),
        ("rat_bptt", {"window": 2, "truncation": "fixed"}),
        ("t_bptt", {"window": 2}),
        ("bptt", {"learn_labels": True}),
        ("r_bptt", {}),
        ("r_bptt", {"redraw_every": 2}),
        ("rat_bptt", {"window": 2, "eps_inside": True}),
        ("bptt", {"eps_inside": True}),
        ("rat_bptt", {"window": 2, "inner_optimiser": "sgd", "learn_labels": True}),
        ("bptt", {"inner_optimiser": "sgd"}),
        ("rat_bptt", {"window": 2, "growing": True, "truncation": "fixed"}),
        ("rat_bptt", {"window": 3, "growing": True, "redraw_every": 2}),
    ],
    ids=str,
)
def test_outer_steps_are_those_of_plain_pytorch(name: str, changes: dict[str, Any]) -> None:
    method = METHODS[name](**{**PLAIN, **changes})
    run = method.start(double(), Budget(2), seed=0)
    before = run.synthetic()
    moves = 0
    for loss, images, labels in plain_steps(method, double(), before):
        metrics = run.step()
        made = run.synthetic()
        torch.testing.assert_close(metrics["outer_loss"], loss, rtol=1e-9, atol=0)
        torch.testing.assert_close(made.images, images, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(made.labels, labels, rtol=1e-7, atol=1e-7)
        moves += int((made.labels == 0).sum())
    assert not torch.equal(made.images, before.images)
    assert made.hard != method.learn_labels and moves > 0  # of learned labels some are held at zero


def test_the_schedules_differ() -> None:
    sets = []
    for method in METHODS.values():
        window = {"window": 2} if "window" in method.smoke else {}
        run = method(**PLAIN, **window).start(double(), Budget(1), seed=0)
        for _ in range(3):
            run.step()
        sets.append(run.synthetic().images)
    assert all(not torch.equal(one, other) for place, one in enumerate(sets) for other in sets[:place])


def test_a_growing_unroll_ends_with_the_window_and_reaches_its_length() -> None:
    method = METHOD(**{**QUICK, "steps": 7, "unroll": 5}, growing=True, truncation="fixed")
    assert [method.unroll_at(step) for step in range(7)] == [2, 2, 3, 3, 4, 4, 5]
    run = method.start(train(), Budget(1), seed=0)
    windows = [run.next_window() for _ in range(7)]
    assert [window.before for window in windows] == [0, 0, 1, 1, 2, 2, 3]
    assert {window.length for window in windows} == {2}


def test_a_gradient_is_never_clipped_from_a_factor_of_ten() -> None:
    """A tenth of the average is the norm itself: with 10, the grid window-controls clips nothing."""
    clip = NormClip(10.0, torch.zeros(()))
    for norm in (1.0, 1e3, 1e6):
        gradient = torch.tensor([norm])
        assert torch.equal(clip(gradient, gradient.norm(), torch.tensor(True)), gradient)


def test_meta_gradients_that_are_not_finite_are_left_out_and_counted() -> None:
    # Three of 30 images are broken: of real batches of four about every third has one of them.
    data = double(broken=(3, 10, 20))
    settings = {**PLAIN, "window": 2, "real_batch": 4, "learn_labels": True, "steps": 14}
    expected = plain_steps(
        METHOD(**settings), data, METHOD(**settings).start(data, Budget(2), seed=0).synthetic()
    )
    finite = [bool(loss.isfinite()) for loss, *_ in expected]
    assert 2 < sum(finite) < 13 and finite[0]
    allowed = finite.count(False) - 1
    run = METHOD(**settings, max_nonfinite=allowed).start(data, Budget(2), seed=0)
    skipped, last = 0, 0.0
    for (loss, images, labels), counts in zip(expected, finite, strict=True):
        metrics = run.step()
        torch.testing.assert_close(run.synthetic().images, images, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(run.synthetic().labels, labels, rtol=1e-6, atol=1e-7)
        skipped, last = skipped + (not counts), float(loss) if counts else last
        assert int(metrics["skipped"]) == skipped
        # One more than is allowed, and the loss is not finite: the harness ends the trial.
        shown = float(metrics["outer_loss"])
        assert shown == pytest.approx(last) if skipped <= allowed else math.isnan(shown)
        assert run.diagnosis() == ("" if counts else "the outer loss")
        assert counts or float(metrics["gradient_norm"]) == 0


def test_images_start_as_noise_of_unit_norm_or_as_real_images() -> None:
    noise = started(3).synthetic().images
    assert torch.allclose(noise.flatten(2).norm(dim=2), torch.ones(10, 3))
    real = started(3, initial="real").synthetic().images.flatten(0, 1).flatten(1)
    known = train().images.flatten(1)
    assert all(bool((known == image).all(1).any()) for image in real)


def test_the_set_carries_the_minibatch_that_it_was_made_with() -> None:
    assert started(3, per_class=2, inner_classes=5).synthetic().minibatch == Minibatch(2, 5)


def test_the_outer_loss_falls() -> None:
    changes = {"steps": 15, "unroll": 10, "window": 8, "real_batch": 128, "inner_lr": 0.02, "outer_lr": 0.05}
    method = METHOD(**{**QUICK, **changes, "augment": "none"})
    run = method.start(load("digits").train, Budget(1), seed=0)
    losses = [float(run.step()["outer_loss"]) for _ in range(15)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize("name", METHODS)
def test_every_schedule_gives_a_finite_set(name: str) -> None:
    method = METHODS[name](**METHODS[name].smoke)
    run = method.start(train(), Budget(1), seed=0)
    before = run.synthetic()
    for _ in range(method.steps):
        run.step()
    made: SyntheticSet = run.synthetic()
    assert made.images.isfinite().all() and not torch.equal(before.images, made.images)


@pytest.mark.parametrize(
    ("name", "changes", "back"),
    [("rat_bptt", {"window": 2}, 2), ("bptt", {}, 4), ("rat_bptt", {"window": 2, "networks": 3}, 6)],
)
def test_steps_that_are_walked_back_decide_on_compiling(
    name: str, changes: dict[str, Any], back: int
) -> None:
    net = network(QUICK["network"], train().shape, 10)

    def pays(inner_steps: int) -> bool:
        return worth_compiling(net, batch=20, steps=inner_steps, device=torch.device("cpu"))

    enough = bisect_left(range(10_000), True, key=lambda steps: pays(steps * back))
    for steps in (enough - 1, enough):
        settings = {key: value for key, value in QUICK.items() if key != "window"}
        method = METHODS[name](**{**settings, "steps": steps, "per_class": 2, **changes})
        assert method.start(train(), Budget(3), seed=0).inner.compiled == (steps == enough)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 5}, "window 5 is longer than the unroll 4; lower window or raise unroll"),
        ({"augment": "flips"}, "unknown augmentation 'flips'"),
        ({"steps": 0}, "steps 0"),
        ({"per_class": 0}, "per_class 0 must be at least 1"),
        ({"networks": 0}, "networks 0 must be at least 1"),
        ({"eps_inside": True, "inner_optimiser": "sgd"}, "eps_inside is a setting of Adam"),
        ({"max_nonfinite": -1}, "max_nonfinite -1 must not be negative"),
        ({"checkpoint_every": 3}, "checkpoint_every 3 must lie between 1 and the window's 2 steps"),
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


def test_eps_inside_changes_the_meta_gradient_of_windows_from_the_first_step() -> None:
    """There Adam's first step divides by the root of one gradient, and by eps where that is near 0."""

    def gradient(name: str, *, inside: bool) -> Tensor:
        run = METHODS[name](**PLAIN, eps_inside=inside).start(double(), Budget(2), seed=0)
        images, labels = run.learned.images.value, run.learned.labels.value
        found: Tensor = run.gradient_of(images, labels, run.next_window()).gradients[0]
        return found

    outside, inside = (gradient("bptt", inside=inside) for inside in (False, True))
    assert float((outside - inside).norm() / outside.norm()) > 1e-6


def test_the_papers_settings() -> None:
    """The authors' commands; where there is none, the source is named."""
    published = METHOD.published
    assert published["cifar10", 10] == {"window": 60, "unroll": 200}
    assert published["cifar100", 10] == {
        "window": 100,
        "unroll": 300,
        "learn_labels": True,
        "per_class": 1,
    }
    tiny = published["tiny-imagenet", 10]
    assert (tiny["window"], tiny["unroll"], tiny["real_batch"], tiny["inner_classes"]) == (100, 300, 1000, 50)
    assert tiny["outer_lr"] == 3e-4 and tiny["learn_labels"] and tiny["per_class"] == 1
    podd = published["cifar100", 1]  # with 50 images a step
    assert (podd["window"], podd["unroll"], podd["real_batch"]) == (100, 300, 2000)
    assert (podd["inner_classes"], podd["per_class"]) == (50, 1) and podd["learn_labels"]
    podd = published["tiny-imagenet", 1]  # with 30
    assert (podd["window"], podd["unroll"], podd["real_batch"]) == (100, 300, 500)
    assert (podd["inner_classes"], podd["per_class"]) == (30, 1) and podd["learn_labels"]
    assert podd["outer_lr"] == podd["inner_lr"] == 5e-4
    assert set(published) - set(METHOD.borrowed) == {
        (family, 10) for family in ("cifar10", "cifar100", "tiny-imagenet")
    }
    for key in (("cifar10", 50), ("cifar100", 50)):
        for method in METHODS.values():
            assert source_of_settings(method, *key) == UNPUBLISHED
    for key, settings in published.items():
        assert METHODS["bptt"].published[key] == {k: v for k, v in settings.items() if k != "window"}


def test_no_row_of_rat_bptt_has_a_fixed_window() -> None:
    """The commands with one, of a later analysis, are T-BPTT's."""
    for key, settings in METHOD.published.items():
        assert METHOD(**settings).schedule == "random"
        assert METHODS["t_bptt"](**METHODS["t_bptt"].published[key]).schedule == "fixed"
    fixed = METHODS["t_bptt"].published["cifar100", 1]
    assert (fixed["window"], fixed["unroll"], fixed["outer_lr"]) == (90, 130, 3e-4)
    assert fixed["learn_labels"] and set(fixed) == {
        "window",
        "unroll",
        "outer_lr",
        "learn_labels",
        "per_class",
    }
    many = METHODS["t_bptt"].published["tiny-imagenet", 10]
    assert (many["window"], many["unroll"], many["real_batch"], many["inner_classes"]) == (90, 270, 2000, 50)
    assert ("cifar100", 1) not in METHODS["t_bptt"].borrowed


def test_synthetic_and_real_batches_are_augmented_image_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    apply = OneOf.apply

    def watched(self: OneOf, images: Tensor, params: AugmentParams) -> Tensor:
        assert len(params.uniform) == len(images)
        counts.append(len(images))
        return apply(self, images, params)

    monkeypatch.setattr(OneOf, "apply", watched)
    METHODS["bptt"](steps=1, unroll=3, real_batch=30, network=QUICK["network"]).start(
        train(), Budget(2), seed=0
    ).step()
    # Three inner steps; on the way back a step's batch is made again.
    assert counts == [30, 20, 20, 20, 20, 20, 20]
