"""RCIG: its updates and averages by hand, its pool against torch, rates, settings. Losses: convexified."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import grad

from suite.core.distilling.convexified import outer_loss
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training.regression import centred
from suite.plugins.registry import native_recipe, published, source_of_settings

MODULE = import_module("suite.plugins.methods.rcig")
METHOD, clipped = MODULE.METHOD, MODULE.clipped
QUICK: dict[str, Any] = {
    "steps": 9,
    "real_batch": 30,
    "inner_steps": 3,
    "inner_lr": 1e-3,
    "inverse_steps": 3,
    "inverse_lr": 1e-3,
    "pool": 1,
    "network": "convnet-d1-w4-in",
}


def train(classes: int = 3) -> Examples:
    labels = torch.arange(30) % classes
    images = torch.randn(30, 1, 4, 4, generator=generator(0)) + labels[:, None, None, None]
    return Examples(images, labels, classes)


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def test_an_implicit_gradient_is_at_most_as_long_as_the_direct_one() -> None:
    implicit, direct = torch.tensor([6.0, 8.0]), torch.tensor([0.0, 5.0])
    assert clipped(implicit, direct).tolist() == [3, 4]
    assert clipped(implicit, 4 * direct).tolist() == [6, 8]
    assert clipped(0 * implicit, direct).tolist() == [0, 0]


def test_the_first_step_goes_against_the_signs_of_both_gradients() -> None:
    """AdaBelief's first step has the length of the rate in every value."""
    run = started(2, image_lr=0.01, scale_lr=0.1)
    leaves, before = run._leaves(), run.synthetic()
    problem = run._problem(0, leaves)
    tangent, _ = problem.solve(1e-3, 3)
    rows = train().sample_rows(30, generator(0, "real batches"))
    outer = outer_loss(problem, leaves, tangent, torch.zeros(1), train().take(rows))
    solution, _ = problem.invert(outer.to_tangent, 1e-3, 3)
    implicit = grad(problem.implicit(solution, outer.moved), leaves)
    metrics = run.step()
    assert float(metrics["outer_loss"]) == pytest.approx(float(outer.loss), rel=1e-5)
    signs = [(one + clipped(other, one)).sign() for one, other in zip(outer.direct, implicit, strict=False)]
    moved = run.synthetic().images - before.images
    torch.testing.assert_close(moved.flatten(), -0.01 * signs[0].flatten(), atol=1e-6, rtol=0)
    targets = (before.labels.flatten() - 0.01 * signs[1].flatten()).clamp(min=0)
    torch.testing.assert_close(run.synthetic().labels.flatten(), targets, atol=1e-6, rtol=0)
    assert run.scale_state[0].item() == pytest.approx(-0.1 * float(outer.direct[2].sign()), rel=1e-4)


def test_the_set_is_an_average_that_forgets() -> None:
    run = started(image_lr=0.1)
    assert run.synthetic().hard
    seen = []
    for _ in range(2):
        run.step()
        seen.append(run.image_state[0].clone())
    expected = (0.99 * seen[0] + seen[1]) / 1.99
    torch.testing.assert_close(run.synthetic().images.flatten(), expected)
    made = run.synthetic()
    assert not made.hard and (made.labels >= 0).all()
    fixed = started(image_lr=0.1, learn_labels=False)
    fixed.step()
    assert fixed.synthetic().hard


def test_a_network_trains_on_the_set_as_it_is_after_the_step() -> None:
    run = started(pool_lr=0.01, pool_steps=1, image_lr=0.1)
    leaf = run.pool[0, 0].clone().requires_grad_()
    run.step()
    rule, (images, targets) = torch.optim.Adam([leaf], lr=0.01), run._leaves()
    error = (run.network.logits(leaf, images) - targets).square().mean() / 2
    error.backward()
    rule.step()
    torch.testing.assert_close(run.pool[0, 0], leaf.detach(), atol=1e-6, rtol=1e-5)


def test_a_network_that_would_reach_the_end_of_its_life_is_replaced() -> None:
    run, fresh = started(pool_steps=3, lifetime=5), generator(0, "networks")
    first = run.network.initialise(fresh)
    torch.testing.assert_close(run.pool[0, 0], first)
    draws = generator(0, "pool")
    age = 0
    for _ in range(6):
        torch.randint(1, (), generator=draws)
        count = int(torch.randint(1, 4, (), generator=draws))
        run.step()
        age = 0 if age + count >= 5 else age + count
        assert int(run.ages[0]) == age
        if not age:
            torch.testing.assert_close(run.pool[0, 0], run.network.initialise(fresh))
            assert not run.pool[0, 1:].any()


def test_a_large_set_trains_its_networks_in_batches() -> None:
    run = started(4, pool_batch=5, mirror=True)
    rows, corrections = run._draw_training(0)
    assert rows.shape[1] == 5 and corrections.shape == (len(rows), 2)
    assert int(rows.max()) < 24 and all(len(set(own)) == 5 for own in rows.tolist())


def test_mirrored_images_belong_to_the_set() -> None:
    """The loss is the same if the own images are mirrored. The ridge is that of half of the images."""
    losses = []
    for flip in (False, True):
        run = started(mirror=True)
        if flip:
            run.image_state[0] = run._leaves()[0].detach().flip(3).flatten()
        problem = run._problem(0, run._leaves())
        assert len(problem.targets) == 6 and problem.scale == pytest.approx(3 * 5e-4 / 18)
        losses.append(float(run.step()["outer_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    plain = float(started().step()["outer_loss"])
    assert losses[0] != pytest.approx(plain, rel=1e-4)


FALLS, RISES, WAVERS = torch.tensor([3.0, 2, 1]), torch.tensor([3.0, 2, 4]), torch.tensor([3.0, 1, 2])


@pytest.mark.parametrize(
    ("losses", "factor"),
    [
        ([FALLS] * 36 + [WAVERS] * 15, 1.05),  # 36 of 51 are .706
        ([FALLS] * 35 + [WAVERS] * 16, 1.0),
        ([RISES] * 15 + [FALLS] * 36, 0.9),  # 15 of 51 are .294
        ([RISES] * 14 + [FALLS] * 35 + [WAVERS] * 2, 1.0),
    ],
)
def test_the_inner_rate_follows_how_the_losses_go(losses: list[Tensor], factor: float) -> None:
    run = started(steps=60)
    for step, values in enumerate(losses):
        assert run.rates.tolist() == pytest.approx([1e-3, 1e-3])
        run.step_count = step
        run._adjust(values)
    assert run.rates.tolist() == pytest.approx([factor * 1e-3, 1e-3])
    assert run.tallied == 0 and not run.tally.any()


def test_rates_that_are_not_given_are_the_largest_stable_ones() -> None:
    run = started(inner_lr=0.0, inverse_lr=0.0)
    problem = run._problem(0, run._leaves())
    inner, inverse = run.rates.tolist()
    for lr, falls in ((inner, True), (inner / 0.84, False)):
        assert bool((problem.solve(lr, 3)[1].diff() < 0).all()) == falls
    assert started(inner_lr=0.0, inverse_lr=0.5).rates.tolist() == pytest.approx([inner, 0.5])
    assert started(inner_lr=inner, inverse_lr=0.0).rates.tolist() == pytest.approx([inner, inverse], rel=1e-3)


def test_relus_are_softplus_if_it_has_a_sharpness() -> None:
    for sharpness in (0.0, 5.0):
        net = started(softplus=sharpness).network
        lowest = net.features(net.initialise(generator(0)), -9 * train().images).min()
        assert (lowest == 0) == (not sharpness)
    labels = centred(torch.eye(3))
    assert float(MODULE.squared(torch.zeros(3, 3), labels)) == pytest.approx((4 / 9 + 2 / 9) / 3 / 2)


def test_settings_are_the_authors() -> None:
    default = METHOD()
    assert (default.steps, default.image_lr, default.scale_lr, default.real_batch) == (
        10_000,
        3e-3,
        0.03,
        1024,
    )
    assert (default.inner_steps, default.inverse_steps, default.ridge) == (20, 20, 5e-4)
    assert (default.pool, default.pool_lr, default.pool_steps, default.lifetime) == (30, 5e-5, 15, 100)
    assert default.softplus == 60 and default.learn_labels and default.initial == "real"
    mirror, large = {"mirror": True}, {"softplus": 0.0}
    for family in ("mnist", "fashion-mnist"):
        assert published(METHOD, family, 10) == {}
        assert native_recipe(METHOD, family, 10) == "rcig-mnist-2000"
    assert native_recipe(METHOD, "svhn", 1) == native_recipe(METHOD, "cifar10", 1) == "rcig-2000"
    assert published(METHOD, "cifar10", 1) == {"steps": 15_000, **mirror}
    assert published(METHOD, "cifar10", 10) == published(METHOD, "cifar100", 1) == mirror
    assert published(METHOD, "cifar100", 50) == {} and published(METHOD, "cub200-32", 1) == mirror
    assert published(METHOD, "tiny-imagenet", 1) == {"steps": 5000, **large, **mirror}
    assert published(METHOD, "tiny-imagenet", 10) == {"pool_batch": 256, **large}
    assert published(METHOD, "imagenette-128", 1) == {"ridge": 0.05, **large, **mirror}
    assert source_of_settings(METHOD, "svhn", 1).startswith("no settings")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"pool": 0}, "pool 0"), ({"ridge": 0.0}, "ridge 0.0"), ({"inner_lr": -1.0}, "inner_lr -1.0")],
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)
    with pytest.raises(ValueError, match="inverse_steps 1 must be at least 2"):
        METHOD(inverse_steps=1)
    with pytest.raises(ValueError, match="batch norm"):
        METHOD(network="convnet-d1-w4-bn").check(train(), Budget(1))
