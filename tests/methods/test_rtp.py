"""RTP: what it stores, what it decodes to, and its outer step by hand."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.data.tasks import load
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient
from suite.core.limits import check_stored_bytes
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples

METHOD = import_module("methods.rtp").METHOD
QUICK: dict[str, Any] = {
    "steps": 4,
    "unroll": 3,
    "real_per_class": 4,
    "network": "convnet-d1-w4-in",
}

META_GRADIENT = "suite.core.distilling.meta_learning.meta_gradient"


def train() -> Examples:
    digits = load("digits").train
    return digits.take(torch.cat([indices[:10] for indices in digits.by_class()]))


def started(ipc: int = 2, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def shaped(classes: int, channels: int, side: int) -> Examples:
    labels = torch.arange(classes).repeat_interleave(10)
    return Examples(torch.zeros(1, channels, side, side).expand(len(labels), -1, -1, -1), labels, classes)


@pytest.mark.parametrize(
    ("classes", "channels", "side", "ipc", "expected"),
    [
        (10, 3, 32, 1, (16, 115)),  # the authors' command: (30720 - 16 * 768) / 160 = 115.2
        (10, 3, 32, 10, (160, 115)),
        (100, 3, 32, 1, (160, 11)),  # (307200 - 160 * 768) / 16000 = 11.5
        (10, 1, 28, 1, (16, 29)),  # (7840 - 16 * 196) / 160 = 29.4
    ],
)
def test_bases_take_two_fifths_of_the_budget_and_images_the_rest(
    classes: int, channels: int, side: int, ipc: int, expected: tuple[int, int]
) -> None:
    assert METHOD().sizes(shaped(classes, channels, side), Budget(ipc)) == expected


def test_the_authors_settings() -> None:
    method = METHOD()
    assert (method.steps, method.unroll, method.inner_lr, method.inner_momentum) == (500_000, 150, 0.01, 0.9)
    assert (method.outer_lr, method.outer_momentum, method.clip, method.real_per_class) == (0.1, 0.5, 2.0, 64)
    assert (method.downsample, method.per_class, method.augment, method.recipe) == (2, 32, "none", "rtp-300")


def test_it_stores_bases_and_coefficients_and_decodes_them() -> None:
    made = started(bases=8, images=5).synthetic()
    assert made.parametrisation is not None
    assert {name: tuple(x.shape) for name, x in made.parametrisation.tensors.items()} == {
        "bases": (8, 1, 4, 4),
        "coefficients": (10, 5, 8),
    }
    assert made.images.shape == (10, 5, 1, 8, 8) and made.hard
    assert made.stored_bytes == 4 * (8 * 16 + 10 * 5 * 8)
    check_stored_bytes(made.stored_bytes, train(), Budget(2))


def test_bases_and_coefficients_start_as_glorots() -> None:
    run = started(bases=8, images=5)
    bounds = (6 / (8 + 16)) ** 0.5, (6 / (50 + 8)) ** 0.5
    for tensor, bound in zip((run.bases, run.coefficients), bounds, strict=True):
        largest = float(tensor.detach().abs().max())
        assert 0.9 * bound < largest <= bound and abs(float(tensor.detach().mean())) < 0.2 * bound


def test_the_meta_gradient_is_autograds_through_the_whole_training() -> None:
    """By an unroll written out here: decode, train by SGD with momentum, judge on real images."""
    run = started(bases=4, images=2, unroll=3, inner_lr=0.05)
    parameters = run.network.initialise(generator(0, "networks"))
    targets = torch.arange(10).repeat_interleave(2)
    velocity, rng = torch.zeros_like(parameters), generator(0, "minibatches")
    for _ in range(3):
        rows = run.training.minibatch.sample(10, 2, rng)
        sums = run.coefficients.flatten(0, 1)[rows] @ run.bases.flatten(1)
        images = torch.nn.functional.interpolate(sums.view(-1, 1, 4, 4), (8, 8), mode="bilinear")
        parameters = parameters if parameters.requires_grad else parameters.clone().requires_grad_()
        loss = cross_entropy(run.network.logits(parameters, images), targets[rows])
        (gradient,) = torch.autograd.grad(loss, parameters, create_graph=True)
        velocity = 0.9 * velocity + gradient
        parameters = parameters - 0.05 * velocity
    real_draw = generator(0, "real batches")
    rows = torch.cat([r[torch.randperm(len(r), generator=real_draw)[:4]] for r in train().by_class()])
    judged = cross_entropy(run.network.logits(parameters, train().images[rows]), train().labels[rows])
    expected = torch.autograd.grad(judged, (run.bases, run.coefficients))
    found = run.meta_gradient([run.bases, run.coefficients], run._decoded, Window(0, 3))
    assert float(found.loss) == pytest.approx(float(judged.detach()), rel=1e-5)
    for ours, theirs in zip(found.gradients, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6)


class Fake:
    """Stands in for the meta-gradient: every entry has the same value."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, *given: Any, window: Window, segment: int | None) -> MetaGradient:
        assert window == Window(0, 3) and segment is None
        inputs: list[Tensor] = given[2]
        zero = torch.zeros(())
        return MetaGradient(zero, tuple(torch.full_like(x, self.value) for x in inputs), zero, zero[None])


@pytest.mark.parametrize(("value", "applied"), [(0.01, 0.01), (1.0, 2 / 528**0.5)])
def test_an_outer_step_is_sgd_with_momentum_on_a_clipped_gradient(
    monkeypatch: pytest.MonkeyPatch, value: float, applied: float
) -> None:
    # 8 * 16 + 10 * 5 * 8 = 528 numbers: all of them .01 have norm .23, all of them 1 have norm 23.
    monkeypatch.setattr(META_GRADIENT, Fake(value))
    run = started(bases=8, images=5)
    before = run.bases.detach().clone(), run.coefficients.detach().clone()
    assert float(run.step()["gradient_norm"]) == pytest.approx(value * 528**0.5, rel=1e-4)
    run.step()
    moved = 0.1 * (1 + 1.5) * applied  # velocities g and 1.5 g
    for old, new in zip(before, (run.bases, run.coefficients), strict=True):
        assert torch.allclose(old - new.detach(), torch.full_like(old, moved), rtol=1e-3, atol=1e-6)


def test_a_real_batch_has_so_many_of_each_class_without_repeats() -> None:
    rows = started(real_per_class=7).real_rows()
    assert len(set(rows.tolist())) == 70 and train().labels[rows].bincount().tolist() == [7] * 10


def test_the_outer_loss_falls() -> None:
    run = started(steps=30, unroll=8, inner_lr=0.05, outer_lr=1.0, real_per_class=10, bases=8, images=3)
    losses = [float(run.step()["outer_loss"]) for _ in range(30)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize(
    ("changes", "budget", "message"),
    [
        ({"bases": 50, "images": 2}, Budget(2), "stores 7200 bytes; ipc 2 allows 5120, those of 20 images"),
        ({"downsample": 3}, Budget(2), "factor 3 must be at least 1 and divide 8x8 images evenly"),
        ({"network": "convnet-d4-w4-in"}, Budget(2), "too small for 4 blocks"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], budget: Budget, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{**QUICK, **changes}).check(train(), budget)


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="bases 0 must be at least 1"):
        METHOD(bases=0)
    with pytest.raises(ValueError, match="mixes images and labels"):
        METHOD(augment="flip-cutmix")
