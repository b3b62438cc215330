"""FRePo: LAMB by hand, the loss by scikit-learn, the pool's ages, settings."""

from dataclasses import replace
from importlib import import_module
from math import cos, pi
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge  # type: ignore[import-untyped]
from torch import Tensor

from suite.core.engine.optimisers import Adam, lamb
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.core.training.fit import fit
from suite.core.training.recipes import Recipe, recipe
from suite.core.training.regression import scaled
from suite.plugins.registry import native_recipe, published

MODULE = import_module("suite.plugins.methods.frepo")
METHOD = MODULE.METHOD


def train(classes: int = 3) -> Examples:
    labels = torch.arange(30) % classes
    images = torch.randn(30, 1, 4, 4, generator=generator(0)) + labels[:, None, None, None]
    return Examples(images, labels, classes)


def started(ipc: int = 1, **changes: Any) -> Any:
    settings = {"steps": 8, "pool": 2, "lifetime": 4, "real_batch": 30, "network": "convnet-d1-w4-none"}
    return METHOD(**{**settings, **changes}).start(train(), Budget(ipc), seed=0)


def test_two_steps_of_lamb_by_hand() -> None:
    # The first step of Adam is along the gradient's signs, (1, -1), sqrt(2) long; the values (3, 4) are 5
    # long: lr * 5 / sqrt(2) along each. The second gradient is the first again, so the moments' ratio too.
    rule, state = Adam(eps=0.0), Adam().start(torch.tensor([3.0, 4.0]))
    gradient = torch.tensor([0.5, -2.0])
    state = lamb(rule, state, gradient, 0.1, 1)
    move = 0.5 / 2**0.5
    torch.testing.assert_close(state[0], torch.tensor([3 - move, 4 + move]))
    torch.testing.assert_close(state[1:], torch.stack([0.1 * gradient, 0.001 * gradient**2]))
    move += 0.1 * float(state[0].norm()) / 2**0.5
    state = lamb(rule, state, gradient, 0.1, 2)
    torch.testing.assert_close(state[0], torch.tensor([3 - move, 4 + move]))


def test_lamb_moves_zeros_as_adam_does() -> None:
    state = lamb(Adam(eps=0.0), Adam().start(torch.zeros(2)), torch.tensor([0.5, -2.0]), 0.1, 1)
    torch.testing.assert_close(state[0], torch.tensor([-0.1, 0.1]))


def regressed(run: Any, parameters: Tensor, made: SyntheticSet, scale: float, mirror: bool) -> float:
    """Half the squared error of scikit-learn's regression of all real images on the set."""
    images, labels = made.flat()
    targets = (labels - 1 / 3) / scale
    if mirror:
        images, targets = torch.cat([images, images.flip(3)]), torch.cat([targets, targets])
    support, real = (run.network.features(parameters, x).double().numpy() for x in (images, train().images))
    alpha = 1e-6 * float(np.trace(support @ support.T)) / len(support)
    model = KernelRidge(alpha=alpha, kernel="linear").fit(support, targets.double().numpy())
    wanted = np.eye(3)[train().labels.numpy()] - 1 / 3
    return float(((model.predict(real) - wanted) ** 2).sum(1).mean() / 2)


@pytest.mark.parametrize("mirror", [False, True])
def test_the_loss_is_the_error_of_ridge_regression_on_features(mirror: bool) -> None:
    run = started(2, mirror=mirror)
    chosen = int(torch.randint(2, (), generator=generator(0, "pool")))
    expected = regressed(run, run.pool[chosen, 0], run.synthetic(), (3 / 10) ** 0.5, mirror)
    assert float(run.step()["outer_loss"]) == pytest.approx(expected, rel=1e-4)


def test_a_step_is_a_share_of_the_norm_that_falls_to_a_tenth() -> None:
    run = started(outer_lr=0.05, steps=4)
    for taken in range(4):
        before = run.synthetic()
        run.step()
        rate = 0.05 * (0.1 + 0.9 * (1 + cos(pi * taken / 4)) / 2)
        moved = (run.synthetic().images - before.images).norm() / before.images.norm()
        assert float(moved) == pytest.approx(rate, rel=1e-3)


def test_learned_labels_start_one_hot_move_and_stay_targets() -> None:
    run = started(outer_lr=0.3)
    assert run.synthetic().hard
    for _ in range(8):
        run.step()
        assert (run.synthetic().labels >= 0).all()
    made = run.synthetic()
    assert not made.hard
    torch.testing.assert_close(scaled(made.labels).flatten(), run.label_state[0], atol=1e-6, rtol=0)
    fixed = started(outer_lr=0.3, learn_labels=False)
    fixed.step()
    assert fixed.synthetic().hard


def test_a_network_of_the_pool_trains_as_the_recipe_does() -> None:
    """On the set as it stands after the outer step, by Adam, with the squared error."""
    run = started(pool=1, lifetime=3, inner_lr=0.01)
    first = run.pool[0, 0].clone()
    run.step()
    leaf = first.requires_grad_()
    optimiser = torch.optim.Adam([leaf], lr=0.01)
    images, labels = run.synthetic().flat()
    error = (run.network.logits(leaf, images) - scaled(labels)).square().sum(1).mean() / 2
    error.backward()
    optimiser.step()
    torch.testing.assert_close(run.pool[0, 0], leaf.detach(), atol=1e-6, rtol=1e-5)


def test_networks_start_afresh_at_the_end_of_their_lives() -> None:
    run = started(pool=1, lifetime=2)
    seen = []
    for _ in range(6):
        run.step()
        seen.append(int(run.ages[0]))
    assert seen == [1, 2, 0, 1, 2, 0]


def test_the_first_networks_of_a_pool_end_one_after_the_other() -> None:
    assert METHOD(pool=4, lifetime=100, steps=1, network="convnet-d1-w4-none").start(
        train(), Budget(1), seed=0
    ).lifetimes.tolist() == [100, 75, 50, 25]


def test_a_large_set_trains_its_networks_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(4, inner_batch=5)
    sizes: list[int] = []
    forward = run.inner.forward

    def watched(*given: Tensor) -> tuple[Tensor, ...]:
        sizes.append(len(given[-1]))
        found: tuple[Tensor, ...] = forward(*given)
        return found

    monkeypatch.setitem(run.inner.__dict__, "forward", watched)
    run.step()
    assert sizes == [5]


def test_the_set_serves_cross_entropy_and_squared_error() -> None:
    run = started(outer_lr=0.3)
    for _ in range(3):
        run.step()
    net = network("convnet-d1-w4-none", (1, 4, 4), 3)
    for name in ("dc-300", "frepo-40000-v2"):
        assert fit(net, run.synthetic(), short(name), seed=0).isfinite().all()


def short(name: str) -> Recipe:
    return replace(recipe(name), epochs=3)


def test_settings_are_the_papers() -> None:
    default = METHOD()
    assert (default.steps, default.outer_lr, default.inner_lr) == (500_000, 3e-4, 3e-4)
    assert (default.pool, default.lifetime, default.real_batch, default.ridge) == (10, 100, 1024, 1e-6)
    assert default.learn_labels and default.initial == "real" and METHOD.recipe == "frepo-40000-v2"
    for ipc in (1, 2, 10, 20, 50):
        for family in ("cifar10", "svhn", "cub200-32", "imagenette-128", "imagewoof-128"):
            assert published(METHOD, family, ipc) == {"mirror": True}
        for family in ("cifar100", "tiny-imagenet"):
            assert published(METHOD, family, ipc) == ({"mirror": True} if ipc == 1 else {})
        for family in ("mnist", "fashion-mnist"):
            assert published(METHOD, family, ipc) == {}
            assert native_recipe(METHOD, family, ipc) == "frepo-mnist-40000"
        assert native_recipe(METHOD, "svhn", ipc) == METHOD.recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"pool": 0}, "pool 0"), ({"ridge": 0.0}, "ridge 0.0"), ({"outer_lr": -1.0}, "outer_lr -1.0")],
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)
    with pytest.raises(ValueError, match="ipc 11 is larger than the smallest class"):
        METHOD(network="convnet-d1-w4-none").check(train(), Budget(11))
