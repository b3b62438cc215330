"""Networks that are trained side by side have the bits that they have when trained alone."""

from dataclasses import replace

import pytest
import torch

from suite.core.execution.graphs import Graphs
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.core.spec import Examples
from suite.core.training import together
from suite.core.training.fit import fit_each, fit_full, fit_trajectories
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES, Recipe
from suite.core.training.together import SIDE_BY_SIDE, bytes_per_network, networks_that_fit
from tests.support.replays import Captures

NET = network("convnet-d1-w4-in", (1, 8, 8), 3)
SHORT = [
    replace(RECIPES["dsa-1000"], epochs=6, decay_at=3, batch=4),
    replace(RECIPES["dc-300"], epochs=6, decay_at=3),
    replace(RECIPES["rat-bptt-1000"], steps=8),
    replace(RECIPES["idc-1000-v2"], epochs=6, batch=4),  # mixes images and targets
]


def made(number: int) -> SyntheticSet:
    images = torch.randn(3, 2, 1, 8, 8, generator=generator(number))
    return SyntheticSet(images, one_hot(3, 2), Minibatch(per_class=1))


def job(recipe: Recipe = SHORT[0], seed: int = 0, *, on: int = 0, lr: float = 0.01) -> TrainingJob:
    return TrainingJob.on_set(made(on), recipe.with_lr(lr), seed)


def group(recipe: Recipe) -> list[TrainingJob]:
    shared = TrainingJob.on_set(made(0), recipe.with_lr(0.01), 5)
    return [
        shared,
        job(recipe, 5, on=1, lr=0.02),  # another set, another rate
        replace(shared, seed=6),  # the same images
        replace(shared, seed=7, recipe=recipe.with_lr(0.005)),
        job(recipe, 8, on=1),
    ]


@pytest.mark.parametrize("recipe", SHORT, ids=lambda recipe: recipe.name)
def test_each_is_as_if_trained_alone(recipe: Recipe) -> None:
    jobs = group(recipe)
    found = list(fit_each(NET, jobs, at_once=2))
    expected = list(fit_each(NET, jobs, at_once=1))
    assert len(found) == len(expected) == 5
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.allclose(found[0], found[2], atol=1e-2)


@pytest.mark.parametrize("recipe", SHORT, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("size", [3, 16])
def test_replayed_steps_in_parts_change_only_rounding(
    recipe: Recipe, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU."""
    expected, captures = list(fit_each(NET, group(recipe))), Captures()
    monkeypatch.setattr(Graphs, "on", lambda device, seen: Graphs(captures, seen))
    monkeypatch.setattr(together, "AHEAD", {"cpu": size})
    for ours, theirs in zip(fit_each(NET, group(recipe), at_once=3), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert len(captures.pools) >= 5 * (size == 3)


@pytest.mark.parametrize(
    "name", ["mlp-w8", "alexnet-w4-none", "vgg11-w4-in", "resnet18-w4-ln", "convnet-d1-w4-bn"]
)
def test_every_architecture_trains_beside_others(name: str) -> None:
    side = 32 if "vgg" in name else 8
    net = network(name, (1, side, side), 3)
    images = torch.randn(3, 2, 1, side, side, generator=generator(0))
    recipe = replace(RECIPES["dc-300"], epochs=2)
    jobs = [TrainingJob.on_set(SyntheticSet(images, one_hot(3, 2)), recipe, seed) for seed in (0, 1)]
    beside, alone = (list(fit_each(net, jobs, at_once=count))[1] for count in (2, 1))
    assert torch.equal(beside, alone)


def test_hard_labels_of_full_data_are_mixed_alike() -> None:
    train = Examples(torch.randn(12, 1, 8, 8, generator=generator(0)), torch.arange(12) % 3, 3)
    recipe = replace(RECIPES["idc-1000-v2"], epochs=2, batch=8)
    beside = fit_trajectories(NET, train, recipe, seeds=[1, 2])[0][-1]
    assert torch.equal(beside, fit_full(NET, train, recipe, 2, seed=1))


def test_as_many_are_trained_at_once_as_fit_whatever_else_uses_the_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = job()
    each = bytes_per_network(NET, one)
    assert each > one.batch * 64 * 4 + 2 * NET.size * 4  # the images and the state, at least
    assert bytes_per_network(NET, job(replace(SHORT[0], batch=6))) > each
    on_gpu = replace(one, images=_Elsewhere(one.images))
    fitting = {10**6: SIDE_BY_SIDE, 8 * 10: 10, 8: 1, 1: 1}
    for networks, expected in fitting.items():
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, n=networks: (0, n * each))
        assert networks_that_fit(NET, on_gpu) == expected
    assert networks_that_fit(NET, one) == 1


class _Elsewhere(torch.Tensor):
    """A tensor that says that it lies on a GPU."""

    device = torch.device("cuda")


def test_activations_count() -> None:
    one = job(replace(SHORT[0], batch=6))
    assert bytes_per_network(NET, one) > 6 * (4 * 64 + 4 * 64) * 4  # a convolution's outputs, and cotangents
