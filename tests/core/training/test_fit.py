"""Training from scratch: one step by hand, seeds, minibatches, accuracy."""

import dataclasses
import warnings
from collections.abc import Sequence

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.engine import classification
from suite.core.engine.inner_problem import InnerProblem
from suite.core.networks.layers import Layer, Lowering
from suite.core.networks.named import Network, network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.core.spec import Examples
from suite.core.training.fit import (
    accuracy,
    fit,
    fit_copies,
    fit_full,
    fit_trajectories,
    map_batches,
    training_problem,
    training_states,
)
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES, Recipe
from suite.core.training.recipes.kinds import RegressionRecipe

NET = network("mlp-w4", (1, 2, 2), 2)
STEP = dataclasses.replace(RECIPES["dc-300"], name="test", epochs=1, decay_at=None, weight_decay=0.0)


def synthetic(ipc: int = 1, labels: torch.Tensor | None = None) -> SyntheticSet:
    images = torch.randn(2, ipc, 1, 2, 2, generator=generator(0))
    return SyntheticSet(images, one_hot(2, ipc) if labels is None else labels)


@pytest.mark.parametrize("soft", [False, True])
def test_one_step_is_start_minus_rate_times_gradient(soft: bool) -> None:
    labels = torch.tensor([[[0.7, 0.3]], [[0.2, 1.1]]]) if soft else None
    made = synthetic(labels=labels)
    start = NET.initialise(generator(5, "initialisation")).requires_grad_()
    images, targets = made.flat()
    (gradient,) = torch.autograd.grad(cross_entropy(NET.logits(start, images), targets), start)
    expected = (start - 0.01 * gradient).detach()
    assert torch.allclose(fit(NET, made, STEP, seed=5), expected, atol=1e-7)


@pytest.mark.parametrize("name", RECIPES)
def test_a_seed_repeats_its_bits(name: str) -> None:
    recipe = RECIPES[name]
    short = dataclasses.replace(recipe, epochs=min(recipe.epochs, 8), steps=min(recipe.steps, 8))
    if isinstance(short, RegressionRecipe):
        short = dataclasses.replace(short, lengths=())
    images = torch.randn(10, 2, 1, 8, 8, generator=generator(0))
    digits = SyntheticSet(images, one_hot(10, 2), lr=0.01 if recipe.learned_lr else None)
    net = network("convnet-d1-w4-in", (1, 8, 8), 10)

    def label(views: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        found = recipe.relabelled(views.flatten(2).flatten(0, 1)[:, :10], labels.flatten(0, 1))
        return found.view(*views.shape[:2], -1)

    def trained(seed: int) -> torch.Tensor:
        return next(
            fit_copies(net, digits, short, seeds=[seed], label=label if recipe.teacher_epochs else None)
        )

    torch.manual_seed(0)
    first = trained(0)
    torch.manual_seed(1)
    assert torch.equal(first, trained(0)) and not torch.equal(first, trained(1))


def test_products_are_rounded_where_the_recipe_says_so() -> None:
    """One step from one start: against the gradient that autograd finds through rounded operands."""
    images, targets = torch.randn(8, 1, 8, 8, generator=generator(0)), one_hot(2, 4)
    made = SyntheticSet(images.view(2, 4, 1, 8, 8), targets)
    name, shape, step = "convnet-d1-w4-in", (1, 8, 8), dataclasses.replace(STEP, precision="bf16")
    rounded = network(name, shape, 2, Lowering(dtype=torch.bfloat16))
    start = rounded.initialise(generator(5, "initialisation")).requires_grad_()
    loss = cross_entropy(rounded.logits(start, images), targets.flatten(0, 1))
    (gradient,) = torch.autograd.grad(loss, start)
    plain, found = (fit(network(name, shape, 2), made, each, seed=5) for each in (STEP, step))
    assert torch.allclose(found, (start - 0.01 * gradient).detach(), atol=1e-7)
    assert 1e-4 < (found - plain).norm() / (start - plain).norm() < 0.02


def test_a_step_of_squared_error_is_to_centred_labels() -> None:
    regression = RegressionRecipe("test", "", "adam", 3e-4, "none", batch=500, steps=3, warm_up=1, floor=0.01)
    made = synthetic(labels=torch.tensor([[[0.7, 0.3]], [[0.2, 1.1]]]))
    leaf = NET.initialise(generator(5, "initialisation")).requires_grad_()
    optimiser = torch.optim.Adam([leaf])
    images, targets = made.flat()
    for rate in (0.0, 3e-4, 3e-4 * (0.01 + 0.99 / 2)):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        wanted = (targets - 1 / 2) / 0.2**0.5  # two classes
        ((NET.logits(leaf, images) - wanted).square().sum(1).mean() / 2).backward()
        optimiser.step()
    assert torch.allclose(fit(NET, made, regression, seed=5), leaf.detach(), atol=1e-7)


def test_full_data_are_regressed_on_their_labels() -> None:
    train = Examples(torch.randn(40, 1, 2, 2, generator=generator(0)), torch.arange(40) % 2, 2)
    # Two steps: one at rate 0, one at 3e-4.
    found = fit_full(NET, train, RECIPES["frepo-40000-v2"], 2, seed=7)
    leaf = NET.initialise(generator(7, "initialisation"))
    assert 0 < float((found - leaf).abs().max()) <= 3.1e-4


def test_without_a_batch_size_the_sets_own_minibatches_are_drawn() -> None:
    recipe = Recipe("test", "", "sgd", 0.1, "none", steps=1)
    made = dataclasses.replace(synthetic(4), minibatch=Minibatch(per_class=1))
    found = fit(NET, made, recipe, seed=3)
    start = NET.initialise(generator(3, "initialisation")).requires_grad_()
    rows = Minibatch(per_class=1).sample(2, 4, generator(3, "order"))
    images, targets = made.flat()
    (gradient,) = torch.autograd.grad(cross_entropy(NET.logits(start, images[rows]), targets[rows]), start)
    assert torch.allclose(found, (start - 0.1 * gradient).detach(), atol=1e-7)


def test_training_learns() -> None:
    train = Examples(*(torch.cat(synthetic(8).flat()[:1]), torch.tensor([0] * 8 + [1] * 8)), classes=2)
    recipe = dataclasses.replace(RECIPES["rat-bptt-1000"], augment="none", lr=0.05, steps=100)
    fitted = fit(NET, synthetic(8), recipe, seed=0)
    assert accuracy(NET, fitted, train) == 1.0


def test_full_data_are_shuffled_epochs_with_decay_at_half() -> None:
    train = Examples(torch.randn(300, 1, 2, 2, generator=generator(0)), torch.arange(300) % 2, 2)
    found = fit_full(NET, train, RECIPES["dc-300"], 3, seed=7)
    # By torch: 3 epochs of 256 + 44 images; 3 // 2 + 1 = 2 epochs at .01, then .001.
    leaf = NET.initialise(generator(7, "initialisation")).requires_grad_()
    optimiser = torch.optim.SGD([leaf], lr=0.01, momentum=0.9, weight_decay=5e-4)
    order = generator(7, "order")
    for epoch in range(3):
        optimiser.param_groups[0]["lr"] = 0.01 if epoch < 2 else 0.001
        for rows in torch.randperm(300, generator=order).split(256):
            optimiser.zero_grad()
            cross_entropy(NET.logits(leaf, train.images[rows]), train.labels[rows]).backward()
            optimiser.step()
    assert torch.allclose(found, leaf.detach(), atol=1e-6)


def test_accuracy_counts_hits_over_several_batches() -> None:
    # Weights that copy two pixels to the logits: an image is right where its label's pixel is larger.
    net = network("mlp-w2", (1, 1, 2), 2)
    identity = torch.eye(2)
    parameters = torch.cat([*(torch.cat([identity.flatten(), torch.zeros(2)]) for _ in range(3))])
    images = torch.tensor([[0.0, 1.0]]).expand(1200, 2).reshape(-1, 1, 1, 2)
    labels = torch.tensor([1] * 900 + [0] * 300)
    assert accuracy(net, parameters, Examples(images, labels, 2)) == 0.75


class Watched:
    """A linear network on two pixels that starts at W = 1, b = 0, and notes the batches that it sees."""

    def __init__(self) -> None:
        self.batches: list[torch.Tensor] = []
        linear = Layer(self.apply, ((2, 2), (2,)), scale=True)  # a norm's parameters start at one and zero
        self.net = Network("watched", (1, 1, 2), 2, (linear,))

    def apply(self, own: Sequence[torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        if not images.is_meta:  # meta tensors ask for shapes alone
            self.batches.append(images.flatten(1))
        return images.flatten(1) @ own[0].T + own[1]


@pytest.mark.parametrize(
    ("labels", "expected"),
    # Both logits are equal, so p = (.5, .5). With the labels (1, 0) and (0, 1) the gradient of W's first
    # row is the mean of -.5 * (1, 2) and .5 * (3, 0), which is (.5, -.5), and decay adds .1 * (1, 1).
    # With the labels (.6, .4) and (0, 1) it is the mean of -.1 * (1, 2) and .5 * (3, 0), (.7, -.1).
    # The second row's is minus the first's; the bias's the mean of p - y: 0, or (-.1 + .5) / 2 = .2.
    [
        ([[1.0, 0.0], [0.0, 1.0]], [1 - 0.3, 1 + 0.2, 1 + 0.2, 1 - 0.3, 0, 0]),
        ([[0.6, 0.4], [0.0, 1.0]], [1 - 0.4, 1 - 0.0, 1 + 0.3, 1 - 0.1, -0.1, 0.1]),
    ],
)
def test_one_step_of_decayed_sgd_by_hand(labels: list[list[float]], expected: list[float]) -> None:
    made = SyntheticSet(
        torch.tensor([[1.0, 2.0], [3.0, 0.0]]).reshape(2, 1, 1, 1, 2), torch.tensor(labels)[:, None]
    )
    recipe = Recipe("test", "", "sgd", 0.5, "none", weight_decay=0.1, epochs=1, batch=256)
    found = fit(Watched().net, made, recipe, seed=0)
    assert found.tolist() == pytest.approx(expected)


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own() -> None:
    watched, images = Watched(), torch.arange(10.0).reshape(1, 10, 1, 1, 1).expand(2, 10, 1, 1, 2)
    recipe = Recipe("test", "", "sgd", 0.0, "none", epochs=3, batch=8)
    fit(watched.net, SyntheticSet(images, one_hot(2, 10)), recipe, seed=0)
    assert [len(batch) for batch in watched.batches] == [8, 8, 4] * 3
    epochs = torch.cat(watched.batches)[:, 0].reshape(3, 20)
    assert epochs.sort().values.tolist() == [sorted([*range(10), *range(10)])] * 3
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 3


def test_images_are_augmented_one_by_one() -> None:
    # All images are (0, 1): a batch that is flipped has some of (1, 0), and not only those.
    images = torch.tensor([0.0, 1.0]).expand(2, 20, 1, 1, 2)
    watched, recipe = Watched(), Recipe("test", "", "adam", 0.0, "flip-rotate", epochs=20, batch=256)
    fit(watched.net, SyntheticSet(images, one_hot(2, 20)), recipe, seed=0)
    flipped = [int((batch == torch.tensor([1.0, 0.0])).all(1).sum()) for batch in watched.batches]
    assert max(flipped) > 10 and all(count < 30 for count in flipped)
    plain = Watched()
    fit(plain.net, SyntheticSet(images, one_hot(2, 20)), dataclasses.replace(recipe, augment="none"), seed=0)
    assert all(bool((batch == torch.tensor([0.0, 1.0])).all()) for batch in plain.batches)


def test_full_data_take_batches_of_256_where_the_recipe_has_none() -> None:
    watched = Watched()
    train = Examples(torch.randn(300, 1, 1, 2, generator=generator(0)), torch.arange(300) % 2, 2)
    recipe = Recipe("test", "", "adam", 0.1, "none", steps=1000)
    fit_full(watched.net, train, recipe, 2, seed=0)
    assert [len(batch) for batch in watched.batches] == [256, 44] * 2


def test_a_copy_is_what_it_is_alone() -> None:
    """Whatever is trained beside it, and in whatever order."""
    recipe = dataclasses.replace(RECIPES["dsa-1000"], epochs=6)
    digits = SyntheticSet(torch.randn(10, 2, 1, 8, 8, generator=generator(0)), one_hot(10, 2))
    net = network("convnet-d1-w4-in", (1, 8, 8), 10)
    alone = fit(net, digits, recipe, seed=4)
    first, second, third = fit_copies(net, digits, recipe, seeds=[3, 4, 5])
    assert torch.equal(second, alone) and not torch.equal(first, third)


@pytest.mark.parametrize(
    ("name", "batch"), [("dsa-1000", 16), ("rat-bptt-1000", None), ("frepo-40000-v2", 20)]
)
def test_compiled_training_is_the_plain_one(
    name: str, batch: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(RECIPES[name], steps=5, epochs=3, batch=batch)
    soft = torch.rand(10, 2, 10, generator=generator(1)).softmax(2)
    digits = SyntheticSet(torch.randn(10, 2, 1, 8, 8, generator=generator(0)), soft, Minibatch(1))
    net = network("convnet-d1-w4-in", (1, 8, 8), 10)
    plain = fit(net, digits, recipe, seed=0)
    monkeypatch.setattr(classification, "MIN_COMPILED_STEPS", 0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*is not compiled.*")
        compiled = fit(net, digits, recipe, seed=0)
    assert not torch.equal(compiled, plain)  # it was compiled
    assert torch.allclose(compiled, plain, atol=1e-5)


def test_only_what_is_much_work_is_compiled() -> None:
    dsa = RECIPES["dsa-1000"]
    narrow, wide = (network(f"convnet-d3-w{width}-in", (1, 28, 28), 10) for width in (8, 128))
    ten = SyntheticSet(torch.zeros(10, 1, 1, 28, 28), one_hot(10, 1))  # one batch: a step an epoch

    def problem(net: Network, recipe: Recipe, jobs: int = 1) -> InnerProblem:
        return training_problem(net, [TrainingJob.on_set(ten, recipe, seed) for seed in range(jobs)])

    found = [problem(net, dsa) for net in (narrow, wide)]
    assert [each.compiled for each in found] == [False, True]
    assert not problem(wide, dataclasses.replace(dsa, epochs=100)).compiled
    assert problem(narrow, dsa, jobs=100).compiled
    assert problem(wide, dsa) is found[1]
    assert problem(wide, dataclasses.replace(dsa, lr=0.03)) is found[1]


def test_states_are_the_parameters_before_each_step_on_the_rows_of_a_job() -> None:
    net = network("convnet-d1-w4-none", (1, 4, 4), 2)
    data = Examples(torch.randn(10, 1, 4, 4, generator=generator(0)), torch.arange(10) % 2, 2)
    recipe = Recipe("test", "", "sgd", 0.1, "none", epochs=2, batch=4)
    job = TrainingJob.on_examples(data, recipe, 0)
    rows, states = list(job.rows()), [state[0] for state in training_states(net, [job])]
    assert [len(batch) for batch in rows] == [4, 4, 2, 4, 4, 2] and len(states) == 7
    assert [batch.tolist() for batch in job.rows()] == [batch.tolist() for batch in rows]
    assert torch.equal(states[0], net.initialise(generator(0, "initialisation")))
    for batch, before, after in zip(rows, states, states[1:], strict=False):
        leaf = before.clone().requires_grad_()
        cross_entropy(net.logits(leaf, data.images[batch]), data.labels[batch]).backward()
        assert leaf.grad is not None
        assert torch.allclose(after, before - 0.1 * leaf.grad, atol=1e-6)


def test_a_learned_rate_is_taken_where_the_recipe_asks() -> None:
    made = dataclasses.replace(synthetic(), lr=0.05)
    asked = dataclasses.replace(STEP, learned_lr=True)
    assert torch.equal(fit(NET, made, asked, seed=5), fit(NET, made, STEP.with_lr(0.05), seed=5))
    with pytest.raises(ValueError, match="trains at the learned rate of a set, and this set has none"):
        fit(NET, synthetic(), asked, seed=5)


def test_a_trajectory_leads_from_the_start_to_the_end() -> None:
    train = Examples(synthetic(5).flat()[0], torch.arange(10) % 2, 2)
    recipe = dataclasses.replace(STEP, epochs=3, batch=4)
    (found,) = fit_trajectories(NET, train, recipe, seeds=[2])
    assert found.shape == (4, NET.size)
    assert torch.equal(found[0], NET.initialise(generator(2, "initialisation")))
    for epochs in (1, 2, 3):  # at a constant rate, fewer epochs are the first of more
        assert torch.equal(found[epochs], fit_full(NET, train, recipe, epochs, seed=2))


def test_images_are_mapped_in_batches_whatever_their_dimensions() -> None:
    sizes, images = list[int](), torch.rand(3, 400, 1, 2, 2, generator=generator(0))

    def sums(batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        assert not torch.is_grad_enabled()
        return batch.sum((1, 2))

    found = map_batches(sums, images.requires_grad_())
    assert sizes == [500, 500, 200]
    assert torch.equal(found, images.detach().sum((2, 3)))


def test_a_network_with_one_value_per_channel_trains_in_batches() -> None:
    """The last map of ResNet-18 for 8x8 images is one pixel."""
    train = Examples(torch.randn(8, 1, 8, 8, generator=generator(0)), torch.arange(8) % 2, 2)
    net = network("resnet18-w1-bn", (1, 8, 8), 2)
    found = fit_full(net, train, RECIPES["g-vbsm-squeeze-50"], 1, seed=0)
    assert len(found) == net.size + net.statistics_size and found.isfinite().all()


def test_a_set_of_another_image_size_is_refused() -> None:
    synthetic = SyntheticSet(torch.zeros(2, 1, 1, 3, 3), one_hot(2, 1))
    with pytest.raises(ValueError, match=r"images \(n, 1, 3, 3\) for a network of \(1, 2, 2\) images"):
        fit(NET, synthetic, STEP, seed=0)
