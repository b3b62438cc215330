"""IDC: its distance by hand, its start, its two kinds of steps, and the authors' settings."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.distilling.initial_images import initial_images
from suite.core.networks.layers import Layer
from suite.core.networks.named import Network
from suite.core.seeding import generator
from suite.core.sets.parametrisations import MultiFormation as Code
from suite.core.spec import Budget, Examples
from suite.plugins.registry import native_recipe, published
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.idc")
METHOD = MODULE.METHOD
QUICK: dict[str, Any] = {
    "steps": 4,
    "network_steps": 2,
    "real_batch": 4,
    "network_images": 16,
    "network": "convnet-d1-w4-in",
}


def train() -> Examples:
    return few_digits(12)


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def test_the_distance_counts_convolutions_alone() -> None:
    # Of nine numbers a class: a bias, a 1x1x2x2 kernel, a 2x2 matrix. Gaps 10, (1, -2, 3, 0), 20s.
    layers = (Layer(lambda own, x: x, ((1,),)), Layer(lambda own, x: x, ((1, 1, 2, 2), (2, 2))))
    net = Network("by hand", (1, 2, 2), 2, layers)
    ours = torch.tensor([[10.0, 1, -2, 3, 0, 20, 20, 20, 20], [0.0, 0, 0, 0, 2, 0, 0, 0, 0]])
    assert float(MODULE.distance(net, ours, torch.zeros_like(ours), "l1")) == 6 + 2
    assert float(MODULE.distance(net, ours, torch.zeros_like(ours), "mse")) == 14 + 4


def test_a_step_matches_class_wise_gradients() -> None:
    run = started(augment="none", factor=2, metric="l1")
    parameters = run.state[0].clone()
    rng, expected = generator(0, "real batches"), 0.0
    picks = [rows[torch.randperm(len(rows), generator=rng)[:4]] for rows in train().by_class()]
    images = run.synthetic().images
    shapes = [torch.Size(shape) for layer in run.network.layers for shape in layer.shapes]
    for label, rows in enumerate(picks):
        sides = []
        for seen in (train().images[rows], images[label]):
            leaf = parameters.clone().requires_grad_()
            loss = cross_entropy(run.network.logits(leaf, seen), torch.full((len(seen),), label))
            (flat,) = torch.autograd.grad(loss, leaf)
            parts = flat.split([shape.numel() for shape in shapes])
            sides.append([part for part, shape in zip(parts, shapes, strict=True) if len(shape) == 4])
        expected += sum(float((one - other).abs().sum()) for one, other in zip(*sides, strict=True))
    assert run.step()["outer_loss"] == pytest.approx(expected / run.train.classes, rel=1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_pixels_move_as_by_a_step_of_sgd_after_each_class(momentum: float) -> None:
    """Ten classes: each has its own gradient in one of ten steps, and the others move it by its velocity."""
    run = started(2, image_lr=0.5, image_momentum=momentum)
    theirs = run.pixels.detach().clone().requires_grad_()
    stepwise = torch.optim.SGD([theirs], lr=0.5 * 2 / 10, momentum=momentum)
    for round in range(3):
        gradients = torch.randn(run.pixels.shape, generator=generator(round))
        run.pixels.grad = gradients.clone()
        run.optimiser.step()
        for label in range(10):
            theirs.grad = torch.zeros_like(theirs)
            theirs.grad[label] = gradients[label]
            stepwise.step()
        # At the next gradient of a class, the steps of the classes before it have been taken as well.
        ahead = theirs.detach().clone()
        velocity = stepwise.state[theirs]["momentum_buffer"].clone() if momentum else torch.zeros_like(ahead)
        for label in range(10):
            for later in range(1, label + 1):
                ahead[label] -= 0.1 * momentum**later * velocity[label]
        torch.testing.assert_close(run.pixels.detach(), ahead, atol=1e-5, rtol=1e-5)


def test_stored_images_start_as_real_ones_made_small() -> None:
    real = initial_images(train(), 4, "real", seed=0)
    stored = started().synthetic().parametrisation
    assert isinstance(stored, Code)
    quarters = stored.formations[:, 0].unfold(2, 4, 4).unfold(3, 4, 4)  # (10, 1, 2, 2, 4, 4)
    for place in range(4):
        row, column = divmod(place, 2)
        expected = real[:, place, :, ::2, ::2]
        assert torch.allclose(quarters[:, :, row, column], expected, atol=1e-5)


def test_bytes_are_those_of_the_budgets_images() -> None:
    made = started(2).synthetic()
    assert made.images.shape == (10, 8, 1, 8, 8) and made.stored_bytes == 10 * 2 * 64 * 4


def test_pixels_stay_in_the_range_of_real_ones() -> None:
    run = started(image_lr=1e4)
    for _ in range(3):
        run.step()
    images, real = run.synthetic().images, train().images
    assert images.min() >= real.min() - 1e-5 and images.max() <= real.max() + 1e-5
    assert images.isfinite().all()


def test_a_network_learns_real_images_and_is_replaced() -> None:
    run = started(network_images=128)
    starts = [run.state[0].clone()]
    run.step()
    assert not torch.equal(run.state[0], starts[0]) and run.state[1].abs().sum() > 0
    loss = [
        float(cross_entropy(run.network.logits(w, train().images), train().labels))
        for w in (starts[0], run.state[0])
    ]
    assert loss[1] < loss[0]
    run.step()
    before = run.network_rng.get_state()
    run.step()  # the third, of two in a network
    assert not torch.equal(before, run.network_rng.get_state())


def test_no_more_decoded_images_are_matched_than_the_synthetic_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    plain = MODULE.class_gradients

    def watched(network: Network, parameters: torch.Tensor, images: torch.Tensor, *more: Any) -> torch.Tensor:
        counts.append(images.shape[1])
        found: torch.Tensor = plain(network, parameters, images, *more)
        return found

    monkeypatch.setattr(MODULE, "class_gradients", watched)
    started(2, synthetic_batch=3).step()
    assert counts == [4, 3]  # real, and of eight decoded ones


def test_the_authors_settings() -> None:
    cifar = METHOD()
    assert (cifar.metric, cifar.image_lr, cifar.network_images) == ("mse", 5e-3, 2000)
    assert (cifar.steps, cifar.network_steps, cifar.real_batch, cifar.synthetic_batch) == (
        200_000,
        100,
        64,
        128,
    )
    assert (cifar.factor, cifar.augment, cifar.recipe) == (2, "color+crop+cutout", "idc-1000-v2")
    assert cifar.network_augment == "color+crop+cutmix"
    for ipc in (1, 5, 10, 50):  # the authors' rule has no size
        grey = {"metric": "l1", "image_lr": 1e-4, "network_images": 500}
        # The rate is for 32x32 images, except on MNIST: 1e-4 * 28^2 / 32^2.
        assert published(METHOD, "fashion-mnist", ipc) == grey | {"image_lr": pytest.approx(7.65625e-5)}
        crops = {"augment": "color+crop", "network_augment": "color+crop"}
        assert published(METHOD, "mnist", ipc) == grey | crops
        assert published(METHOD, "svhn", ipc) == {"network_images": 500}
        assert native_recipe(METHOD, "mnist", ipc) == "idc-mnist-1000"
    assert len(METHOD.recipes) == 1


def test_a_network_trains_on_distinct_images_in_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(network_images=70)  # of 120: two batches of 64, as far as there are images
    batches = [rows for rows, _ in run._draw_training()]
    assert [len(rows) for rows in batches] == [64, 56]
    assert torch.equal(torch.cat(batches).sort()[0], torch.arange(120))
    few = started(network_images=16)
    assert [len(rows) for rows, _ in few._draw_training()] == [64]


@pytest.mark.parametrize(
    ("changes", "budget", "message"),
    [
        ({"factor": 3}, Budget(1), "factor 3 must be at least 1 and divide 8x8 images evenly"),
        ({}, Budget(4), "ipc 4 begins with 16 real images of each class, .* lower ipc or factor"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], budget: Budget, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{**QUICK, **changes}).check(train(), budget)


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="network_steps 0 must be at least 1"):
        METHOD(network_steps=0)
    with pytest.raises(ValueError, match="mixes images and labels"):
        METHOD(augment="color+crop+cutmix")
