"""DSA: DC with other settings, whose pairs share an augmentation."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.spec import Budget
from suite.core.training.augment import AugmentParams, OneOf
from tests.support.small_data import two_classes

DC = import_module("suite.plugins.methods.dc").METHOD
METHOD = import_module("suite.plugins.methods.dsa").METHOD
QUICK: dict[str, Any] = {"steps": 3, "real_batch": 6, "network": "convnet-d1-w4-in"}


def test_settings_are_the_papers() -> None:
    method = METHOD()
    assert (method.augment, method.initial, method.recipe) == ("dsa", "real", "dsa-1000")
    assert method.loops(10) == (10, 50) and method.steps == 1000 and method.image_lr == 0.1


def test_it_is_gradient_matching_with_another_choice() -> None:
    made = []
    for cls, choice in ((DC, {"augment": "dsa", "initial": "real"}), (METHOD, {})):
        run = cls(**QUICK, outer_loop=2, inner_loop=1, **choice).start(two_classes(), Budget(2), seed=0)
        run.step()
        made.append(run.synthetic().images)
    assert torch.equal(*made)


def test_matching_shares_a_draw_and_training_draws_for_each_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, int]] = []
    apply = OneOf.apply

    def watched(augment: OneOf, images: Tensor, params: AugmentParams) -> Tensor:
        seen.append((len(images), len(params.uniform)))
        return apply(augment, images, params)

    monkeypatch.setattr(OneOf, "apply", watched)
    METHOD(**QUICK, outer_loop=2, inner_loop=2).start(two_classes(), Budget(3), seed=0).step()
    pairs = [(6, 1), (3, 1), (6, 1), (3, 1)]
    assert seen == [*pairs, (6, 6), (6, 6), *pairs]


def test_a_set_equal_to_the_real_images_is_no_distance_away() -> None:
    one_each = two_classes().take(torch.tensor([0, 1]))
    run = METHOD(**QUICK, image_lr=1e-9).start(one_each, Budget(1), seed=0)
    assert max(run.step()["outer_loss"] for _ in range(6)) < 1e-3
