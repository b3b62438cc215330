"""DSA: DC with other settings, whose pairs share an augmentation."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.distilling import matching
from suite.core.spec import Budget
from suite.core.training.augment import Augmentation, AugmentParams, apply_each
from suite.plugins.methods import dc
from tests.support.small_data import two_classes

DC = import_module("suite.plugins.methods.dc").METHOD
METHOD = import_module("suite.plugins.methods.dsa").METHOD
QUICK: dict[str, Any] = {"steps": 3, "real_batch": 6, "network": "convnet-d1-w4-in"}


def test_settings_are_the_papers() -> None:
    method = METHOD()
    assert (method.augment, method.initial, method.recipe) == ("dsa", "real", "dsa-1000")
    assert not METHOD.recipes
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
    seen: list[tuple[torch.Size, list[int]]] = []

    def watched(augment: Augmentation, images: Tensor, params: Sequence[AugmentParams]) -> Tensor:
        seen.append((images.shape[:2], [len(each.uniform) for each in params]))
        return apply_each(augment, images, params)

    monkeypatch.setattr(matching, "apply_each", watched)
    monkeypatch.setattr(dc, "apply_each", watched)
    METHOD(**QUICK, outer_loop=2, inner_loop=2).start(two_classes(), Budget(3), seed=0).step()
    matched, trained = [((2, 6), [1, 1]), ((2, 3), [1, 1])], ((1, 6), [6])
    assert seen == [*matched, trained, trained, *matched]


def test_a_set_equal_to_the_real_images_is_no_distance_away() -> None:
    one_each = two_classes().take(torch.tensor([0, 1]))
    run = METHOD(**QUICK, image_lr=1e-9).start(one_each, Budget(1), seed=0)
    assert max(run.step()["outer_loss"] for _ in range(6)) < 1e-3
