"""Initial synthetic images: real images, noise, or noise of unit norm."""

from typing import Literal

import torch
from torch import Tensor

from suite.core.execution.transfer import send
from suite.core.limits import check_enough_real
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples

Initialisation = Literal["real", "noise", "unit-noise"]


def initial_images(train: Examples, ipc: int, how: Initialisation, *, seed: int) -> Tensor:
    """Return images (classes, ipc, channels, height, width) on the device of `train`.

    how: "real": random images of the class, for one seed the same in all methods; "noise": standard Gaussian;
    "unit-noise": Gaussian, with each image scaled to unit L2 norm.
    """
    if how == "real":
        return train.images[torch.stack(random_choice(train, ipc, seed=seed))].clone()
    rng = generator(seed, "initial images")
    images = torch.randn(train.classes, ipc, *train.shape, generator=rng)
    if how == "unit-noise":
        images = images / images.flatten(2).norm(dim=2)[..., None, None, None]
    return images.to(train.images)


def check_initial(train: Examples, budget: Budget, how: Initialisation) -> None:
    """Raise ValueError if `how` is "real" and a class has fewer than `budget.ipc` images."""
    if how == "real":
        check_enough_real(train, budget)


def random_choice(train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
    """Return for each class the indices (ipc,) of random images; a smaller choice is a prefix of a larger."""
    chosen = []
    for label, rows in enumerate(train.rows_by_class()):
        order = torch.randperm(len(rows), generator=generator(seed, "real images", label))
        chosen.append(rows[order[:ipc]])
    return send(chosen, train.labels.device)
