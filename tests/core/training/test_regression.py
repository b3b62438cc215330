"""Centred targets by hand, ridge regression against scikit-learn's."""

import pytest
import torch
from sklearn.kernel_ridge import KernelRidge  # type: ignore[import-untyped]
from torch import Tensor

from suite.core.seeding import generator
from suite.core.sets.synthetic_set import one_hot
from suite.core.training.regression import (
    centred,
    indicators,
    label_margin,
    ridge_weights,
    scaled,
    squared_error,
    unscaled,
)


def test_targets_are_centred_and_scaled() -> None:
    assert centred(torch.tensor([0.0, 1.0, 0.0, 0.0])).tolist() == [-0.25, 0.75, -0.25, -0.25]
    # With 40 classes the scale is sqrt(40 / 10) = 2.
    targets = scaled(one_hot(40, 1))
    assert targets[3, 0, 3].item() == pytest.approx(0.975 / 2)
    assert targets[3, 0, 4].item() == pytest.approx(-0.025 / 2)
    soft = torch.rand(3, 40, generator=generator(0))
    torch.testing.assert_close(unscaled(scaled(soft)), soft)


def test_the_squared_error_by_hand() -> None:
    # Of zeros to a centred one-hot of ten classes: (.9² + 9 * .1²) / 2 = .45. A score of .9 and ten of
    # -.1 is no distance away; .9 too far in one place is .81 / 2 more.
    labels = torch.tensor([2, 7])
    right = centred(indicators(labels, 10))
    assert squared_error(torch.zeros(2, 10), labels).item() == pytest.approx(0.45)
    assert squared_error(right, labels).item() == pytest.approx(0, abs=1e-12)
    off = right + torch.tensor([[0.9, *[0.0] * 9], [0.0] * 10])
    assert squared_error(off, labels).item() == pytest.approx(0.81 / 2 / 2)
    assert squared_error(off, indicators(labels, 10)).item() == pytest.approx(0.81 / 2 / 2)


def test_the_margin_by_hand() -> None:
    # Up to 1/3: .9 - .1 counts 1/3, .5 - .4 counts .1.
    targets = torch.tensor([[0.9, 0.1, 0.0], [0.1, 0.4, 0.5]])
    assert label_margin(targets, 1 / 3).item() == pytest.approx((1 / 3 + 0.1) / 2)


def test_ridge_regression_by_hand() -> None:
    # Features 1 and 2: K = [[1, 2], [2, 4]], trace / 2 = 2.5, λ = .4 * 2.5 = 1. One feature's weight is
    # Σ f y / (Σ f² + λ) = Σ f y / 6.
    weights = ridge_weights(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, 0.0], [0.5, 3.0]]), 0.4)
    torch.testing.assert_close(weights, torch.tensor([[2 / 6, 6 / 6]]))


def drawn(count: int, features: int) -> tuple[Tensor, Tensor, Tensor]:
    rng = generator(count)
    sizes = ((count, features), (count, 3), (5, features))
    found = [torch.randn(*size, generator=rng, dtype=torch.float64) for size in sizes]
    return found[0], found[1], found[2]


@pytest.mark.parametrize(("count", "features"), [(4, 9), (9, 4)])
def test_ridge_regression_is_scikit_learns(count: int, features: int) -> None:
    support, targets, others = drawn(count, features)
    ridge = 0.03 * float((support @ support.T).trace()) / count
    expected = KernelRidge(alpha=ridge, kernel="linear").fit(support.numpy(), targets.numpy())
    found = others @ ridge_weights(support, targets, 0.03)
    torch.testing.assert_close(found, torch.as_tensor(expected.predict(others.numpy())))


def test_more_images_than_features_are_regular_in_float32() -> None:
    # Without float64, the ridge of 1e-6 is lost among the kernel's rounding, and the solution explodes.
    support, targets, others = (x.float() for x in drawn(60, 4))
    found = others @ ridge_weights(support, targets, 1e-6)
    least_squares = others @ torch.linalg.lstsq(support, targets).solution
    torch.testing.assert_close(found, least_squares, atol=1e-3, rtol=1e-3)


def test_without_features_there_is_no_regression() -> None:
    assert ridge_weights(torch.zeros(3, 2), torch.ones(3, 2), 0.1).isnan().all()


def test_it_is_differentiated_for_features_and_targets() -> None:
    support, targets, _ = (x.requires_grad_() for x in drawn(3, 2))
    assert torch.autograd.gradcheck(lambda f, y: ridge_weights(f, y, 0.1), (support, targets))
