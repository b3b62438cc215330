"""Squared error to centred targets, and ridge regression on features, for kernel methods.

Ridge regression by the kernel of n features is a linear classifier on them: FRePo (arXiv 2206.00719)
takes those of a trained network's last layer, RFAD (arXiv 2210.12067) those of random networks.
"""

import torch
from torch import Tensor


def centred(targets: Tensor) -> Tensor:
    """Return targets (…, classes) minus 1 / classes: one-hot labels then sum to zero."""
    return targets - 1 / targets.shape[-1]


def scaled(targets: Tensor) -> Tensor:
    """Return targets (…, classes) centred and divided by sqrt(classes / 10), as in FRePo."""
    return centred(targets) / _scale(targets)


def unscaled(targets: Tensor) -> Tensor:
    """Undo `scaled`, on (…, classes)."""
    return targets * _scale(targets) + 1 / targets.shape[-1]


def indicators(labels: Tensor, classes: int) -> Tensor:
    """Return one-hot targets (…, classes) of labels (…), as floats."""
    return (labels[..., None] == torch.arange(classes, device=labels.device)).float()


def squared_error(scores: Tensor, targets: Tensor) -> Tensor:
    """Return half the squared distance of scores (n, classes) to `scaled` targets, averaged over n.

    targets: (n, classes), non-negative, or classes (n,).
    """
    if targets.ndim == 1:
        targets = indicators(targets, scores.shape[1])
    return (scores - scaled(targets)).square().sum(1).mean() / 2


def label_margin(targets: Tensor, most: float) -> Tensor:
    """Return the lead of the largest target, at most `most`, averaged over targets (n, classes)."""
    best = targets.topk(2, 1).values
    return (best[:, 0] - best[:, 1]).clamp(max=most).mean()


def ridge_weights(features: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """Return the weights (d, classes) of the ridge regression of targets (n, classes) on features (n, d).

    featuresᵀ (K + λ)⁻¹ targets, where K = features featuresᵀ and λ = ridge * trace(K) / n. They are NaN if K
    is zero, or if features are not finite. Does not wait for the device.
    """
    # In float64: if n is larger than d, only λ makes K regular, and it is below float32's rounding.
    exact = features.double()
    kernel = exact @ exact.T
    floor = ridge * kernel.diag().mean().expand(len(kernel)).diag()
    solution, singular = torch.linalg.solve_ex(kernel + floor, targets.double())
    return torch.where(singular == 0, exact.T @ solution, torch.nan).to(features)


def _scale(targets: Tensor) -> float:
    return float((targets.shape[-1] / 10) ** 0.5)
