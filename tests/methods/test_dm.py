"""DM: its loss by hand, and what is shared between real and synthetic images."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.distilling import matching
from suite.core.networks.layers import Layer
from suite.core.networks.named import Network, Shape
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training import augment

METHOD = import_module("suite.plugins.methods.dm").METHOD


def train() -> Examples:
    """Two classes: images of -1 and of 1, with a little noise."""
    labels = torch.arange(40) % 2
    noise = torch.randn(40, 1, 4, 4, generator=generator(0)) * 0.1
    return Examples(noise + (labels * 2.0 - 1)[:, None, None, None], labels, 2)


def started(ipc: int = 1, **changes: Any) -> Any:
    settings = {"steps": 5, "real_batch": 8, "network": "convnet-d1-w4-none", "augment": "none"}
    return METHOD(**{**settings, **changes}).start(train(), Budget(ipc), seed=0)


def test_the_loss_is_the_squared_distance_of_mean_embeddings_summed_over_classes() -> None:
    run = started(2)
    parameters = run.network.initialise(generator(0, "networks"))
    real_draw = generator(0, "real batches")
    expected = 0.0
    for label, indices in enumerate(train().by_class()):
        picks = torch.randperm(len(indices), generator=real_draw)[:8]
        real = run.network.features(parameters, train().images[indices[picks]]).mean(0)
        made = run.network.features(parameters, run.images[label]).mean(0)
        expected += float(((real - made) ** 2).sum().detach())
    assert run.step()["outer_loss"] == pytest.approx(expected, rel=1e-4)


def test_images_move_by_sgd_with_momentum() -> None:
    run = started(image_lr=2.0, image_momentum=0.5)
    first = run.images.detach().clone()
    run.step()
    gradient = run.images.grad.clone()
    assert torch.allclose(run.images.detach(), first - 2.0 * gradient, atol=1e-6)
    second = run.images.detach().clone()
    run.step()
    assert torch.allclose(run.images.detach(), second - 2.0 * (0.5 * gradient + run.images.grad), atol=1e-6)


def test_real_and_synthetic_images_of_a_class_share_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Size, Sequence[augment.AugmentParams]]] = []

    def watched(
        family: augment.Augmentation, images: Tensor, params: Sequence[augment.AugmentParams]
    ) -> Tensor:
        seen.append((images.shape[:2], params))
        return augment.apply_each(family, images, params)

    monkeypatch.setattr(matching, "apply_each", watched)
    started(3, augment="dsa").step()
    (real, one), (synthetic, other) = seen
    assert (real, synthetic) == ((2, 8), (2, 3)) and one is other
    assert [each.uniform.shape for each in one] == [(1, 3), (1, 3)]
    assert not torch.equal(one[0].uniform, one[1].uniform)


def test_noise_becomes_its_class() -> None:
    run = started(initial="noise", steps=30, image_lr=0.3)
    for _ in range(30):
        run.step()
    assert run.synthetic().images[0].mean() < -0.3 and run.synthetic().images[1].mean() > 0.3


def test_a_fresh_network_judges_every_step() -> None:
    run = started()
    state = run.network_rng.get_state()
    run.step()
    assert not torch.equal(state, run.network_rng.get_state())


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="real_batch 0"):
        METHOD(real_batch=0)
    with pytest.raises(ValueError, match="ipc 21 is larger than the smallest class"):
        METHOD(network="convnet-d1-w4-in").check(train(), Budget(21))


def pixels(name: str, shape: Shape, classes: int) -> Network:
    """Return a network whose embedding is the image itself."""
    classifier = Layer(lambda own, x: x @ own[0], ((2, classes),))
    return Network(name, shape, classes, (Layer(lambda _, x: x.flatten(1)), classifier))


def among_pixels(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    """Start at means (2, 0) and (0, 1); every real image is (1, 2) or (0, 4), whichever are drawn."""
    monkeypatch.setattr("suite.plugins.methods.dm.network", pixels)
    real = torch.tensor([[1.0, 2.0], [0.0, 4.0]]).repeat(3, 1).reshape(6, 1, 1, 2)
    settings = {"augment": "none", "initial": "noise", "real_batch": 4}
    run = METHOD(**{**settings, **changes}).start(Examples(real, torch.arange(6) % 2, 2), Budget(2), seed=0)
    run.load_state_dict({**run.state_dict(), "images": START})
    return run


START = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]).reshape(2, 2, 1, 1, 2)


def test_the_loss_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # (1, 2) - (2, 0) = (-1, 2): 5. (0, 4) - (0, 1) = (0, 3): 9.
    assert among_pixels(monkeypatch).step()["outer_loss"] == pytest.approx(14)


def test_two_steps_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each of a class's two images has gradient mean - real: (1, -2) and (0, -3). At rate .5 all move by
    # (-.5, 1) and (0, 1.5), to means (1.5, 1) and (0, 2.5) with gradients (.5, -1) and (0, -1.5). The
    # velocities are (.5, -1) + .5 * (1, -2) = (1, -2) and (0, -3): the same step again.
    run = among_pixels(monkeypatch, image_lr=0.5, image_momentum=0.5)
    step = torch.tensor([[-0.5, 1.0], [0.0, 1.5]]).reshape(2, 1, 1, 1, 2)
    for taken in (1, 2):
        run.step()
        torch.testing.assert_close(run.synthetic().images, START + taken * step)


def test_the_means_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    run = among_pixels(monkeypatch, image_lr=0.5)
    for _ in range(60):
        run.step()
    means = run.synthetic().images.mean(1).flatten(1)
    torch.testing.assert_close(means, torch.tensor([[1.0, 2.0], [0.0, 4.0]]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["dsa", "flip-rotate"])
def test_an_image_is_no_distance_from_itself_under_any_augmentation(name: str) -> None:
    # A class has one real image, and the synthetic one starts there.
    one_each = train().take(torch.tensor([0, 1]))
    settings = {"augment": name, "real_batch": 3, "image_lr": 0.0, "network": "convnet-d1-w4-in"}
    run = METHOD(**settings).start(one_each, Budget(1), seed=0)
    assert max(run.step()["outer_loss"] for _ in range(10)) < 1e-8


def test_the_same_images_lie_otherwise_in_the_next_network() -> None:
    one_each = train().take(torch.tensor([0, 1]))
    settings = {"augment": "none", "initial": "noise", "image_lr": 0.0, "network": "convnet-d1-w4-in"}
    run = METHOD(**settings).start(one_each, Budget(1), seed=0)
    assert len({run.step()["outer_loss"] for _ in range(4)}) == 4
