"""How to train a network from scratch, as data: recipes, and the kinds that single papers need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, pi
from typing import ClassVar, Literal, get_args

from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.engine.losses import Flatness, Objective, softened, tempered
from suite.core.engine.optimisers import SGD, Adam, AdamW, Optimiser
from suite.core.examples import Examples
from suite.core.networks.named import Network
from suite.core.precision import Precision
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.training.augment import augment_for, augmentation
from suite.core.training.regression import squared_error

Rule = Literal["sgd", "adam", "adamw"]
OPTIMISERS: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True)
class Recipe:
    """How to train a network from scratch. Give `epochs` with `batch`, or `steps`.

    augment: the name of an augmentation.
    decay_at: epoch from which the learning rate is divided by ten; None: never.
    batch: images per step, in shuffled epochs; None: each step draws the set's `Minibatch`.
    learned_lr: train at the learning rate that was learned with the set; `lr` is that of the baselines.
    precision: of products in training; accuracy is always measured in float32.
    teacher_epochs: label every augmented batch by a teacher that has trained on train for so many epochs,
    without augmentation (see `suite.core.training.cached.labeller`); 0: use the set's labels.
    """

    name: str
    source: str
    optimiser: Rule
    lr: float
    augment: str
    momentum: float = 0.0
    weight_decay: float = 0.0
    epochs: int = 0
    decay_at: int | None = None
    batch: int | None = None
    steps: int = 0
    learned_lr: bool = False
    precision: Precision = "float32"
    teacher_epochs: int = 0

    by_own_teachers: ClassVar[bool] = False  # in its place those that a set brings, if it brings some

    @property
    def labels_by_batch(self) -> bool:
        """Whether the teacher's batch norms use the statistics of each batch, not the running ones."""
        return False

    def check(self) -> None:
        """Raise ValueError for an optimiser, a learning rate, a length or an augmentation that cannot be."""
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"recipe {self.name!r}: optimiser {self.optimiser!r} is none of {OPTIMISERS}")
        if not self.lr > 0 or not (self.steps > 0 or (self.epochs > 0 and self.batch)):
            raise ValueError(f"recipe {self.name!r}: give lr above 0, and steps, or epochs with a batch")
        augmentation(self.augment, mixing=True)

    def lr_schedule(self, count: int) -> list[float]:
        """Return the learning rate of each step on `count` images."""
        if self.batch is None:
            return [self.lr] * self.steps
        drop = self.epochs if self.decay_at is None else self.decay_at
        epochs = [self.lr if epoch < drop else self.lr * 0.1 for epoch in range(self.epochs)]
        return self._per_step(epochs, count)

    def with_lr(self, lr: float) -> "Recipe":
        """Return the recipe at learning rate `lr`, also for a set with a learned rate."""
        return replace(self, lr=lr, learned_lr=False)

    def for_set(self, synthetic: SyntheticSet) -> "Recipe":
        """Return the recipe for `synthetic`: at the set's learned rate if the recipe uses it.

        Raises ValueError if it does, and the set has none.
        """
        if not self.learned_lr:
            return self
        if synthetic.lr is None:
            raise ValueError(
                f"recipe {self.name!r} trains at the learned rate of a set, and this set has none; give it "
                "by --lr, or as SyntheticSet.lr, or choose a recipe with a rate of its own"
            )
        return self.with_lr(synthetic.lr)

    def for_data(self, train: Examples) -> "Recipe":
        """Return the recipe for `train`: without flips where mirrored images may change their class."""
        return replace(self, augment=augment_for(self.augment, train))

    def for_hard_labels(self) -> "Recipe":
        """Return the recipe for images that have one class each."""
        return self

    def for_epochs(self, epochs: int) -> "Recipe":
        """Return the recipe for full data: `epochs` replaces its length, which is meant for few images.

        Decay, if any, is after half the epochs. Batches have 256 images if the recipe has no batch size.
        """
        decay = None if self.decay_at is None else epochs // 2 + 1
        return replace(self, epochs=epochs, decay_at=decay, batch=self.batch or 256)

    def optimiser_at(self, lr: float) -> Optimiser:
        """Return the optimiser at learning rate `lr`."""
        if self.optimiser == "adam":
            return Adam(lr)
        if self.optimiser == "adamw":
            return AdamW(lr, weight_decay=self.weight_decay)
        return SGD(lr, self.momentum, self.weight_decay)

    def optimiser_of(self, network: Network, lr: float) -> Optimiser:
        """Return the optimiser of the parameters of `network`."""
        return self.optimiser_at(lr)

    def targets(self, labels: Tensor) -> Tensor:
        """Return the targets (n, classes) of labels (n, classes), before augmentation mixes them."""
        return labels

    def relabelled(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the targets (n, …) of views of which the teachers' mean logits are (n, classes).

        labels: those of the set (n, classes), not mixed.
        """
        # In float64, where probabilities that temperature makes large again are not rounded to zero.
        return self.targets(logits.double().softmax(1)).to(logits)

    @property
    def objective(self) -> Objective:
        """The loss of (logits, targets)."""
        return cross_entropy

    @property
    def flatness(self) -> Flatness | None:
        """How far the training seeks flat minima; None: not at all."""
        return None

    def _per_step(self, epochs: Sequence[float], count: int) -> list[float]:
        """Return the learning rate of each step, given that of each epoch."""
        return [lr for lr in epochs for _ in range(-(-count // (self.batch or count)))]


@dataclass(frozen=True)
class StepDecayRecipe(Recipe):
    """The learning rate is multiplied by `factor` after two thirds and after five sixths of the epochs."""

    factor: float = 1.0

    shares: ClassVar[Sequence[tuple[int, int]]] = ((2, 3), (5, 6))

    def lr_schedule(self, count: int) -> list[float]:
        """Return the learning rate of each step on `count` images."""
        drops = [part * self.epochs // whole for part, whole in self.shares]
        epochs = [self.lr * self.factor ** sum(epoch >= at for at in drops) for epoch in range(self.epochs)]
        return self._per_step(epochs, count)


@dataclass(frozen=True)
class FifthsRecipe(StepDecayRecipe):
    """NCFM's: the learning rate is multiplied by `factor` after each fifth of the epochs but the last."""

    shares: ClassVar[Sequence[tuple[int, int]]] = ((1, 5), (2, 5), (3, 5), (4, 5))


@dataclass(frozen=True)
class FlatRecipe(Recipe):
    """FTD's: training by adaptive GSAM, with `rho` and `alpha` as in `Flatness`."""

    rho: float = 0.0
    alpha: float = 0.0

    @property
    def flatness(self) -> Flatness:
        """How far the training seeks flat minima."""
        return Flatness(self.rho, self.alpha)


@dataclass(frozen=True)
class SoftenedRecipe(Recipe):
    """Kullback-Leibler divergence from the targets; both are softened by `temperature`, then mixed."""

    temperature: float = 1.0

    def targets(self, labels: Tensor) -> Tensor:
        """Return softened labels (n, classes)."""
        return softened(labels, self.temperature)

    @property
    def objective(self) -> Objective:
        """The loss of (logits, targets)."""
        return tempered(self.temperature)


@dataclass(frozen=True)
class KLRecipe(SoftenedRecipe):
    """RDED's divergence from softened targets.

    Hard labels have temperature 1. The learning rate falls from `lr` to half of it, along a quarter of a
    period of (1 + cos) / 2. Norms and biases do not decay. `batch` is that of 10 images per class; see
    `for_set`.
    """

    def for_set(self, synthetic: SyntheticSet) -> Recipe:
        """Return the recipe with the authors' batch for the set; for CIFAR-100 also with twice the rate.

        10, 50 and 100 images at 1, 10 and 50 images per class, twice that from 100 classes, 100 for 200
        classes (Tiny-ImageNet), and 25 for 100 classes of 32x32 pixels (CIFAR-100). A learned rate stays.
        """
        classes, ipc, lr = synthetic.classes, synthetic.ipc, super().for_set(synthetic).lr
        batch = (10 if ipc == 1 else 50 if ipc <= 10 else 100) * (2 if classes >= 100 else 1)
        if classes == 100 and synthetic.images.shape[-1] == 32:
            batch, lr = 25, lr if self.learned_lr else 2 * lr
        found = replace(self, batch=100 if classes == 200 else batch, lr=lr)
        return found.for_hard_labels() if synthetic.hard and not self.teacher_epochs else found

    def for_hard_labels(self) -> Recipe:
        """Return the recipe without a temperature, which would slow training where labels do not have it."""
        return replace(self, temperature=1.0)

    def lr_schedule(self, count: int) -> list[float]:
        """Return the learning rate of each step on `count` images."""
        shares = [(1 + cos(pi * epoch / self.epochs / 2)) / 2 for epoch in range(self.epochs)]
        return self._per_step([self.lr * share for share in shares], count)

    def optimiser_of(self, network: Network, lr: float) -> Optimiser:
        """Return AdamW, under which only weights of products decay."""
        return AdamW(lr, weight_decay=self.weight_decay, spans=network.spans)


@dataclass(frozen=True)
class RegressionRecipe(Recipe):
    """Squared error to centred targets; linear warm-up of the learning rate, then half a cosine.

    warm_up: steps of rising learning rate, at most half of all; floor: final share of `lr`;
    lengths: (images, steps) pairs in order; a set takes the `steps` of the first pair that has as many
    images, larger sets the field `steps`.
    """

    warm_up: int = 0
    floor: float = 0.0
    lengths: tuple[tuple[int, int], ...] = ()

    def lr_schedule(self, count: int) -> list[float]:
        """Return the learning rate of each step on `count` images."""
        steps = next((length for images, length in self.lengths if count <= images), self.steps)
        if self.epochs and self.batch:
            steps = self.epochs * -(-count // self.batch)
        rising = min(self.warm_up, steps // 2)
        rise = [self.lr * step / rising for step in range(rising)]
        shares = ((1 + cos(pi * step / (steps - rising))) / 2 for step in range(steps - rising))
        return rise + [self.lr * (self.floor + (1 - self.floor) * share) for share in shares]

    @property
    def objective(self) -> Objective:
        """The loss of (logits, targets)."""
        return squared_error
