"""IDM: distribution matching of formations in a queue of half-trained networks, with cross-entropy.

Zhao, Li, Qin and Yu, "Improved distribution matching for dataset condensation", CVPR 2023, arXiv 2307.09742.
IDM changes DM in three ways. Stored images are cut into four, which are enlarged ("partition and expansion").
Networks come from a queue: a fresh one joins every `push_every` steps, in place of the oldest when the queue
is full, and every step trains a few of them on real images. The loss has the cross-entropy of the decoded
images in the matching network, weighted by its accuracy in percent. Digits are not flipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from suite.core.distilling.by_class.formations import ClasswiseDistiller, FormationMethod, PixelRange
from suite.core.distilling.matching import class_means
from suite.core.engine.classification import inner_problem
from suite.core.engine.optimisers import SGD
from suite.core.engine.steps import train
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one, not_negative
from suite.core.seeding import generator
from suite.core.sets.parametrisations import Reduction
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform

FIRST = 3  # networks in the queue before the first step
_NETWORK_SGD = SGD(0.01, 0.9, 5e-4)


def _settings(ce_weight: float, accuracy_steps: int, **others: int) -> dict[str, Any]:
    return {"ce_weight": ce_weight, "accuracy_steps": accuracy_steps, **others}


_ONE = _settings(0.5, 100, real_batch=5000, push_every=5)


@dataclass(frozen=True)
class IDM(FormationMethod):
    """Match each class's mean embedding in half-trained networks, and classify its images there."""

    steps: int = 20_000
    image_lr: float = 0.2
    real_batch: int = 256
    augment: str = "dsa"
    ce_weight: float = 0.5  # of the cross-entropy times the network's accuracy in percent
    accuracy_steps: int = 100  # outer steps after which accuracies are measured anew
    networks: int = 100  # in the queue, at most
    push_every: int = 30  # outer steps between two fresh networks
    trained: int = 2  # networks that train in each outer step
    train_steps: int = 10  # steps of such a network
    train_batch: int = 256  # real images in a step

    title: ClassVar[str] = "IDM: improved distribution matching"
    paper: ClassVar[str] = "arXiv 2307.09742"
    pixel_range: ClassVar[PixelRange] = "any"
    reduction: ClassVar[Reduction] = "bilinear"
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 5,
        "real_batch": 8,
        "networks": 4,
        "push_every": 2,
        "train_steps": 2,
        "train_batch": 16,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "image_lr": LogUniform(0.02, 20.0),
        "ce_weight": LogUniform(0.01, 1.0),
    }
    # The commands in the authors' repository (commit fe23bbc).
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", 1): _ONE,
        ("cifar10", 10): _settings(0.5, 100),
        ("cifar10", 50): _settings(0.1, 500),
        ("cifar100", 1): _ONE,
        ("cifar100", 10): _settings(0.1, 100, train_steps=50),
        ("cifar100", 50): _settings(0.1, 500),
        ("tiny-imagenet", 1): _settings(0.5, 100),
        ("tiny-imagenet", 10): _settings(0.5, 500),
        ("tiny-imagenet", 50): _settings(0.8, 1000, train_steps=50),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "accuracy_steps", "networks", "push_every", "trained", "train_steps")
        at_least_one(self, "train_batch")
        not_negative(self, "ce_weight")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, reduced and placed side by side, and a queue of fresh networks."""
        return IDMDistiller(self, train, budget, seed)


class IDMDistiller(ClasswiseDistiller):
    """One run of IDM. Network number k of the run stands in row k modulo the queue's length."""

    method: IDM

    def __init__(self, method: IDM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.train = train
        in_all = FIRST + -(-method.steps // method.push_every)
        self.states = self.pixels.new_zeros(min(method.networks, in_all), 2, self.network.size)
        self.right, self.seen = self.states.new_zeros(2, len(self.states)).unbind()
        self.pushed = 0
        self.inner = inner_problem(
            self.network,
            _NETWORK_SGD,
            batch=method.train_batch,
            steps=method.steps * method.trained * method.train_steps,
            device=train.images.device,
        )
        self.network_rng = generator(seed, "networks")
        self.queue_rng = generator(seed, "queue")
        for _ in range(FIRST):
            self._push(self.network.initialise(self.network_rng, self.pixels.device))

    def step(self) -> Mapping[str, Tensor]:
        """Update the images once in one network of the queue, then train some of its networks."""
        if self.step_count and self.step_count % self.method.accuracy_steps == 0:
            self.right.zero_()
            self.seen.zero_()
        joins = self.step_count % self.method.push_every == 0
        alive = min(self.pushed + joins, len(self.states))
        matching = int(torch.randint(alive, (), generator=self.queue_rng))
        trained = torch.randperm(alive, generator=self.queue_rng)[: self.method.trained].tolist()
        batches = [self._draw_batches() for _ in trained]
        fresh = [self.network.initialise(self.network_rng)] if joins else []
        fresh, match, batches = send_nested((fresh, self.draw_match(), batches), self.pixels.device)
        for parameters in fresh:
            self._push(parameters)
        accuracy = self.right[matching] / self.seen[matching].clamp(min=1)
        loss = self.update(match, self.states[matching, 0], self.method.ce_weight * 100 * accuracy)
        for row, own in zip(trained, batches, strict=True):
            self._train(row, own)
        return {"outer_loss": loss, "network_accuracy": accuracy}

    def _push(self, parameters: Tensor) -> None:
        """Put a fresh network into the queue, in place of the oldest one if it is full."""
        row = self.pushed % len(self.states)
        self.states[row] = _NETWORK_SGD.start(parameters)
        for counted in (self.right, self.seen):
            counted[row].zero_()
        self.pushed += 1

    def _draw_batches(self) -> list[Tensor]:
        """Draw the rows of a network's batches, each of distinct real images."""
        size = min(self.method.train_batch, len(self.train))
        return [self.train.sample_rows(size, self.real_rng) for _ in range(self.method.train_steps)]

    def _train(self, row: int, batches: Sequence[Tensor]) -> None:
        """Train a network of the queue, and count what it classifies correctly before each step."""
        state = self.states[row]
        for rows in batches:
            images, labels = self.train.images[rows], self.train.labels[rows]
            with torch.no_grad():
                self.right[row] += (self.network.logits(state[0], images).argmax(1) == labels).sum()
            self.seen[row] += len(rows)
            batch = images[None], labels[None]  # of one step
            state = train(self.inner, state, _NETWORK_SGD.lr, [(rows, batch)], _batch)
        self.states[row] = state

    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor, *given: Tensor) -> Tensor:
        """Return the squared distance of class means plus the cross-entropy, whose weight is given."""
        (weight,) = given
        with torch.no_grad():
            features = partial(self.network.features, parameters)
            (targets,) = class_means(lambda images: [features(images)], real, self.real.weights)
        found, scores = class_means(partial(self._outputs, parameters), synthetic)
        return (targets - found).square().sum() - weight * scores.diagonal().sum()

    def _outputs(self, parameters: Tensor, images: Tensor) -> list[Tensor]:
        """Return the embedding (n, d) and the logarithms of probabilities (n, classes) of images (n, …)."""
        features = self.network.features(parameters, images)
        classifier, own = self.network.layers[-1], self.network.pieces(parameters)[-1]
        return [features, log_softmax(classifier.apply(own, features), 1)]


def _batch(steps: Sequence[tuple[Tensor, Sequence[Tensor]]]) -> Sequence[Tensor]:
    """Return the batch of a single step."""
    ((_, batch),) = steps
    return batch


METHOD = IDM
