"""IDC-I: IDC at factor 1, with the authors' settings for it."""

from importlib import import_module
from typing import Any

import torch

from suite.core.distilling.initial_images import initial_images
from suite.core.spec import Budget, Examples
from suite.plugins.registry import published
from tests.support.small_data import few_digits

IDC = import_module("suite.plugins.methods.idc").METHOD
METHOD = import_module("suite.plugins.methods.idc_i").METHOD
QUICK: dict[str, Any] = {
    "steps": 4,
    "network_steps": 2,
    "real_batch": 4,
    "network_images": 16,
    "network": "convnet-d1-w4-in",
}


def train() -> Examples:
    return few_digits(12)


def test_it_starts_from_the_random_subset_and_stores_images() -> None:
    made = METHOD(**QUICK).start(train(), Budget(2), seed=0).synthetic()
    assert torch.allclose(made.images, initial_images(train(), 2, "real", seed=0), atol=1e-5)
    assert made.images.shape == (10, 2, 1, 8, 8) and made.stored_bytes == 10 * 2 * 64 * 4


def test_it_is_idc_at_factor_one() -> None:
    sets = []
    for method in (METHOD(**QUICK), IDC(**QUICK, factor=1)):
        run = method.start(train(), Budget(2), seed=0)
        for _ in range(3):
            run.step()
        sets.append(run.synthetic().images)
    assert torch.equal(*sets)


def test_the_authors_settings() -> None:
    assert METHOD().recipe == IDC.recipe
    for ipc in (1, 5, 10, 50):
        # On MNIST the authors change augmentations at factor 2 only.
        assert published(METHOD, "mnist", ipc) == {"metric": "l1", "image_lr": 1e-4, "network_images": 500}
        for family in ("svhn", "fashion-mnist"):
            assert published(METHOD, family, ipc) == published(IDC, family, ipc) != {}
    assert METHOD.recipes == {("svhn", 1): "idc-svhn-1000"}
