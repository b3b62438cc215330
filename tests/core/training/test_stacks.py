"""A stack of networks gives each the numbers that it has when trained alone."""

import dataclasses

import pytest
import torch

from suite.core.engine.classification import inner_problem
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.core.training import fit as fitting
from suite.core.training import stacks
from suite.core.training.fit import TrainingJob, fit, fit_each
from suite.core.training.recipes import RECIPES, Recipe

NET = network("convnet-d1-w4-in", (1, 8, 8), 3)
SHORT = [
    dataclasses.replace(RECIPES["dsa-1000"], epochs=6, decay_at=3, batch=4),
    dataclasses.replace(RECIPES["dc-300"], epochs=6, decay_at=3),
    dataclasses.replace(RECIPES["rat-bptt-1000"], steps=8),
]


def made(number: int) -> SyntheticSet:
    images = torch.randn(3, 2, 1, 8, 8, generator=generator(number))
    return SyntheticSet(images, one_hot(3, 2), Minibatch(per_class=1))


def alone(one: TrainingJob, recipe: Recipe) -> torch.Tensor:
    return fit(NET, one.synthetic, dataclasses.replace(recipe, lr=one.lr), seed=one.seed)


@pytest.fixture
def stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "together", lambda *_: 2)


@pytest.mark.usefixtures("stacked")
@pytest.mark.parametrize("recipe", SHORT, ids=lambda recipe: recipe.name)
def test_each_is_as_if_trained_alone(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "AHEAD", 3)  # draws are sent in several parts
    sets = made(0), made(1)
    trainings = [
        TrainingJob(sets[0], 0.01, 5),
        TrainingJob(sets[1], 0.02, 5),  # another set, another rate
        TrainingJob(sets[0], 0.01, 6),
        TrainingJob(sets[0], 0.005, 7),
        TrainingJob(sets[1], 0.01, 8),
    ]
    found = list(fit_each(NET, trainings, recipe))
    monkeypatch.undo()
    expected = [alone(one, recipe) for one in trainings]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(found[0], found[2], atol=1e-2)


@pytest.mark.parametrize(
    "name", ["mlp-w8", "alexnet-w4-none", "vgg11-w4-in", "resnet18-w4-ln", "convnet-d1-w4-ln"]
)
def test_every_architecture_stacks(name: str) -> None:
    side = 32 if "vgg" in name else 8
    net = network(name, (1, side, side), 3)
    images = torch.randn(3, 2, 1, side, side, generator=generator(0))
    recipe = dataclasses.replace(RECIPES["dc-300"], epochs=2)
    synthetic = SyntheticSet(images, one_hot(3, 2))
    runs = [fitting._run(TrainingJob(synthetic, 0.01, seed), recipe) for seed in (0, 1)]
    found = stacks.train(inner_problem(net, recipe.update_rule(0.01)), net, recipe, runs)
    expected = fit(net, synthetic, recipe, seed=1)
    assert torch.allclose(found[1], expected, atol=1e-4)


def test_what_is_trained_beside_it_changes_nothing() -> None:
    recipe = SHORT[0]
    steps = inner_problem(NET, recipe.update_rule(recipe.lr))

    def first(seeds: list[int]) -> torch.Tensor:
        runs = [fitting._run(TrainingJob(made(0), 0.01, seed), recipe) for seed in seeds]
        return stacks.train(steps, NET, recipe, runs)[0]

    assert torch.allclose(first([1, 2]), first([1, 3, 4]), atol=1e-6)


def test_a_stack_is_as_high_as_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = inner_problem(NET, SHORT[0].update_rule(0.01))
    each = stacks.footprint(steps, NET, 10)
    assert each > 10 * 64 * 4 + 2 * NET.size * 4  # the images and the state, at least
    assert stacks.footprint(steps, NET, 20) > each
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (10 * each, 100 * each))
    assert stacks.together(steps, NET, 10, torch.device("cuda")) == 10 * stacks.SHARE
    assert stacks.together(steps, NET, 10**6, torch.device("cuda")) == 1
    assert stacks.together(steps, NET, 10, torch.device("cpu")) == 1


def test_activations_count_whether_steps_are_compiled_or_not() -> None:
    rule = SHORT[0].update_rule(0.01)
    plain, compiled = inner_problem(NET, rule), inner_problem(NET, rule, compiled=True)
    each = stacks.footprint(plain, NET, 10)
    assert each == stacks.footprint(compiled, NET, 10)
    assert each > 10 * (4 * 64 + 4 * 64) * 4  # what the convolution gives, and its cotangent


def test_a_network_alone_is_not_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "train", lambda *_: pytest.fail("one network was stacked"))
    assert len(list(fit_each(NET, [TrainingJob(made(0), 0.01, 0)], SHORT[1]))) == 1
