"""The kinds of recipes: what depends on the set, the data and the network."""

from dataclasses import replace

import pytest
import torch

from suite.core.engine.optimisers import AdamW
from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.training.recipes import recipe
from suite.core.training.recipes.kinds import KLRecipe, Recipe, RegressionRecipe, StepDecayRecipe

KL = KLRecipe("kl", "", "adamw", 0.01, "none", weight_decay=0.1, epochs=4, batch=50, temperature=5.0)
SOFT = SyntheticSet(torch.zeros(10, 2, 1, 4, 4), one_hot(10, 2) * 0.9 + 0.01)


def test_labels_are_softened_before_they_are_mixed() -> None:
    """By hand: fifth roots of 16/17 and 1/17 are 2^(4/5) and 1 times a constant."""
    found = KL.targets(torch.tensor([[16 / 17, 1 / 17]]))
    assert found[0].tolist() == pytest.approx([2**0.8 / (2**0.8 + 1), 1 / (2**0.8 + 1)])
    assert torch.equal(Recipe("r", "", "sgd", 0.1, "none").targets(found), found)


def test_only_soft_labels_have_a_temperature() -> None:
    hard = replace(SOFT, labels=one_hot(10, 2))
    kept, dropped = KL.for_set(SOFT), KL.for_set(hard)
    assert isinstance(kept, KLRecipe) and isinstance(dropped, KLRecipe)
    assert (kept.temperature, dropped.temperature) == (5.0, 1.0)
    taught = replace(KL, teacher_epochs=3).for_set(hard)
    assert isinstance(taught, KLRecipe) and taught.temperature == 5.0


@pytest.mark.parametrize("kind", [Recipe, StepDecayRecipe, KLRecipe, RegressionRecipe])
def test_every_kind_trains_at_the_learned_rate(kind: type[Recipe]) -> None:
    """Also where the rate of a recipe would be another at this size: CIFAR-100's."""
    asked = kind("r", "", "sgd", 0.1, "none", epochs=2, batch=4, learned_lr=True)
    bare = SyntheticSet.with_hard_labels(torch.zeros(100, 1, 1, 32, 32))
    assert asked.for_set(replace(bare, lr=0.03)).lr == 0.03
    with pytest.raises(ValueError, match="recipe 'r' trains at the learned rate of a set, and this set has"):
        asked.for_set(bare)


def test_the_optimiser_knows_the_parameters_that_decay() -> None:
    net = network("mlp-w4", (1, 2, 2), 3)
    assert KL.optimiser_of(net, 0.01) == AdamW(0.01, weight_decay=0.1, spans=(16, 4, 16, 4, 12, 3))
    assert net.size == 16 + 4 + 16 + 4 + 12 + 3


def test_the_rate_is_halved_after_each_fifth_but_the_last() -> None:
    rates = recipe("ncfm-40").lr_schedule(100)  # one batch an epoch
    assert rates == [1e-3 * 0.5 ** (epoch // 8) for epoch in range(40)]
    assert len(recipe("ncfm-2000").lr_schedule(300)) == 2000 * 3  # 128 + 128 + 44


def test_the_first_length_that_is_large_enough_counts() -> None:
    lengths = ((10, 7), (19, 5), (20, 9), (30, 5))
    how = RegressionRecipe("r", "", "adam", 0.1, "none", batch=5, steps=11, lengths=lengths)
    assert [len(how.lr_schedule(count)) for count in (1, 10, 11, 19, 20, 21, 30, 31)] == [
        7,
        7,
        5,
        5,
        9,
        5,
        5,
        11,
    ]
