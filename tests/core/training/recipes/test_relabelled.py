"""Recipes with targets by a teacher: schedules and losses by hand, and what labels a batch."""

from dataclasses import replace
from math import cos, pi
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from suite.core.engine.optimisers import SGD, AdamW
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, Teacher
from suite.core.spec import Examples
from suite.core.training.cached import labeller
from suite.core.training.fit import training_problem
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES
from suite.core.training.recipes.relabelled import LogitRecipe, RelabelRecipe
from suite.core.training.together import train_together

SHAPE = (3, 8, 8)
NET = network("convnet-d1-w4-bn", SHAPE, 3)
TRAIN = Examples(torch.randn(12, *SHAPE, generator=generator(0)), torch.arange(12) % 3, 3)
LOGITS, WANTED = (torch.randn(5, 3, generator=generator(seed)) for seed in (1, 2))


def teacher(seed: int) -> Teacher:
    """Return a network whose running statistics are not those of any batch."""
    weights = NET.initialise(generator(seed))
    running = torch.rand(NET.statistics_size, generator=generator(seed, "running")) + 0.5
    return Teacher(NET.name, torch.cat([weights, running]))


def made(*seeds: int) -> SyntheticSet:
    images = torch.randn(3, 4, *SHAPE, generator=generator(5))
    return replace(SyntheticSet.with_hard_labels(images), teachers=tuple(map(teacher, seeds)))


def test_half_a_cosine_after_a_linear_rise() -> None:
    rates = RECIPES["sre2l-squeeze-200"].lr_schedule(256)  # two batches in each epoch
    assert len(rates) == 400 and rates[0] == rates[1] == 0.1
    assert rates[200] == pytest.approx(0.05) and rates[399] == pytest.approx(
        0.1 * (1 + cos(pi * 199 / 200)) / 2
    )
    warm = RECIPES["sre2l-squeeze-tiny-50"].lr_schedule(256)
    assert warm[:3] == pytest.approx([0.002, 0.2 * (0.01 + 0.99 / 5), 0.2 * (0.01 + 0.99 * 2 / 5)])
    assert warm[5] == pytest.approx(0.2) and warm[5 + 15] == pytest.approx(0.2 * (1 + cos(pi / 3)) / 2)


@pytest.mark.parametrize(
    ("name", "temperature"), [("sre2l-300", 20.0), ("sre2l-cifar-400", 30.0), ("delt-300", 20.0)]
)
def test_the_loss_is_the_divergence_of_softened_outputs(name: str, temperature: float) -> None:
    """Up to a constant, which has no gradient."""
    how, leaf = RECIPES[name], LOGITS.clone().requires_grad_()
    ours = how.objective(leaf, how.relabelled(WANTED, torch.eye(3)[[0, 1, 2, 0, 1]]))
    aim = (WANTED / temperature).softmax(1)
    theirs = kl_div(log_softmax(leaf / temperature, 1), aim, reduction="batchmean")
    torch.testing.assert_close(*(torch.autograd.grad(loss, leaf)[0] for loss in (ours, theirs)))


def test_tiny_imagenets_rate_stands_for_the_square_of_the_temperature() -> None:
    """A step of SGD at .2 on 400 times the loss, with a decay of 1e-4."""
    rule = RECIPES["sre2l-tiny-100"].optimiser_of(NET, 80.0)
    assert rule == SGD(80.0, 0.9, 1e-4 / 400)
    assert RECIPES["sre2l-tiny-100"].lr == pytest.approx(0.2 * 400)


def test_mean_logits_and_a_share_of_the_label() -> None:
    how = RECIPES["g-vbsm-1000"]
    labels = torch.eye(3)[[0, 1, 2, 0, 1]]
    targets = how.relabelled(WANTED, labels)
    by_hand = ((LOGITS - WANTED) ** 2).mean() + 0.15 * cross_entropy(LOGITS, torch.tensor([0, 1, 2, 0, 1]))
    torch.testing.assert_close(how.objective(LOGITS, targets), by_hand)


def test_what_decays() -> None:
    assert RECIPES["sre2l-300"].optimiser_of(NET, 1e-3) == AdamW(1e-3, weight_decay=0.01, spans=NET.spans)
    assert RECIPES["sre2l-cifar-400"].optimiser_of(NET, 1e-3) == AdamW(1e-3, weight_decay=0.01)


def views_and_targets(name: str, synthetic: SyntheticSet) -> list[tuple[Tensor, Tensor]]:
    """Return the batches on which a network trains, with their targets."""
    how, seen = replace(RECIPES[name].for_data(TRAIN), epochs=2, batch=8), list[tuple[Tensor, Tensor]]()
    label = labeller(how, "convnet-d1-w4-in", TRAIN, synthetic.teachers)
    assert label is not None

    def kept(views: Tensor, labels: Tensor) -> Tensor:
        found = label(views, labels)
        seen.extend(zip(views, found, strict=True))
        return found

    job = TrainingJob.on_set(synthetic, how, 0, kept)
    list(train_together(NET, [job], training_problem(NET, [job]), 1))
    return seen


@pytest.mark.parametrize(
    ("name", "temperature"), [("sre2l-300", 20.0), ("delt-300", 20.0), ("sre2l-cifar-400", 30.0)]
)
def test_relabelled_views_have_the_teachers_output_on_the_same_batch(name: str, temperature: float) -> None:
    """Under SRe2L's recipe for CIFAR the teacher's batch norms use the batch's statistics, as in its code."""
    batches = views_and_targets(name, made(1))
    parameters = teacher(1).parameters[: NET.size if name == "sre2l-cifar-400" else None]
    assert sum(len(views) for views, _ in batches) == 2 * 12  # in two epochs
    originals = made().images.flatten(0, 1)
    assert not any(torch.equal(view, own) for views, _ in batches for view in views for own in originals)
    for views, targets in batches:
        torch.testing.assert_close(targets, (NET.logits(parameters, views) / temperature).softmax(1))


def test_several_teachers_give_their_mean() -> None:
    for views, targets in views_and_targets("g-vbsm-1000", made(1, 2)):
        logits = [NET.logits(teacher(seed).parameters, views) for seed in (1, 2)]
        torch.testing.assert_close(targets[:, :3], (logits[0] + logits[1]) / 2)
        assert torch.equal(targets[:, 3:].sum(1), torch.ones(len(views)))
        assert set(targets[:, 3:].unique().tolist()) == {0.0, 1.0}  # not mixed


def test_a_set_without_teachers_and_rdeds_recipe_have_one_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    views = torch.randn(2, 4, *SHAPE, generator=generator(3))
    labels = torch.eye(3)[torch.zeros(2, 4).long()]
    for name in ("sre2l-300", "rded-300-v2"):
        how = replace(RECIPES[name], teacher_epochs=1)
        own, brought = (
            labeller(how, "convnet-d1-w4-in", TRAIN, synthetic.teachers) for synthetic in (made(), made(1))
        )
        assert own is not None and brought is not None
        assert torch.equal(own(views, labels), brought(views, labels)) == (name == "rded-300-v2")


def test_the_kinds_are_data() -> None:
    assert isinstance(RECIPES["g-vbsm-300"], LogitRecipe) and RECIPES["g-vbsm-300"].label_weight == 0.1
    assert isinstance(RECIPES["sre2l-cifar-400"], RelabelRecipe)
    for name in ("sre2l-squeeze-200", "sre2l-squeeze-tiny-50", "g-vbsm-squeeze-50"):
        assert not RECIPES[name].teacher_epochs
