"""M3D: its discrepancy on hand-worked numbers and against plain loops, its networks, its settings."""

from importlib import import_module
from math import exp
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.seeding import generator
from suite.core.spec import Budget
from suite.plugins.registry import published, source_of_settings
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.m3d")
METHOD, discrepancy = MODULE.METHOD, MODULE.discrepancy
QUICK: dict[str, Any] = {"steps": 9, "network_steps": 2, "real_batch": 4, "network": "convnet-d1-w4-in"}


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(few_digits(12), Budget(ipc), seed=0)


def samples(count: int, seed: int) -> Tensor:
    return torch.randn(3, count, 5, generator=generator(seed)).double()


def test_the_discrepancy_of_two_samples_by_hand() -> None:
    # 0 and 2 are at a squared distance of 4, the mean of both pairs: k(0, 2) = exp(-1 / w), k(0, 0) = 1.
    ours, theirs = torch.tensor([[[0.0]]]), torch.tensor([[[2.0]]])
    assert float(discrepancy(ours, theirs, 1)) == pytest.approx(2 - 2 * exp(-1))
    by_hand = sum(2 - 2 * exp(-1 / power) for power in (0.5, 1, 2))
    assert float(discrepancy(ours, theirs, 3)) == pytest.approx(by_hand)


def test_the_discrepancy_of_three_samples_by_hand() -> None:
    # Of 0 | 1, 3 the squared distances are 1, 9 and 4, twice each: (28) / 6 = 14 / 3 on average.
    near, far, between = (exp(-gap * 3 / 14) for gap in (1, 9, 4))
    found = discrepancy(torch.tensor([[[0.0]]]), torch.tensor([[[1.0], [3.0]]]), 1)
    assert float(found) == pytest.approx(1 - (near + far) + (2 + 2 * between) / 4)


@pytest.mark.parametrize("kernels", [1, 2, 5])
def test_the_discrepancy_is_that_of_plain_loops(kernels: int) -> None:
    ours, theirs = samples(4, 0), samples(6, 1) + 0.5
    expected = []
    for x, y in zip(ours, theirs, strict=True):
        both = torch.cat([x, y])
        gaps = [float((a - b).square().sum()) for a in both for b in both]
        width = sum(gaps) / (10 * 9)

        def mean(one: Tensor, other: Tensor, width: float = width) -> float:
            total = 0.0
            for a in one:
                for b in other:
                    for power in range(kernels):
                        gap = float((a - b).square().sum())
                        total += exp(-gap / (width * 2.0 ** (power - kernels // 2)))
            return total / (len(one) * len(other))

        expected.append(mean(x, x) - 2 * mean(x, y) + mean(y, y))
    assert discrepancy(ours, theirs, kernels).tolist() == pytest.approx(expected)


def test_equal_samples_in_any_order_have_none() -> None:
    ours = samples(6, 0)
    assert discrepancy(ours, ours.flip(1), 5).abs().max() < 1e-12
    assert discrepancy(ours, ours + 1, 5).min() > 0.01


def test_samples_of_weight_zero_do_not_count() -> None:
    ours, theirs = samples(4, 0), samples(6, 1)
    filled = torch.cat([theirs[:, :5], theirs[:, :1] + 100], 1)
    weights = torch.tensor([0.2] * 5 + [0.0]).double().expand(3, 6)
    torch.testing.assert_close(discrepancy(ours, filled, 5, weights), discrepancy(ours, theirs[:, :5], 5))


def test_a_step_is_the_discrepancy_of_embeddings() -> None:
    run = started(augment="none")
    network = run.network.initialise(generator(0, "networks"))
    rng, expected = generator(0, "real batches"), 0.0
    images = run.synthetic().images
    for label, rows in enumerate(few_digits(12).by_class()):
        real = few_digits(12).images[rows[torch.randperm(12, generator=rng)[:4]]]
        sides = [run.network.features(network, seen)[None] for seen in (images[label], real)]
        expected += float(discrepancy(*sides, 5))
    assert float(run.step()["outer_loss"]) == pytest.approx(expected / 10, rel=1e-3)


def test_a_network_serves_several_updates() -> None:
    run, seen = started(), list[Tensor]()
    for _ in range(4):
        run.step()
        seen.append(run.parameters.clone())
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[1], seen[2])


def test_images_come_nearer() -> None:
    run = started(network_steps=40, real_batch=12, augment="none")
    losses = [float(run.step()["outer_loss"]) for _ in range(40)]
    assert losses[-1] < 0.85 * losses[0]


def test_the_settings() -> None:
    default = METHOD()
    assert (default.steps, default.network_steps, default.kernels, default.factor) == (10_000, 5, 5, 2)
    assert (default.real_batch, default.synthetic_batch, default.recipe) == (128, 200, "idc-1000-v2")
    assert [default.rate(ipc) for ipc in (1, 10, 50)] == [1, 10, 50]
    assert published(METHOD, "cifar10", 50) == {"image_lr": 10.0}
    assert "DIDD-ASU" in source_of_settings(METHOD, "cifar10", 50)


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="network_steps 0 must be at least 1"):
        METHOD(network_steps=0)
