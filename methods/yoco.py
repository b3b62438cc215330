"""YOCO: IDC's set, ordered by how well a network that trains on it classifies each image.

He, Xiao and Zhou, "You only condense once: two rules for pruning condensed datasets", NeurIPS 2023,
arXiv 2310.14019. The last step trains a network on the set that IDC has made. An image's error is the
distance of its probabilities from its label, in its augmented batch before the batch's step. The errors of
the `best` epochs, those with most correct images, are added. The images of each class are stored in the order
of their errors, lowest first, so that a prefix follows both rules: low errors, and as many images of each
class. A run that ends before its last step, as by a budget, leaves the order of the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.selection import prediction_errors as prediction_errors
from suite.core.engine.classification import inner_problem
from suite.core.engine.steps import train as take_steps
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one
from suite.core.seeding import generator
from suite.core.sets.parametrisations import MultiFormation
from suite.core.spec import ANY_SIZE, Budget, Distiller, Examples
from suite.core.training.augment import augment_each, augmentation
from suite.core.training.recipes import recipe
from suite.plugins.methods.idc import IDC, IDCDistiller


@dataclass(frozen=True)
class YOCO(IDC):
    """Learn IDC's set, and order its images by the errors of a network that trains on them."""

    epochs: int = 100  # of that network, which trains as for the native recipe
    best: int = 10  # epochs whose errors are added: those with most correct images

    title: ClassVar[str] = "YOCO: IDC's set, ordered by prediction errors"
    paper: ClassVar[str] = "arXiv 2310.14019"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {}
    ordered: ClassVar[bool] = True
    smoke: ClassVar[Mapping[str, Any]] = {**IDC.smoke, "epochs": 2, "best": 1}
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar100", ANY_SIZE): {"epochs": 200}
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "epochs", "best")
        longest = recipe(self.recipe).epochs
        if not self.best <= self.epochs <= longest:
            raise ValueError(
                f"best {self.best} and epochs {self.epochs} must be in this order, and at most {longest}"
            )

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, reduced and placed side by side."""
        return YOCODistiller(self, train, budget, seed)


def order(errors: Tensor, right: Tensor, best: int, classes: int) -> Tensor:
    """Return the order (classes, n) of each class's images, by their errors in the `best` epochs.

    errors: (epochs, classes * n), class-major; right: (epochs,) correct images.
    """
    added = errors[right.topk(best).indices].sum(0)
    return added.view(classes, -1).argsort(dim=1, stable=True)


class YOCODistiller(IDCDistiller):
    """One run of YOCO."""

    method: YOCO

    def __init__(self, method: YOCO, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.order_rng = generator(seed, "order")

    def step(self) -> Mapping[str, Tensor]:
        """Update the images once, and train the network on real ones; at the end, order the images."""
        found = super().step()
        if self.step_count == self.steps:
            self._order()
        return found

    @torch.no_grad()
    def _order(self) -> None:
        """Place the images of each class by their errors."""
        errors, right = self._dynamics()
        placed = order(errors, right, self.method.best, len(self.pixels))
        self.pixels.copy_(MultiFormation(self.pixels, self.method.factor).reordered(placed).formations)

    def _dynamics(self) -> tuple[Tensor, Tensor]:
        """Train a fresh network on the set.

        Return each image's error in each epoch (epochs, classes * n), and how many were correct (epochs,).
        """
        how, (images, labels) = recipe(self.method.recipe).for_data(self.train), self.synthetic().flat()
        count, augment, rule = len(images), augmentation(how.augment, mixing=True), how.optimiser_at(how.lr)
        size, rates = how.batch or count, iter(how.lr_schedule(count))
        steps = self.method.epochs * -(-count // size)
        problem = inner_problem(self.network, rule, batch=min(size, count), steps=steps, device=images.device)
        (start,) = send_nested([self.network.initialise(self.network_rng)], images.device)
        state, errors = rule.start(start), images.new_zeros(self.method.epochs, count)
        right = images.new_zeros(self.method.epochs)
        for epoch in range(self.method.epochs):
            split = torch.randperm(count, generator=self.order_rng).split(size)
            draws = [(rows, augment.sample(len(rows), self.order_rng)) for rows in split]
            for rows, params in send_nested(draws, images.device):
                own = labels[rows]
                batch = augment_each(augment, images[rows][None], own[None], [params])
                logits = self.network.logits(state[0], batch[0][0])
                errors[epoch, rows] = prediction_errors(logits, own)
                right[epoch] += (logits.argmax(1) == own.argmax(1)).sum()
                state = take_steps(problem, state, next(rates), [(rows, batch)], lambda drawn: drawn[0][1])
        return errors, right


METHOD = YOCO
