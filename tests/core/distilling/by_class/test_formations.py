"""Formations that methods learn: their pixels, what an update draws, and its step."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from suite.core.distilling.by_class.formations import ClasswiseDistiller, FormationMethod, PixelRange
from suite.core.distilling.initial_images import initial_images
from suite.core.sets.parametrisations import MultiFormation, Reduction
from suite.core.spec import Budget, Examples
from tests.support.small_data import few_digits

DATA = few_digits(12)


@dataclass(frozen=True)
class Means(FormationMethod):
    """Move the decoded images to the mean of real ones."""

    def start(self, train: Examples, budget: Budget, *, seed: int) -> "Run":
        return Run(self, train, budget, seed)


@dataclass(frozen=True)
class Free(Means):
    pixel_range: ClassVar[PixelRange] = "any"
    reduction: ClassVar[Reduction] = "bilinear"


class Run(ClasswiseDistiller):
    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor, *given: Tensor) -> Tensor:
        return parameters * (synthetic.mean(1) - real.mean(1)).square().sum()

    def step(self) -> dict[str, Tensor]:
        return {"outer_loss": self.update(self.draw_match(), torch.tensor(2.0))}


def started(cls: type[Means] = Means, ipc: int = 1, **changes: Any) -> Run:
    settings = {"real_batch": 4, "augment": "none", "network": "convnet-d1-w4-in", **changes}
    return cls(**settings).start(DATA, Budget(ipc), seed=0)


@pytest.mark.parametrize("cls", [Means, Free])
def test_a_set_that_is_not_updated_is_that_of_its_initial_images(cls: type[Means]) -> None:
    real = initial_images(DATA, 8, "real", seed=0)
    expected = MultiFormation.of(real, 2, cls.reduction)
    made = started(cls, 2).synthetic()
    torch.testing.assert_close(made.images, expected.decode(), atol=1e-5, rtol=1e-5)
    assert made.stored_bytes == 10 * 2 * 64 * 4


def test_only_pixels_of_the_unit_range_stay_in_it() -> None:
    kept, free = started(image_lr=1e3), started(Free, image_lr=1e3)
    for run in (kept, free):
        run.step()
    assert kept.synthetic().images.max() <= DATA.images.max() + 1e-5
    assert free.synthetic().images.max() > DATA.images.max() + 1
    kept.keep_in_range()
    pixels = kept.pixels.detach()
    assert (float(pixels.min()), float(pixels.max())) == (0, 1)


def test_the_loss_is_that_before_the_update_per_class() -> None:
    run, same = started(), started()
    match = same.draw_match()
    gaps = (same.decoded().mean(1) - DATA.images[match.real].mean(1)).square().sum((1, 2, 3))
    assert float(run.step()["outer_loss"]) == pytest.approx(2 * float(gaps.detach().mean()), rel=1e-5)
    assert run.step_count == 1


def test_an_update_follows_the_gradient_of_the_pixels() -> None:
    run = started(Free, image_momentum=0.0, image_lr=0.25)
    before, match = run.pixels.detach().clone(), run.draw_match()
    leaf = before.clone().requires_grad_()
    images = MultiFormation(leaf, 2).decode()
    (images.mean(1) - DATA.images[match.real].mean(1)).square().sum().mul(2).backward()
    run.update(match, torch.tensor(2.0))
    assert leaf.grad is not None
    torch.testing.assert_close(run.pixels.detach(), before - 0.25 * leaf.grad)


def test_no_more_decoded_images_than_the_synthetic_batch_are_seen() -> None:
    run = started(ipc=2, synthetic_batch=3)
    real, synthetic = run.augmented(run.draw_match())
    assert (real.shape[:2], synthetic.shape[:2]) == ((10, 4), (10, 3))
    images = run.decoded().flatten(2)
    for label, own in enumerate(synthetic.flatten(2)):
        assert torch.cdist(own, images[label]).amin(1).max() < 1e-5


@pytest.mark.parametrize(
    ("changes", "budget", "message"),
    [
        ({"factor": 3}, Budget(1), "factor 3 must be at least 1 and divide 8x8 images evenly"),
        ({}, Budget(4), "ipc 4 begins with 16 real images of each class, .* lower ipc or factor"),
        ({"synthetic_batch": 0}, Budget(1), "synthetic_batch 0 must be at least 1"),
        ({"image_lr": 0.0}, Budget(1), "image_lr 0.0 must be larger than 0"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], budget: Budget, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Means(**changes, network="convnet-d1-w4-in").check(DATA, budget)
