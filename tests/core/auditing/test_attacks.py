"""FGSM and PGD: on a linear network by hand, within their limits, and stronger with more steps."""

import pytest
import torch
from torch import Tensor

from suite.core.auditing import attacks
from suite.core.auditing.attacks import attack, attacked_accuracy
from suite.core.seeding import generator

SLOPES = torch.tensor([1.0, -2.0, 0.0, 3.0])


def linear(pixels: Tensor) -> Tensor:
    """Logits of two classes: 0, and a weighted sum of four pixels."""
    summed = pixels.flatten(1) @ SLOPES
    return torch.stack([torch.zeros_like(summed), summed], 1)


def test_one_step_moves_each_pixel_against_its_label_and_stays_in_range() -> None:
    images = torch.tensor([[0.5, 0.5, 0.5, 0.95], [0.5, 0.5, 0.5, 0.05]]).view(2, 1, 2, 2)
    # The loss of class 0 rises with the sum, that of class 1 falls; a pixel of weight 0 does not move.
    found = attack(linear, images, torch.tensor([0, 1]), epsilon=0.1, step=0.1, steps=1)
    expected = torch.tensor([[0.6, 0.4, 0.5, 1.0], [0.4, 0.6, 0.5, 0.0]])
    assert torch.allclose(found.flatten(1), expected)
    assert not found.requires_grad


def test_steps_never_leave_the_strength() -> None:
    images = torch.rand(5, 1, 2, 2, generator=generator(0))
    found = attack(linear, images, torch.tensor([0, 1, 0, 1, 0]), epsilon=0.1, step=0.04, steps=10)
    assert (found - images).abs().max() <= 0.1 + 1e-6
    assert found.min() >= 0 and found.max() <= 1
    assert torch.equal(found[:, 0, 1, 0], images[:, 0, 1, 0])  # the pixel of weight 0


def test_the_gradient_of_a_sure_network_does_not_vanish() -> None:
    # Logits of 0 and -60: in float32 the probability of the label rounds to 1.
    images = torch.full((1, 1, 2, 2), 0.5)
    found = attack(lambda x: 60 * (linear(x) - 2), images, torch.tensor([0]), epsilon=0.1, step=0.1, steps=1)
    assert torch.allclose(found.flatten(), torch.tensor([0.6, 0.4, 0.5, 0.6]))


def test_small_steps_find_what_one_step_passes() -> None:
    def peaked(pixels: Tensor) -> Tensor:
        """Class 1 is the likelier one between 0.5035 and 0.5115 only."""
        summed = 0.004 - (pixels.flatten(1)[:, 0] - 0.5075).abs()
        return torch.stack([torch.zeros_like(summed), summed], 1)

    images, labels = torch.full((1, 1, 1, 1), 0.5), torch.tensor([0])
    # One step ends at 0.52; ten go to 0.505 and 0.51 in turn.
    assert attacked_accuracy(peaked, images, labels, epsilon=0.02, step=0.02, steps=1) == 1
    assert attacked_accuracy(peaked, images, labels, epsilon=0.02, step=0.005, steps=10) == 0


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_an_attack_of_no_strength_gives_the_accuracy(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "BATCH", batch)
    images = torch.rand(5, 1, 2, 2, generator=generator(1))
    labels = linear(images).argmax(1)
    labels[0] = 1 - labels[0]
    assert attacked_accuracy(linear, images, labels, epsilon=0.0, step=0.0, steps=2) == pytest.approx(4 / 5)
