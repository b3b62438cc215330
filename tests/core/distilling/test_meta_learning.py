"""What meta-learning methods share: clipping by the average norm, Adam that leaves gradients out."""

import math

import pytest
import torch
from torch import Tensor

from suite.core.distilling.meta_learning import AdamParameter, LearnedSet, NormClip

YES, NO = torch.tensor(True), torch.tensor(False)


def clipped(clip: NormClip, norm: float) -> float:
    """Return the norm of a clipped gradient that is `norm` long."""
    gradient = torch.tensor([0.6, -0.8]) * norm
    return float(clip(gradient, gradient.norm(), gradient.norm().isfinite()).norm())


def test_a_gradient_is_clipped_at_a_multiple_of_the_running_average_which_takes_it_in_first() -> None:
    # Averages 1, .9 + 1 = 1.9, 1.71 + .1 = 1.81, 1.629 + .37 = 1.999, and twice those are the limits: only
    # the second norm is above. If 3.8 were averaged in place of 10, the fourth would be clipped too.
    clip = NormClip(2.0, torch.zeros(1))
    for before, after in [(1.0, 1.0), (10.0, 3.8), (1.0, 1.0), (3.7, 3.7)]:
        assert clipped(clip, before) == pytest.approx(after, rel=1e-5)


def test_the_factor_scales_the_limit() -> None:
    # Half the averages 1 and 1.9.
    clip = NormClip(0.5, torch.zeros(1))
    assert [clipped(clip, norm) for norm in (1.0, 10.0)] == pytest.approx([0.5, 0.95])


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_not_averaged(bad: float) -> None:
    clip = NormClip(2.0, torch.zeros(1))
    clipped(clip, bad)
    assert clipped(clip, 1.0) == pytest.approx(1.0)
    clipped(clip, bad)
    assert clipped(clip, 10.0) == pytest.approx(3.8)


def test_a_restarted_average_forgets() -> None:
    clip = NormClip(2.0, torch.zeros(1))
    clipped(clip, 1.0)
    clip.restart()
    assert clipped(clip, 10.0) == pytest.approx(10.0)  # the average itself


def gradients() -> list[Tensor]:
    return list(torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_a_parameter_moves_as_torchs_adam_moves_it(share: float) -> None:
    own, other = AdamParameter(torch.ones(2, 3), 0.1), torch.ones(2, 3)
    optimiser = torch.optim.Adam([other], lr=0.1 * share)
    for gradient in gradients():
        own.step(gradient, YES, lr_share=share)
        other.grad = gradient
        optimiser.step()
        torch.testing.assert_close(own.value, other)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    own, other = AdamParameter(torch.ones(2, 3), 0.1), AdamParameter(torch.ones(2, 3), 0.1)
    for gradient in gradients():
        own.step(torch.full_like(gradient, torch.nan), NO)
        own.step(gradient, YES)
        other.step(gradient, YES)
        assert torch.equal(own.value, other.value)


def test_a_restarted_parameter_keeps_its_value_alone() -> None:
    own = AdamParameter(torch.ones(2, 3), 0.1)
    own.step(gradients()[0], YES)
    fresh = AdamParameter(own.value.clone(), 0.1)
    own.restart()
    for parameter in (own, fresh):
        parameter.step(gradients()[1], YES)
    assert torch.equal(own.value, fresh.value)


def test_learned_labels_start_one_hot_stay_non_negative_and_are_not_renormalised() -> None:
    learned = LearnedSet(torch.zeros(3, 1, 1, 2, 2), 0.6)
    images, labels = torch.ones(3, 1, 1, 2, 2), torch.ones(3, 1, 3)
    assert torch.equal(learned.labels.value[:, 0], torch.eye(3))
    learned.step([images], YES)
    assert torch.equal(learned.labels.value[:, 0], torch.eye(3))  # without a gradient
    learned.step([images, labels], YES)
    # Adam's first step is its rate whatever the gradient: 1 - .6 = .4, and 0 - .6 becomes 0.
    torch.testing.assert_close(learned.labels.value[:, 0], 0.4 * torch.eye(3))
