"""Adversarial images by the sign of a loss's gradient: FGSM and PGD, in pixels in [0, 1].

Goodfellow et al., arXiv 1412.6572; Madry et al., arXiv 1706.06083; settings after BEARD, arXiv 2411.09265.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

BATCH = 100
"""Images that are attacked at once, whose activations are kept."""

Logits = Callable[[Tensor], Tensor]
"""Maps pixels (n, channels, height, width) in [0, 1] to logits (n, classes)."""


def attack(
    logits: Logits, images: Tensor, labels: Tensor, *, epsilon: float, step: float, steps: int
) -> Tensor:
    """Return images (n, …) in [0, 1] that differ from `images` by at most `epsilon` in each pixel.

    Each of `steps` steps moves every pixel by `step` so that the cross-entropy for the labels (n,) rises, and
    clips it to both ranges. There is no random start. One step of `epsilon` is FGSM.
    """
    low, high, found = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1), images
    for _ in range(steps):
        with torch.enable_grad():
            seen = found.detach().requires_grad_()
            # In float64, where the gradient of a network that is sure of itself does not round to zero.
            loss = cross_entropy(logits(seen).double(), labels, reduction="sum")
        (slope,) = torch.autograd.grad(loss, seen)
        found = torch.clamp(found + step * slope.sign(), low, high)
    return found


def attacked_accuracy(
    logits: Logits, images: Tensor, labels: Tensor, *, epsilon: float, step: float, steps: int
) -> float:
    """Return the accuracy in [0, 1] on attacked images (n, …), which are in [0, 1]."""
    right = []
    for batch, own in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        found = attack(logits, batch, own, epsilon=epsilon, step=step, steps=steps)
        with torch.no_grad():
            right.append(logits(found).argmax(1) == own)
    return float(torch.cat(right).double().mean())
