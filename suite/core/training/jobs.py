"""Training jobs: the data, the recipe and the seed of a fresh network."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from suite.core.examples import Examples, shuffled
from suite.core.precision import check_precision
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.training.recipes import Recipe

Labeller = Callable[[Tensor, Tensor], Tensor]
"""Map batches of views (batches, n, channels, height, width) and the labels (batches, n, classes) of their
images to targets (batches, n, …)."""


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """A fresh network to train.

    images: (n, channels, height, width); targets: classes (n,), or soft targets (n, classes);
    seed: of the initialisation, the order of minibatches and the augmentation;
    draw: draws the rows of a step's batch; None: shuffled epochs in batches of the recipe's batch size.
    label: gives the targets of every augmented batch in place of `targets`, if the recipe has a teacher.
    Raises ValueError if the device of the images does not support the recipe's precision, and for a missing
    teacher.
    """

    images: Tensor
    targets: Tensor
    recipe: Recipe
    seed: int
    draw: Callable[[torch.Generator], Tensor] | None = None
    label: Labeller | None = None

    def __post_init__(self) -> None:
        check_precision(self.recipe.precision, self.images.device)
        if self.recipe.teacher_epochs and self.label is None:
            raise ValueError(f"recipe {self.recipe.name!r} has a teacher that labels the images; pass it")

    @classmethod
    def on_set(
        cls, synthetic: SyntheticSet, recipe: Recipe, seed: int, label: Labeller | None = None
    ) -> "TrainingJob":
        """Return a job on a synthetic set, with the set's minibatches if the recipe has no batch size.

        recipe: that for the set's task, see `Recipe.for_data`.
        """
        draw = partial(synthetic.minibatch.sample, synthetic.classes, synthetic.ipc)
        own, how = draw if recipe.batch is None else None, recipe.for_set(synthetic)
        images, labels = synthetic.flat()
        return cls(images, how.targets(labels), how, seed, own, label)

    @classmethod
    def on_examples(cls, train: Examples, recipe: Recipe, seed: int) -> "TrainingJob":
        """Return a job on real images; each step takes all of them if the recipe has no batch size."""
        return cls(train.images, train.labels, recipe.for_data(train).for_hard_labels(), seed)

    @property
    def batch(self) -> int:
        """Images in the largest batch."""
        return min(self.recipe.batch or len(self.images), len(self.images))

    @property
    def epoch(self) -> int:
        """Steps in an epoch."""
        return -(-len(self.images) // self.batch)

    @property
    def lr_schedule(self) -> list[float]:
        """The learning rate of each step."""
        return self.recipe.lr_schedule(len(self.images))

    def rows(self) -> Iterator[Tensor]:
        """Yield the rows of each step's batch, the same ones at each call."""
        rng, steps = generator(self.seed, "order"), len(self.lr_schedule)
        if draw := self.draw:
            return (draw(rng) for _ in range(steps))
        return islice(shuffled(len(self.images), self.batch, rng), steps)
