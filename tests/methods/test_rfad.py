"""RFAD: its losses by scikit-learn, what is learned at which rate, fresh networks, settings."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge  # type: ignore[import-untyped]

from suite.core.networks.nngp import random_features
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins import registry
from suite.plugins.registry import native_recipe

METHOD = import_module("suite.plugins.methods.rfad").METHOD


def train() -> Examples:
    labels = torch.arange(30) % 3
    images = torch.randn(30, 1, 4, 4, generator=generator(0)) + labels[:, None, None, None]
    return Examples(images, labels, 3)


def started(ipc: int = 1, **changes: Any) -> Any:
    settings = {"steps": 8, "networks": 2, "real_batch": 30, "kernel": "convnet-d1-w4-none"}
    return METHOD(**{**settings, **changes}).start(train(), Budget(ipc), seed=0)


def predicted(run: Any) -> np.ndarray[Any, Any]:
    """Scikit-learn's regression of all real images on the set, by the same features."""
    images, labels = run.synthetic().flat()
    support, real = (
        random_features(run.network, run.parameters, x).double().numpy() for x in (images, train().images)
    )
    alpha = 5e-3 * float(np.trace(support @ support.T)) / len(support)
    model = KernelRidge(alpha=alpha, kernel="linear").fit(support, labels.double().numpy() - 1 / 3)
    found: np.ndarray[Any, Any] = model.predict(real)
    return found


def test_the_cross_entropy_is_of_scaled_predictions() -> None:
    run = started(2)
    with torch.no_grad():
        run.log_scale.fill_(1.5)
    scores = np.exp(1.5) * predicted(run)
    right = np.take_along_axis(scores, train().labels.numpy()[:, None], 1)[:, 0]
    expected = np.log(np.exp(scores).sum(1)) - right
    metrics = run.step()
    assert float(metrics["outer_loss"]) == pytest.approx(expected.mean(), rel=1e-4)
    hits = (scores.argmax(1) == train().labels.numpy()).mean()
    assert float(metrics["kernel_accuracy"]) == pytest.approx(hits)


def test_the_squared_error_is_to_centred_labels() -> None:
    run = started(2, loss="squared-error")
    wanted = np.eye(3)[train().labels.numpy()] - 1 / 3
    expected = ((predicted(run) - wanted) ** 2).mean() / 2
    assert float(run.step()["outer_loss"]) == pytest.approx(expected, rel=1e-4)
    assert float(run.log_scale.detach()) == 0  # Platt's scale is no part of it


def test_each_part_moves_at_its_own_rate() -> None:
    """Adam's first step is its rate long, wherever there is a gradient."""
    run = started(image_lr=0.02, scale_lr=0.3, transform_lr=0.001)
    images, transform = run.images.detach().clone(), run.transform.detach().clone()
    torch.testing.assert_close(run.synthetic().images, images)
    run.step()
    assert float((run.images.detach() - images).abs().max()) == pytest.approx(0.02, rel=1e-3)
    assert float((run.transform.detach() - transform).abs().max()) == pytest.approx(0.001, rel=1e-3)
    assert abs(float(run.log_scale.detach())) == pytest.approx(0.3, rel=1e-3)
    made = run.synthetic()
    expected = (run.images.flatten(2) @ run.transform).view_as(run.images)
    assert made.hard and torch.equal(made.images, expected.detach())


def test_without_the_linear_map_the_images_are_what_is_learned() -> None:
    run = started(transform_lr=0.0)
    run.step()
    assert run.transform.numel() == 0 and torch.equal(run.synthetic().images, run.images.detach())


def test_learned_labels_move_and_stay_targets() -> None:
    run = started(learn_labels=True, image_lr=0.2)
    for _ in range(4):
        run.step()
    assert not run.synthetic().hard and (run.synthetic().labels >= 0).all()


def test_networks_are_drawn_anew_as_often_as_asked() -> None:
    run, seen = started(redraw_every=3), []
    for _ in range(7):
        run.step()
        seen.append(float(run.parameters.sum()))
    assert len(set(seen)) == 3 and seen[0] == seen[2] != seen[3] == seen[5] != seen[6]


def test_it_learns() -> None:
    run = started(steps=40, image_lr=0.05, initial="noise")
    found = [float(run.step()["outer_loss"]) for _ in range(40)]
    assert found[-1] < 0.8 * found[0]


def test_settings_are_the_papers() -> None:
    default = METHOD()
    assert (default.image_lr, default.scale_lr, default.transform_lr) == (1e-3, 1e-2, 5e-5)
    assert (default.networks, default.real_batch, default.ridge) == (8, 4 * 1280, 5e-3)
    assert default.loss == "cross-entropy" and not default.learn_labels and default.initial == "real"
    assert METHOD.published == {}  # they are the same for every task and size
    for family in ("mnist", "fashion-mnist"):
        assert {native_recipe(METHOD, family, ipc) for ipc in (1, 10, 20)} == {"frepo-mnist-40000"}
    # Eight networks of 4096 features on images of 32 x 32.
    images = Examples(torch.zeros(2, 3, 32, 32), torch.arange(2), 2)
    run = METHOD(networks=1).start(images, Budget(1), seed=0)
    assert run.network.features(run.parameters[0], images.images).shape == (2, 4096)


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="networks 0"):
        METHOD(networks=0)
    with pytest.raises(ValueError, match="ridge 0"):
        METHOD(ridge=0.0)
    with pytest.raises(ValueError, match="transform_lr -1"):
        METHOD(transform_lr=-1.0)
    with pytest.raises(ValueError, match="ipc 11 is larger than the smallest class"):
        METHOD(kernel="convnet-d1-w4-none").check(train(), Budget(11))


def test_its_former_name_is_refused_with_its_own() -> None:
    """It was called KIP, whose kernel and loss are others."""
    with pytest.raises(ValueError, match="unknown method 'kip'; it is now called 'rfad'"):
        registry.method("kip")
    assert METHOD.paper == "arXiv 2210.12067" and METHOD.title.startswith("RFAD")
