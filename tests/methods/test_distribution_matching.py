"""DM: its loss by hand, and what is shared between real and synthetic images."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core import augment
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples

METHOD = import_module("methods.distribution_matching").METHOD


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
        picks = torch.randint(len(indices), (8,), generator=real_draw)
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
    seen: list[tuple[str, list[float], int]] = []
    apply = augment.OneOf.apply

    def watched(self: augment.OneOf, images: Tensor, draw: augment.Draw) -> Tensor:
        seen.append((draw.operation, draw.uniform.flatten().tolist(), len(images)))
        return apply(self, images, draw)

    monkeypatch.setattr(augment.OneOf, "apply", watched)
    started(3, augment="dsa").step()
    assert [count for _, _, count in seen] == [8, 3, 8, 3]
    assert seen[0][:2] == seen[1][:2] and seen[2][:2] == seen[3][:2]
    assert seen[0][1] != seen[2][1]


def test_noise_becomes_its_class() -> None:
    run = started(initial="noise", steps=150, image_lr=0.3)
    for _ in range(150):
        run.step()
    assert run.synthetic().images[0].mean() < -0.3 and run.synthetic().images[1].mean() > 0.3


def test_a_fresh_network_judges_every_step() -> None:
    run = started()
    state = run.network_draw.get_state()
    run.step()
    assert not torch.equal(state, run.network_draw.get_state())


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="real_batch 0"):
        METHOD(real_batch=0)
    with pytest.raises(ValueError, match="ipc 21 is larger than the smallest class"):
        METHOD(network="convnet-d1-w4-in").check(train(), Budget(21))
