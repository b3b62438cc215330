"""Accuracy of a set's images under three kinds of labels: hard, fixed soft ones, and soft ones per view.

One teacher labels the images of all sets. What a method gains over random images by its images can then be
told from what it gains by its labels: "Hard truths about soft labels", CVPR 2026, arXiv 2604.18811.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Scores, Task
from suite.core.training.cached import labeller
from suite.core.training.recipes import recipe, recipe_of_labels
from suite.core.training.retrain_together import retrain


@dataclass(frozen=True)
class LabelRegimes:
    """Train fresh networks on a set's images with the labels of their classes, and with a teacher's.

    recipe: under which all networks train; a set's own labels and its method's recipe do not count.
    teacher_epochs: of the teacher, the same network with batch norm, trained on train once for all sets.
    Trains 3 x copies networks.
    """

    recipe: str = "dsa-1000"
    network: str = STANDARD
    teacher_epochs: int = 20
    copies: int = 5

    title: ClassVar[str] = "Under hard and soft labels"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("hard", "hard labels", ranks=True, against_random=True),
        Score("fixed", "fixed soft labels", against_random=True),
        Score("per_view", "soft labels per view", against_random=True),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "teacher_epochs": 1,
        "copies": 1,
    }

    def __post_init__(self) -> None:
        recipe_of_labels(self.recipe)
        at_least_one(self, "copies", "teacher_epochs")

    def check(self, train: Examples) -> None:
        """Refuse images too small for the network."""
        network(self.network, train.shape, train.classes)

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return the test accuracy of each copy in each regime, and the `seconds` of each training."""
        plain = recipe(self.recipe)
        per_view = replace(plain, teacher_epochs=self.teacher_epochs)
        images = synthetic.images
        hard = replace(synthetic, labels=one_hot(*images.shape[:2], like=images))
        trainings = {
            "hard": (hard, plain),
            "fixed": (self._labelled(hard, task.train), plain),
            "per_view": (hard, per_view),
        }
        return retrain(self.network, trainings, task, copies=self.copies, seed=seed)

    @torch.no_grad()
    def _labelled(self, hard: SyntheticSet, train: Examples) -> SyntheticSet:
        """Return the set with the teacher's probabilities of its images as they are."""
        # By a recipe without a temperature: a recipe with one softens the labels of a set itself.
        how = replace(recipe("dc-300"), teacher_epochs=self.teacher_epochs)
        label = labeller(how, self.network, train, ())
        assert label is not None
        images, labels = hard.flat()
        return replace(hard, labels=label(images[None], labels[None]).view_as(hard.labels))


EVALUATOR = LabelRegimes
