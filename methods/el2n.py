"""EL2N: the real images of each class on which networks err most, early in training.

Paul et al., "Deep learning on a data diet: finding important examples early in training", NeurIPS 2021,
arXiv 2107.07075. The score of an image is the Euclidean norm of a network's probabilities minus the one-hot
label, after 20 epochs, averaged over ten networks.
The authors keep the highest scores of all images, whatever their class, and at least a fifth of CIFAR-10. Ten
images chosen so may be of one class. A set here has as many images of each class, so the highest scores of
each class are kept, at every size. At 1 or 10 images per class these are atypical and mislabelled images; a
network learns more from the easiest ones: `keep = "easiest"`, the smallest scores, which the authors' code
can keep, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from suite.core.distilling.selection import TrainedSelection, highest, prediction_errors
from suite.core.execution.transfer import send
from suite.core.limits import at_least_one
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Choice, Examples, LogUniform
from suite.core.training.cached import Timed, trained_networks
from suite.core.training.fit import map_batches

Keep = Literal["hardest", "easiest"]


@dataclass(frozen=True)
class EL2N(TrainedSelection):
    """Select the real images with the largest errors, averaged over networks early in training."""

    networks: int = 10  # over which scores are averaged
    keep: Keep = "hardest"  # the highest scores, or the easiest: the smallest ones

    title: ClassVar[str] = "EL2N: the real images with the largest errors early in training"
    paper: ClassVar[str] = "arXiv 2107.07075"
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": 1, "networks": 2, "network": "convnet-d1-w8-in"}
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"keep": Choice(get_args(Keep))}

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "networks")
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep {self.keep!r} is none of {', '.join(get_args(Keep))}")

    def select(self, train: Examples, ipc: int, *, seed: int) -> tuple[list[Tensor], float]:
        """Return the selected images, and the seconds of cached training that are charged to this run."""
        scores, seconds = self.scored(train, seed)
        scores, ties = scores.cpu(), generator(seed, "ties")
        kept = scores if self.keep == "hardest" else -scores
        chosen = [rows[highest(kept[rows], ipc, ties)] for rows in train.rows_by_class()]
        return send(chosen, train.labels.device), seconds

    def scored(self, train: Examples, seed: int) -> Timed:
        """Return the mean score (n,) of each image, and the seconds of cached training to charge."""
        net, how = network(self.network, train.shape, train.classes), (self.training, self.epochs)
        found, seconds = trained_networks(train, self.network, *how, self.networks, seed=seed)
        scoring = send(found, train.labels.device)
        logits = [map_batches(partial(net.logits, each), train.images) for each in scoring]
        return torch.stack([errors(each, train.labels) for each in logits]).mean(0), seconds


def errors(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the norms (n,) of the probabilities of logits (n, classes) minus the one-hot labels (n,)."""
    return prediction_errors(logits, one_hot(labels, logits.shape[1]))


METHOD = EL2N
