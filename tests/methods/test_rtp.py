"""RTP: what it stores, what it decodes to, and its outer steps against plain PyTorch."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.limits import check_stored_bytes
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import Minibatch
from suite.core.spec import Budget, Examples
from tests.support.plain_meta_learning import NAME, double
from tests.support.small_data import few_digits

METHOD = import_module("suite.plugins.methods.rtp").METHOD
QUICK: dict[str, Any] = {
    "steps": 4,
    "unroll": 3,
    "real_per_class": 4,
    "network": "convnet-d1-w4-in",
}


def train() -> Examples:
    return few_digits(10)


def started(ipc: int = 2, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)


def shaped(classes: int, channels: int, side: int) -> Examples:
    labels = torch.arange(classes).repeat_interleave(10)
    return Examples(torch.zeros(1, channels, side, side).expand(len(labels), -1, -1, -1), labels, classes)


@pytest.mark.parametrize(
    ("classes", "channels", "side", "ipc", "expected"),
    [
        (10, 3, 32, 1, (16, 115)),  # the authors' command: (30720 - 16 * 768) / 160 = 115.2
        (10, 3, 32, 10, (160, 115)),
        (100, 3, 32, 1, (160, 11)),  # (307200 - 160 * 768) / 16000 = 11.5
        (10, 1, 28, 1, (16, 29)),  # (7840 - 16 * 196) / 160 = 29.4
    ],
)
def test_bases_take_two_fifths_of_the_budget_and_images_the_rest(
    classes: int, channels: int, side: int, ipc: int, expected: tuple[int, int]
) -> None:
    assert METHOD().sizes(shaped(classes, channels, side), Budget(ipc)) == expected


def test_the_authors_settings() -> None:
    method = METHOD()
    assert (method.steps, method.unroll, method.inner_lr, method.inner_momentum) == (500_000, 150, 0.01, 0.9)
    assert (method.outer_lr, method.outer_momentum, method.clip, method.real_per_class) == (0.1, 0.5, 2.0, 64)
    assert (method.downsample, method.per_class, method.augment, method.recipe) == (2, 32, "none", "rtp-300")


def test_it_stores_bases_and_coefficients_and_decodes_them() -> None:
    made = started(bases=8, images=5).synthetic()
    assert made.parametrisation is not None
    assert {name: tuple(x.shape) for name, x in made.parametrisation.tensors.items()} == {
        "bases": (8, 1, 4, 4),
        "coefficients": (10, 5, 8),
    }
    assert made.images.shape == (10, 5, 1, 8, 8) and made.hard
    assert made.stored_bytes == 4 * (8 * 16 + 10 * 5 * 8)
    check_stored_bytes(made.stored_bytes, train(), Budget(2))


def test_bases_and_coefficients_start_as_glorots() -> None:
    run = started(bases=8, images=5)
    bounds = (6 / (8 + 16)) ** 0.5, (6 / (50 + 8)) ** 0.5
    for tensor, bound in zip((run.bases, run.coefficients), bounds, strict=True):
        largest = float(tensor.detach().abs().max())
        assert 0.9 * bound < largest <= bound and abs(float(tensor.detach().mean())) < 0.2 * bound


@pytest.mark.parametrize("clip", [1e-4, 100.0])
def test_outer_steps_are_those_of_plain_pytorch(clip: float) -> None:
    """Written out here: decode, train by SGD with momentum, judge on real images, clip, SGD with momentum."""
    data = double()
    settings = {"unroll": 3, "inner_lr": 0.05, "bases": 4, "images": 2, "clip": clip, "real_per_class": 7}
    run = METHOD(**{**QUICK, **settings, "network": NAME}).start(data, Budget(2), seed=0)
    bases, coefficients = (x.detach().clone().requires_grad_() for x in (run.bases, run.coefficients))
    optimiser = torch.optim.SGD([bases, coefficients], lr=0.1, momentum=0.5)
    rngs = {name: generator(0, name) for name in ("networks", "minibatches", "real batches")}
    net, targets = network(NAME, data.shape, 3), torch.arange(3).repeat_interleave(2)
    norms = []
    for _ in range(3):
        parameters = net.initialise(rngs["networks"]).double().requires_grad_()
        velocity = torch.zeros_like(parameters)
        for _ in range(3):
            rows = Minibatch(2).sample(3, 2, rngs["minibatches"])
            sums = coefficients.flatten(0, 1)[rows] @ bases.flatten(1)
            images = torch.nn.functional.interpolate(sums.view(-1, 1, 2, 2), (4, 4), mode="bilinear")
            loss = cross_entropy(net.logits(parameters, images), targets[rows])
            velocity = 0.9 * velocity + torch.autograd.grad(loss, parameters, create_graph=True)[0]
            parameters = parameters - 0.05 * velocity
        real = [r[torch.randperm(10, generator=rngs["real batches"])[:7]] for r in data.by_class()]
        judged = data.take(torch.cat(real))
        outer = cross_entropy(net.logits(parameters, judged.images), judged.labels)
        bases.grad, coefficients.grad = torch.autograd.grad(outer, (bases, coefficients))
        norms.append(float(torch.nn.utils.clip_grad_norm_([bases, coefficients], clip)))
        optimiser.step()
        metrics = run.step()
        assert float(metrics["outer_loss"]) == pytest.approx(float(outer.detach()), rel=1e-9)
        assert float(metrics["gradient_norm"]) == pytest.approx(norms[-1], rel=1e-9)
        torch.testing.assert_close(run.bases, bases, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(run.coefficients, coefficients, rtol=1e-9, atol=1e-12)
    assert all(norm > clip for norm in norms) if clip < 1 else all(norm < clip for norm in norms)


def test_the_outer_loss_falls() -> None:
    run = started(steps=20, unroll=8, inner_lr=0.05, outer_lr=1.0, real_per_class=10, bases=8, images=3)
    losses = [float(run.step()["outer_loss"]) for _ in range(20)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize(
    ("changes", "budget", "message"),
    [
        ({"bases": 50, "images": 2}, Budget(2), "stores 7200 bytes; ipc 2 allows 5120, those of 20 images"),
        ({"downsample": 3}, Budget(2), "factor 3 must be at least 1 and divide 8x8 images evenly"),
        ({"network": "convnet-d4-w4-in"}, Budget(2), "too small for 4 blocks"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], budget: Budget, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{**QUICK, **changes}).check(train(), budget)


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="bases 0 must be at least 1"):
        METHOD(bases=0)
    with pytest.raises(ValueError, match="mixes images and labels"):
        METHOD(augment="flip-cutmix")
