"""DataDAM: attention and loss by hand, which layers are matched, the paper's settings."""

from importlib import import_module
from typing import Any

import pytest
import torch

from suite.core.networks.layers import RELU, Layer, chain
from suite.core.networks.named import Network, Shape
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins.methods.datadam import attention
from suite.plugins.registry import published

METHOD = import_module("suite.plugins.methods.datadam").METHOD


def test_attention_by_hand() -> None:
    # Two channels of two pixels: powers of 4 are 1 + 16 = 17 and 0 + 1 = 1, of length sqrt(290).
    maps = torch.tensor([[[[1.0, 0.0]], [[-2.0, 1.0]]]])
    expected = torch.tensor([[17.0, 1.0]]) / 290**0.5
    torch.testing.assert_close(attention(maps, 4), expected)
    # With power 1: 3 and 1.
    torch.testing.assert_close(attention(maps, 1), torch.tensor([[3.0, 1.0]]) / 10**0.5)


def test_maps_of_nothing_attend_nowhere() -> None:
    maps = torch.zeros(1, 2, 2, 2, requires_grad=True)
    attention(maps, 4).sum().backward()
    assert maps.grad is not None and maps.grad.isfinite().all()


def pixels(name: str, shape: Shape, classes: int) -> Network:
    """Return a network with two ReLUs on the image itself, whose embedding is the image."""
    classifier = Layer(lambda own, x: x @ own[0], ((2, classes),))
    return Network(name, shape, classes, (RELU, chain(RELU), Layer(lambda _, x: x.flatten(1)), classifier))


def among_pixels(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    monkeypatch.setattr("suite.plugins.methods.dm.network", pixels)
    real = torch.tensor([[3.0, 4.0], [0.0, 2.0]]).repeat(3, 1).reshape(6, 1, 1, 2)
    settings = {"augment": "none", "initial": "noise", "power": 1, **changes}
    run = METHOD(**settings).start(Examples(real, torch.arange(6) % 2, 2), Budget(2), seed=0)
    run.load_state_dict({**run.state_dict(), "images": START})
    return run


START = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [0.0, 1.0]]]).reshape(2, 2, 1, 1, 2)


@pytest.mark.parametrize(
    ("balance", "expected"),
    # The last ReLU is left out: one attention counts. Class 0: real (.6, .8); synthetic the mean of (1, 0)
    # and (0, 1), (.5, .5): .01 + .09 = .1. Class 1: both (0, 1). Embeddings: (3, 4) - (.5, 1), 6.25 + 9;
    # (0, 2) - (0, 1), 1. So 100 * (.1 + balance * 16.25).
    [(0.0, 10.0), (0.01, 26.25), (1.0, 1635.0)],
)
def test_the_loss_by_hand(balance: float, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    assert among_pixels(monkeypatch, balance=balance).step()["outer_loss"] == pytest.approx(expected)


def test_an_update_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # In class 1 attention agrees. Its embeddings' mean (0, 1) has the derivative 2 * (-1) in the second
    # pixel, half of it for each image, times 100 * .01: they move by the rate.
    run = among_pixels(monkeypatch, image_lr=0.5)
    run.step()
    torch.testing.assert_close(run.synthetic().images[1], START[1] + torch.tensor([0.0, 0.5]))


def test_every_relu_but_the_last_is_matched() -> None:
    data = Examples(torch.randn(4, 1, 8, 8, generator=generator(0)), torch.arange(4) % 2, 2)
    run = METHOD(network="convnet-d3-w4-in", real_batch=2).start(data, Budget(1), seed=0)
    found = run.outputs(run.network.initialise(generator(0)), data.images)
    # Attention of 8x8 and 4x4 maps, not of the third block's 2x2; the embedding is 4 x 1 x 1.
    assert [tuple(value.shape) for value in found] == [(4, 64), (4, 16), (4, 4)]


def test_an_image_is_no_distance_from_itself_under_any_augmentation() -> None:
    data = Examples(torch.randn(2, 1, 8, 8, generator=generator(0)), torch.arange(2), 2)
    run = METHOD(network="convnet-d2-w4-in", real_batch=3, image_lr=1e-9).start(data, Budget(1), seed=0)
    assert max(run.step()["outer_loss"] for _ in range(10)) < 1e-6


def test_settings_are_the_papers() -> None:
    method = METHOD()
    assert (method.steps, method.image_lr, method.image_momentum) == (8000, 1.0, 0.5)
    assert (method.real_batch, method.power, method.balance) == (64, 4, 0.01)
    assert (method.augment, method.initial, method.recipe) == ("dsa", "real", "datadam-1800")
    for family in ("cifar10", "cifar100", "mnist", "tiny-imagenet"):
        assert {METHOD.published[family, ipc]["image_lr"] for ipc in (100, 200)} == {10.0}
    assert ("cifar10", 50) not in METHOD.published
    assert published(METHOD, "imagenette-128", 1) == {"balance": 0.02}
    assert published(METHOD, "imagewoof-128", 20) == {"balance": 0.02}


def test_settings_that_do_not_fit_are_refused() -> None:
    data = Examples(torch.zeros(4, 1, 8, 8), torch.arange(4) % 2, 2)
    with pytest.raises(ValueError, match="'mlp-w8' has no attention maps"):
        METHOD(network="mlp-w8").check(data, Budget(1))
    with pytest.raises(ValueError, match="ipc 3 is larger than the smallest class"):
        METHOD(network="convnet-d1-w4-in").check(data, Budget(3))
    with pytest.raises(ValueError, match="power 0 must be at least 1"):
        METHOD(power=0)
    with pytest.raises(ValueError, match=r"balance -1\.0 must not be negative"):
        METHOD(balance=-1.0)
