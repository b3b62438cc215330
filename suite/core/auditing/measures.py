"""Measures of predictions: calibration, the worst class, and how well scores tell members from others."""

import torch
from scipy.stats import rankdata
from torch import Tensor


def worst_class(right: Tensor, labels: Tensor, classes: int) -> float:
    """Return the lowest accuracy in [0, 1] of a class, of those that have images.

    right: whether each prediction (n,) is right.
    """
    counts = labels.bincount(minlength=classes)
    found = labels[right].bincount(minlength=classes)
    return float((found.double() / counts.clamp(min=1))[counts > 0].min())


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int) -> float:
    """Return the expected calibration error in [0, 1] of probabilities (n, classes) for labels (n,).

    The gap between confidence and accuracy in each of `bins` bins of equal width in confidence, averaged with
    the number of images in the bin as weight (Guo et al., arXiv 1706.04599).
    """
    confidence, predicted = probabilities.max(1)
    excess = (predicted == labels).to(confidence) - confidence
    place = (confidence * bins).long().clamp(max=bins - 1)
    gaps = confidence.new_zeros(bins).index_add(0, place, excess)
    return float(gaps.abs().sum()) / len(labels)


def auc(members: Tensor, others: Tensor) -> float:
    """Return the chance that the score of a member (n,) is above that of another (m,); equal ones count half.

    It is the area under the ROC curve of a membership inference.
    """
    count, ranks = len(members), rankdata(torch.cat([members, others]).double().cpu().numpy())
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(others)))
