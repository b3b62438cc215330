"""RCIG: implicit gradients of convex training, of linearised networks from a pool.

Loo, Hasani, Lechner and Rus, "Dataset distillation with convexified implicit gradients", ICML 2023, arXiv
2302.06755. Each outer step picks a network from a pool and linearises it. Its body is trained on the set in a
few steps, its last layer is solved for; see `suite.core.distilling.convexified`. The Platt-scaled
cross-entropy of a real batch is differentiated for images and labels: directly, and through the body by the
implicit function theorem, where the inverse Hessian is approximated by a few steps, too. Then the network
itself trains on the set. The result is an average over the outer steps. The main differences from the
authors' code: the field's ConvNet with instance norm (there no norm and widths that double); learned labels
are non-negative before they are centred; the last layer has no part in the inverse Hessian.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import grad

from suite.core.distilling.base import BaseDistiller, ImageMethod
from suite.core.distilling.convexified import ConvexProblem, outer_loss, stable_rate
from suite.core.distilling.initial_images import initial_images
from suite.core.engine.classification import inner_problem
from suite.core.engine.optimisers import Adam, adabelief
from suite.core.execution.transfer import send_nested
from suite.core.limits import above_zero, at_least_one, not_negative
from suite.core.networks.layers import with_softplus
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import ANY_SIZE, UNPUBLISHED, Budget, Choice, Distiller, Examples, LogUniform
from suite.core.training.regression import centred

FIRST_INNER, FIRST_INVERSE = 1e-5, 5e-5
"""Rates with which the search for the largest stable ones begins."""

ADJUST_EVERY = 50
AVERAGE = 0.99
"""Outer steps after which the inner rate is adjusted; weight of the former average of the set in a step."""

_MIRROR = {"mirror": True}
_LARGE = {"softplus": 0.0}  # networks of more than three blocks keep their ReLUs


@dataclass(frozen=True)
class RCIG(ImageMethod):
    """Learn the set by which linearised networks classify real images best."""

    steps: int = 10_000
    image_lr: float = 3e-3  # also of labels
    scale_lr: float = 0.03  # learning rate of the logarithm of Platt's scale
    real_batch: int = 1024
    ridge: float = 5e-4  # times the number of images
    inner_steps: int = 20
    inner_lr: float = 0.0  # at the start, of the inner steps; 0: the largest that is stable
    inverse_steps: int = 20
    inverse_lr: float = 0.0  # of the steps towards the inverse Hessian's product; 0: likewise
    pool: int = 30
    pool_lr: float = 5e-5
    pool_steps: int = 15  # most steps of the picked network after an outer step; the number is drawn
    pool_batch: int = 2000  # synthetic images per step of a network, at most all
    lifetime: int = 100  # steps after which a network of the pool is replaced
    softplus: float = 60.0  # sharpness of the softplus in place of ReLUs; 0: ReLUs
    learn_labels: bool = True
    mirror: bool = False  # whether the set also has mirrored images

    title: ClassVar[str] = "RCIG: convexified implicit gradients"
    paper: ClassVar[str] = "arXiv 2302.06755"
    recipe: ClassVar[str] = "rcig-2000"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {
        (family, ANY_SIZE): "rcig-mnist-2000" for family in ("mnist", "fashion-mnist")
    }
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 4,
        "image_lr": 0.01,
        "real_batch": 32,
        "inner_steps": 2,
        "inner_lr": 1e-3,
        "inverse_steps": 2,
        "inverse_lr": 1e-3,
        "pool": 2,
        "pool_steps": 2,
        "lifetime": 3,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {"image_lr": LogUniform(3e-4, 0.1)}
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {("svhn", ANY_SIZE): UNPUBLISHED}
    # The authors' configurations; steps as in the names of the sets that they give.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        **{(family, ANY_SIZE): {} for family in ("mnist", "fashion-mnist")},
        ("cifar10", 1): {"steps": 15_000, **_MIRROR},
        **{(family, ANY_SIZE): _MIRROR for family in ("cifar10", "cifar100", "cub200-32")},
        ("cifar100", 50): {},
        ("tiny-imagenet", 1): {"steps": 5000, **_LARGE, **_MIRROR},
        ("tiny-imagenet", 10): {"pool_batch": 256, **_LARGE},
        **{
            (f"image{subset}-128", ANY_SIZE): {"ridge": 0.05, **_LARGE, **_MIRROR}
            for subset in ("nette", "woof")
        },
    }

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "real_batch", "pool", "pool_steps", "pool_batch", "lifetime")
        above_zero(self, "image_lr", "scale_lr", "ridge", "pool_lr")
        not_negative(self, "inner_lr", "inverse_lr", "softplus")
        for name in ("inner_steps", "inverse_steps"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} {getattr(self, name)} must be at least 2: values are compared")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, one-hot labels, a pool of networks, and the largest stable rates."""
        return RCIGDistiller(self, train, budget, seed)


def squared(scores: Tensor, targets: Tensor) -> Tensor:
    """Return half the mean square of scores less targets, both (n, classes)."""
    found: Tensor = (scores - targets).square().mean()
    return found / 2


def clipped(implicit: Tensor, direct: Tensor) -> Tensor:
    """Return `implicit`, made as short as `direct` if it is longer; values that are not numbers are zero."""
    factor = (direct.norm() / implicit.norm()).clamp(max=1)
    return torch.nan_to_num(implicit * factor)


class RCIGDistiller(BaseDistiller):
    """One run of RCIG."""

    def __init__(self, method: RCIG, train: Examples, budget: Budget, seed: int) -> None:
        self.steps, self.method, self.train, self.step_count = method.steps, method, train, 0
        plain = network(method.network, train.shape, train.classes)
        layers = plain.layers
        if method.softplus:
            layers = tuple(with_softplus(layer, method.softplus) for layer in layers)
        self.network = replace(plain, layers=layers)
        self.training = inner_problem(self.network, Adam(method.pool_lr), objective=squared)
        images = initial_images(train, budget.ipc, method.initial, seed=seed)
        targets = centred(one_hot(train.classes, budget.ipc, like=images))
        start, scale = Adam().start, images.new_zeros(1)
        self.image_state, self.label_state, self.scale_state = (
            start(x.flatten()) for x in (images, targets, scale)
        )
        self.averages = torch.zeros_like(torch.cat([images.flatten(), targets.flatten()]))
        self.network_rng = generator(seed, "networks")
        self.pool_rng = generator(seed, "pool")
        self.real_rng = generator(seed, "real batches")
        self.batch_rng = generator(seed, "minibatches")
        self.pool = torch.stack([self._fresh() for _ in range(method.pool)])
        self.ages = torch.zeros(method.pool, dtype=torch.int64)
        self.rates = images.new_tensor(self._first_rates(generator(seed, "rates")))
        # Inner trainings since the last change of the rate: whose loss always fell, whose loss rose; all.
        self.tally, self.tallied = images.new_zeros(2), 0

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step."""
        method = self.method
        chosen = int(torch.randint(method.pool, (), generator=self.pool_rng))
        drawn = self.train.sample_rows(method.real_batch, self.real_rng), self._draw_training(chosen)
        rows, training = send_nested(drawn, self.train.images.device)
        real, leaves = self.train.take(rows), self._leaves()
        problem = self._problem(chosen, leaves)
        tangent, losses = problem.solve(self.rates[0], method.inner_steps)
        outer = outer_loss(problem, leaves, tangent, self.scale_state[0], real)
        solution, _ = problem.invert(outer.to_tangent, self.rates[1], method.inverse_steps)
        implicit = grad(problem.implicit(solution, outer.moved), leaves)
        self._adjust(losses)
        self.step_count += 1
        self._update(outer.direct, implicit)
        self._train(chosen, training)
        hits = (outer.scores.argmax(1) == real.labels).float().mean()
        return {"outer_loss": outer.loss, "linear_accuracy": hits, "inner_lr": self.rates[0].clone()}

    def _leaves(self) -> tuple[Tensor, Tensor]:
        """Return the images (n, …) and the centred targets (n, classes)."""
        images = self.image_state[0].view(-1, *self.train.shape).clone().requires_grad_()
        return images, self.label_state[0].view(-1, self.train.classes).clone().requires_grad_()

    def _mirrored(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the set, with its mirrored images if the method has them."""
        if not self.method.mirror:
            return images, targets
        return torch.cat([images, images.flip(3)]), torch.cat([targets, targets])

    def _problem(self, chosen: int, leaves: tuple[Tensor, Tensor]) -> ConvexProblem:
        """Return the convex training of a network of the pool."""
        ridge = self.method.ridge * len(leaves[0])
        return ConvexProblem(self.network, self.pool[chosen, 0], *self._mirrored(*leaves), ridge)

    def _first_rates(self, rng: torch.Generator) -> list[float]:
        """Return the rates of the inner steps and of those of the inverse, found where they are not given."""
        method = self.method
        inner, inverse = method.inner_lr, method.inverse_lr
        if inner and inverse:
            return [inner, inverse]
        leaves = self._leaves()
        problem = self._problem(0, leaves)
        inner = inner or stable_rate(FIRST_INNER, lambda lr: problem.solve(lr, method.inner_steps)[1])
        if not inverse:
            real = self.train.take(self.train.sample_rows(method.real_batch, rng))
            tangent, _ = problem.solve(inner, method.inner_steps)
            vector = outer_loss(problem, leaves, tangent, self.scale_state[0], real).to_tangent
            steps = method.inverse_steps
            inverse = stable_rate(FIRST_INVERSE, lambda lr: problem.invert(vector, lr, steps)[1])
        return [inner, inverse]

    def _adjust(self, losses: Tensor) -> None:
        """Count how inner losses (steps,) went; lower the rate if many rose, raise it if most always fell."""
        falls, rises = (losses.diff() < 0).all(), losses[-1] > losses[0]
        self.tally, self.tallied = self.tally + torch.stack([falls, rises]), self.tallied + 1
        if self.step_count and self.step_count % ADJUST_EVERY == 0:
            fell, rose = self.tally / self.tallied
            factor = torch.where(rose >= 0.29, 0.9, torch.where(fell >= 0.7, 1.05, 1.0))
            self.rates = torch.stack([self.rates[0] * factor, self.rates[1]])
            self.tally, self.tallied = torch.zeros_like(self.tally), 0

    def _update(self, direct: Sequence[Tensor], implicit: Sequence[Tensor]) -> None:
        """Take a step of AdaBelief with the images, the targets and Platt's scale, and average the set."""
        method, step = self.method, self.step_count
        of_images, of_targets = (
            (one + clipped(other, one)).flatten() for one, other in zip(direct[:2], implicit, strict=True)
        )
        self.image_state = adabelief(self.image_state, of_images, method.image_lr, step)
        if method.learn_labels:
            self.label_state = adabelief(self.label_state, of_targets, method.image_lr, step)
            self.label_state[0] = self.label_state[0].clamp(min=-1 / self.train.classes)
        self.scale_state = adabelief(self.scale_state, direct[2], method.scale_lr, step)
        current = torch.cat([self.image_state[0], self.label_state[0]])
        self.averages = AVERAGE * self.averages + (1 - AVERAGE) * current

    def _draw_training(self, chosen: int) -> Tensor | tuple[Tensor, Tensor]:
        """Draw the batches of the next steps of a network, or a fresh network if these would end its life.

        Batches are rows in the set (steps, batch), with the corrections of the steps.
        """
        method, age = self.method, int(self.ages[chosen])
        steps = int(torch.randint(1, method.pool_steps + 1, (), generator=self.pool_rng))
        if age + steps >= method.lifetime:
            return self.network.initialise(self.network_rng)
        count = self.label_state.shape[1] // self.train.classes * (2 if method.mirror else 1)
        drawn = [torch.randperm(count, generator=self.batch_rng)[: method.pool_batch] for _ in range(steps)]
        rule = self.training.optimiser
        corrections = [rule.corrections(age + step) for step in range(1, steps + 1)]
        return torch.stack(drawn), torch.tensor(corrections)

    def _train(self, chosen: int, drawn: Tensor | tuple[Tensor, Tensor]) -> None:
        """Train a network of the pool on the set, or replace it at the end of its life."""
        if isinstance(drawn, Tensor):
            self.pool[chosen], self.ages[chosen] = self.training.optimiser.start(drawn), 0
            return
        images, targets = (leaf.detach() for leaf in self._mirrored(*self._leaves()))
        lr, state = images.new_full((), self.method.pool_lr), self.pool[chosen]
        for rows, corrections in zip(*drawn, strict=True):
            (state,) = self.training.forward(state, lr, corrections, images[rows], targets[rows])
        self.pool[chosen] = state
        self.ages[chosen] += len(drawn[0])

    def _fresh(self) -> Tensor:
        """Return the Adam state of a fresh network."""
        device = self.train.images.device
        return self.training.optimiser.start(self.network.initialise(self.network_rng, device))

    def synthetic(self) -> SyntheticSet:
        """Return the average of the images and the labels over the steps so far."""
        if self.step_count:
            averages = self.averages / (1 - AVERAGE**self.step_count)
        else:
            averages = torch.cat([self.image_state[0], self.label_state[0]])
        classes, sizes = self.train.classes, [self.image_state.shape[1], self.label_state.shape[1]]
        images, targets = averages.split(sizes)
        images = images.view(classes, -1, *self.train.shape).clone()
        labels = one_hot(classes, images.shape[1], like=images)
        if self.method.learn_labels and self.step_count:
            labels = (targets.view_as(labels) + 1 / classes).clamp(min=0)  # of rounding
        return SyntheticSet(images, labels)


METHOD = RCIG
