"""Accuracy of retrained networks on corrupted test images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from time import perf_counter
from typing import Any, ClassVar

from torch import Tensor

from suite.core.auditing.corruptions import CORRUPTIONS, SEVERITIES, corruption
from suite.core.limits import at_least_one
from suite.core.networks.named import STANDARD, network
from suite.core.scores import SECONDS, Score
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Preprocessing, Scores, Task
from suite.core.training.fit import accuracy, copy_seeds, map_batches
from suite.core.training.recipes import recipe
from suite.core.training.retrain_together import fitted


@dataclass(frozen=True)
class Corruptions:
    """Score retrained networks on noisy, blurred, pale, bright, pixelated and JPEG test images.

    Images are corrupted as pixels in [0, 1]: the task's preprocessing is undone, then applied again. ZCA
    loses each image's brightness and contrast, so whitened images are first stretched to [0, 1]. The
    corruption `contrast` does not change uniform images. The corrupted images are the same for all sets and
    seeds.
    """

    recipe: str = "dsa-1000"
    network: str = STANDARD
    copies: int = 3
    corruptions: tuple[str, ...] = tuple(CORRUPTIONS)
    severities: tuple[int, ...] = SEVERITIES

    title: ClassVar[str] = "Under corruptions"
    scores: ClassVar[tuple[Score, ...]] = (
        Score("accuracy", "clean"),
        Score("accuracy/*", "{}"),
        Score("mean", "mean", ranks=True),
        Score("drop", "drop", unit="points", better="lower"),
        SECONDS,
    )
    smoke: ClassVar[Mapping[str, Any]] = {
        "recipe": "ncfm-40",
        "network": "convnet-d1-w8-in",
        "copies": 1,
    }

    def __post_init__(self) -> None:
        recipe(self.recipe)
        at_least_one(self, "copies")
        for name in self.corruptions:
            corruption(name)
        if wrong := [severity for severity in self.severities if severity not in SEVERITIES]:
            raise ValueError(f"severities {wrong} must lie between 1 and {SEVERITIES[-1]}")
        for key, values in (("corruptions", self.corruptions), ("severities", self.severities)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{key} {list(values)} must not be empty or have duplicates")

    def check(self, train: Examples) -> None:
        """Refuse images that are too small for the network, or do not have one or three channels."""
        network(self.network, train.shape, train.classes)
        if train.shape[0] not in (1, 3):
            raise ValueError(f"images of {train.shape[0]} channels: JPEG needs one or three")

    def evaluate(self, synthetic: SyntheticSet, task: Task, *, seed: int) -> Scores:
        """Return accuracies in [0, 1], one per copy.

        `accuracy` on clean images, `accuracy/<corruption>/<severity>`, their `mean`, its `drop` from clean,
        and the `seconds` of all trainings.
        """
        net, started = network(self.network, task.train.shape, task.train.classes), perf_counter()
        how, seeds = recipe(self.recipe), copy_seeds(seed, self.copies)
        trained = list(fitted(self.network, synthetic, how, task.train, seeds=seeds))
        seconds = perf_counter() - started
        test = task.test  # the only read, after the last training step
        raw = task.preprocessing.invert(test.images)

        def score(examples: Examples) -> tuple[float, ...]:
            return tuple(accuracy(net, parameters, examples) for parameters in trained)

        found = {
            f"accuracy/{name}/{severity}": score(
                replace(test, images=_corrupted(raw, task.preprocessing, name, severity))
            )
            for name in self.corruptions
            for severity in self.severities
        }
        clean, means = score(test), tuple(sum(copy) / len(copy) for copy in zip(*found.values(), strict=True))
        drop = tuple(own - mean for own, mean in zip(clean, means, strict=True))
        return Scores({"accuracy": clean, **found, "mean": means, "drop": drop, "seconds": (seconds,)})


def _corrupted(raw: Tensor, preprocessing: Preprocessing, name: str, severity: int) -> Tensor:
    """Corrupt raw images (n, channels, height, width) batch by batch, and preprocess them."""
    act, batch = corruption(name), count()
    return map_batches(lambda images: preprocessing.apply(act.apply(images, severity, next(batch))), raw)


EVALUATOR = Corruptions
