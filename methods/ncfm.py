"""NCFM: match characteristic functions of embeddings, at random or learned frequencies.

Wang, Yang, Liu, Sun, Hu, He and Zhang, "Dataset distillation with neural characteristic function: a minmax
perspective", CVPR 2025, arXiv 2502.20653. Each outer step draws a network from a pool that was trained on
real images, and a point between its first and its last parameters. There embeddings of unit length of a
class's real and synthetic images are compared by the amplitude and the phase of their characteristic
functions at many frequencies. Then the network at its last parameters calibrates the images by cross-entropy.
Frequencies are Gaussian, or come from a sampler that is trained to enlarge the distance. Images are
formations as IDC's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, cross_entropy, leaky_relu, normalize

from suite.core.distilling.base import Stateful
from suite.core.distilling.by_class.formations import FormationDistiller, FormationMethod, Match
from suite.core.distilling.experts import experts
from suite.core.distilling.matching import Pairing, draw_pairing
from suite.core.engine.optimisers import SGD, AdamW
from suite.core.execution.transfer import send_nested
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.seeding import generator
from suite.core.spec import ANY_SIZE, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.augment import augmentation
from suite.core.training.fit import map_batches
from suite.core.training.recipes import Recipe, StepDecayRecipe

SCALE = 300.0
"""Factor of the loss in the authors' code."""

REPEATS = 16
"""Times that each frequency of a learned sampler counts; their mean is the same."""

Rule = Literal["adamw", "sgd"]


@dataclass(frozen=True)
class NCFM(FormationMethod):
    """Match classes by characteristic functions between the ends of networks trained on real images."""

    steps: int = 20_000
    image_rule: Rule = "adamw"  # of the images; sgd has momentum
    image_lr: float = 1e-3
    real_batch: int = 1024
    amplitude: float = 0.5  # weights of the two parts of the distance
    phase: float = 0.5
    frequencies: int = 4096
    learned: bool = False  # whether a sampler learns the frequencies
    sampler_lr: float = 1e-3
    calibration: float = 1.0  # weight of the cross-entropy; 0: no calibration
    patience: int = 500  # outer steps without a better loss after which the rate is halved
    pool: int = 20  # networks that are trained on real images
    pool_epochs: int = 60

    title: ClassVar[str] = "NCFM: neural characteristic function matching"
    paper: ClassVar[str] = "arXiv 2502.20653"
    recipe: ClassVar[str] = "ncfm-2000"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {
        ("tiny-imagenet", 10): "ncfm-300",
        ("tiny-imagenet", 50): "ncfm-40",
    }
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 3,
        "real_batch": 8,
        "frequencies": 64,
        "learned": True,
        "pool": 2,
        "pool_epochs": 1,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(1e-4, 0.1)}
    # The authors' configuration files (commit de92fb8), whose rates for AdamW are multiplied by 0.1.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        ("cifar10", ANY_SIZE): {"image_rule": "adamw", "image_lr": 1e-3},
        ("cifar100", ANY_SIZE): {"image_rule": "adamw", "image_lr": 1e-3},
        ("cifar100", 10): {"image_rule": "sgd", "image_lr": 0.01},
        ("tiny-imagenet", ANY_SIZE): {"image_rule": "adamw", "image_lr": 1e-3},
        **{(f"image{subset}-128", ANY_SIZE): {"pool_epochs": 80} for subset in ("nette", "woof")},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "frequencies", "patience", "pool", "pool_epochs")
        above_zero(self, "sampler_lr")
        not_negative(self, "amplitude", "phase", "calibration")
        if self.learned and self.frequencies < 2 * REPEATS:
            raise ValueError(f"frequencies {self.frequencies} must be at least {2 * REPEATS} if learned")

    @property
    def training(self) -> Recipe:
        """The recipe of the pool's networks."""
        plain = ("pool", NCFM.paper, "sgd", 0.01, "color+crop+cutmix", 0.9, 5e-4)
        return StepDecayRecipe(*plain, epochs=self.pool_epochs, batch=128, factor=0.2)  # type: ignore[arg-type]

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Load the pool, or train what is missing, and start from real images made small."""
        return NCFMDistiller(self, train, budget, seed)


def characteristic(features: Tensor, frequencies: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the characteristic function of features (n, d) at frequencies (k, d): real and imaginary (2, k).

    weights: (n,) of the mean, None: equal.
    """
    angles = features @ frequencies.T
    values = torch.stack([angles.cos(), angles.sin()])
    return values.mean(1) if weights is None else weights.to(values) @ values


def distance(ours: Tensor, theirs: Tensor, amplitude: float, phase: float) -> Tensor:
    """Return the mean distance of characteristic functions (2, k).

    With lengths a and b and the angle δ between two values, it is the root of amplitude * (a - b)² + phase *
    2 a b (1 - cos δ).
    """
    a, b = ours.norm(dim=0), theirs.norm(dim=0)
    turned = (2 * (a * b - (ours * theirs).sum(0))).clamp(min=1e-12)
    gaps: Tensor = (amplitude * (a - b).square() + phase * turned).sqrt()
    return gaps.mean()


@dataclass(frozen=True)
class Drawn:
    """What a step draws.

    first, last: of a network of the pool (size,); share: of the first, in between; noise: of the frequencies
    (k, d); calibration: the augmentation of the decoded images.
    """

    first: Tensor
    last: Tensor
    share: Tensor
    noise: Tensor
    match: Match
    calibration: Pairing


class NCFMDistiller(FormationDistiller):
    """One run of NCFM; `moments` are those of the images' rule."""

    method: NCFM

    def __init__(self, method: NCFM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.known = experts(train, method.network, method.training, method.pool, ends_only=True)
        self.cached_seconds = self.known.seconds  # charged to every trial that uses the pool
        decaying, plain = AdamW(weight_decay=5e-4), SGD(momentum=method.image_momentum)
        self.rule = decaying if method.image_rule == "adamw" else plain
        self.moments = self.rule.start(self.pixels.detach().flatten())[1:]
        self.updates = 0
        self.lr, self.best = self.pixels.new_tensor([method.image_lr, torch.inf]).unbind()
        self.without_better = self.pixels.new_zeros(())
        probe = self.pixels.new_zeros(1, *train.shape)
        self.dimensions = self.network.features(self.known.trajectories[0][0].to(probe), probe).shape[1]
        self.sampler = Sampler(self.dimensions, method.sampler_lr, seed, probe) if method.learned else Fixed()
        self.pool_rng = generator(seed, "networks")
        self.frequency_rng = generator(seed, "frequencies")

    def step(self) -> Mapping[str, Tensor]:
        """Match each class, then calibrate each, with an update of the images after every one."""
        drawn = send_nested(self._draw(), self.pixels.device)
        self.keep_in_range()
        between = torch.lerp(drawn.last, drawn.first, drawn.share)
        total = self.pixels.new_zeros(())
        for label in range(len(self.pixels)):
            total += self._match(label, between, drawn)
        for label in range(len(self.pixels) if self.method.calibration else 0):
            total += self._calibrate(label, drawn)
        self.step_count += 1
        self._adapt_rate(total / len(self.pixels))
        return {"outer_loss": total.double() / len(self.pixels), "image_lr": self.lr.clone()}

    def _draw(self) -> Drawn:
        index = int(torch.randint(self.method.pool, (), generator=self.pool_rng))
        path, share = self.known.trajectories[index], torch.rand((), generator=self.pool_rng)
        rows = self.method.frequencies // (REPEATS if self.method.learned else 1)
        noise = torch.randn(rows, self.dimensions, generator=self.frequency_rng)
        match, name = self.draw_match(), self.method.augment
        calibration = draw_pairing(name, len(self.pixels), self.augment_rng)
        return Drawn(path[0], path[-1], share, noise, match, calibration)

    def _match(self, label: int, parameters: Tensor, drawn: Drawn) -> Tensor:
        """Update the images towards a smaller distance of a class, and the sampler towards a larger one."""
        augment, params = augmentation(self.method.augment), drawn.match.pairing.params[label]
        real = augment.apply(self.real.images[drawn.match.real[label]], params)
        theirs = normalize(map_batches(partial(self.network.features, parameters), real), dim=1)
        made = augment.apply(self._chosen(label, drawn.match), params)
        ours = normalize(self.network.features(parameters, made), dim=1)
        frequencies = self.sampler.frequencies(drawn.noise)
        weights = None if self.real.weights is None else self.real.weights[label]
        target, found = characteristic(theirs, frequencies, weights), characteristic(ours, frequencies)
        loss = SCALE * distance(found, target, self.method.amplitude, self.method.phase)
        gradient, *others = torch.autograd.grad(loss, [self.pixels, *self.sampler.learned])
        self._update(gradient)
        self.sampler.ascend(others)
        return loss.detach()

    def _calibrate(self, label: int, drawn: Drawn) -> Tensor:
        """Update the images towards a smaller cross-entropy of a class in the trained network."""
        images = self._chosen(label, drawn.match)
        seen = augmentation(self.method.augment).apply(images, drawn.calibration.params[label])
        target = torch.full((len(seen),), label, device=seen.device)
        loss = self.method.calibration * cross_entropy(self.network.logits(drawn.last, seen), target)
        self._update(torch.autograd.grad(loss, self.pixels)[0])
        return loss.detach()

    def _chosen(self, label: int, match: Match) -> Tensor:
        """Return the chosen decoded images (n, …) of a class."""
        images: Tensor = self.decoded(slice(label, label + 1))[0]
        return images[match.synthetic.view(len(self.pixels), -1)[label] - label * len(images)]

    @torch.no_grad()
    def _update(self, gradient: Tensor) -> None:
        """Take a step of the images' rule; those of other classes move by their moments."""
        self.updates += 1
        state = torch.cat([self.pixels.flatten()[None], self.moments])
        after = self.rule.update(state, gradient.flatten(), self.lr, self.rule.corrections(self.updates))
        self.pixels.copy_(after[0].view_as(self.pixels))
        self.moments = after[1:].clone()

    def _adapt_rate(self, loss: Tensor) -> None:
        """Halve the rate after `patience` outer steps without a better loss, as torch's ReduceLROnPlateau."""
        better = loss < self.best * (1 - 1e-4)
        self.best = torch.where(better, loss, self.best)
        waited = torch.where(better, 0.0, self.without_better + 1)
        halved = waited > self.method.patience
        self.without_better = torch.where(halved, 0.0, waited)
        self.lr = torch.where(halved & (self.lr > 2e-8), self.lr / 2, self.lr)


class Fixed(Stateful):
    """Frequencies that are the noise itself."""

    learned: tuple[Tensor, ...] = ()

    def frequencies(self, noise: Tensor) -> Tensor:
        """Return the noise (k, d)."""
        return noise

    def ascend(self, gradients: list[Tensor]) -> None:
        """Learn nothing."""


class Sampler(Fixed):
    """Three linear layers, each with batch norm, that turn noise into frequencies in [-1, 1]."""

    def __init__(self, dimensions: int, lr: float, seed: int, like: Tensor) -> None:
        rng, bound = generator(seed, "sampler"), dimensions**-0.5
        drawn = torch.rand(3, dimensions + 1, dimensions, generator=rng) * 2 * bound - bound
        weights, scales, shifts = send_nested(
            (drawn, torch.ones(3, dimensions), torch.zeros(3, dimensions)), like.device
        )
        self.weights = weights.requires_grad_()  # the last row of each layer is its bias
        self.scales, self.shifts = scales.requires_grad_(), shifts.requires_grad_()
        self.optimiser = torch.optim.SGD(self.learned, lr=lr, momentum=0.5, maximize=True)

    @property
    def learned(self) -> tuple[Tensor, ...]:  # type: ignore[override]
        """What is learned."""
        return self.weights, self.scales, self.shifts

    def frequencies(self, noise: Tensor) -> Tensor:
        """Return the frequencies (k, d) of noise (k, d)."""
        for number, (own, scale, shift) in enumerate(zip(*self.learned, strict=True)):
            noise = batch_norm(noise @ own[:-1] + own[-1], None, None, scale, shift, training=True)
            noise = leaky_relu(noise, 0.2) if number < 2 else noise.tanh()
        return noise

    def ascend(self, gradients: list[Tensor]) -> None:
        """Take a step of SGD towards a larger loss."""
        for value, gradient in zip(self.learned, gradients, strict=True):
            value.grad = gradient
        self.optimiser.step()


METHOD = NCFM
