"""AT-BPTT: back-propagation through a window that is placed by the gradients of the inner training.

Li et al., "Beyond random: automatic inner-loop optimization in dataset distillation", arXiv 2510.04838.
RaT-BPTT with windows in three stages. In the first and the last, a fresh network is trained on the set, and a
step is drawn with the softmax of the norms of its gradients as probabilities. In the first stage the window
begins there, and is the longer, the more that norm differs from the one before. In the second stage the
window is long and placed by chance. In the third it is short, and placed as in the first, but counted from
the end. A stage ends when the accuracy of the inner networks on real images has hardly risen for many epochs.
The paper's approximation of second derivatives by few directions is left out: ours are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.engine.truncation import TruncationSchedule, Window
from suite.core.execution.transfer import send_nested
from suite.core.limits import at_least_one, not_negative
from suite.core.precision import multiplying
from suite.core.seeding import generator
from suite.core.spec import UNPUBLISHED, Budget, Distiller, Examples
from suite.core.training.fit import map_batches
from suite.plugins.methods.rat_bptt import MANY, SOFT, RaTBPTTDistiller, UnrolledMethod

FIRST, SECOND, THIRD = 1, 2, 3
"""The stages."""

GAINS = {FIRST: 1.5, SECOND: 1.0}
"""Points of accuracy: an epoch that gains less counts towards the end of its stage."""

PATIENCE = {FIRST: 0.15, SECOND: 0.125}
"""How many such epochs in a row end a stage, as a share of the unroll."""

_README = "the readme's command at 10 images"
_PUBLISHED: Mapping[tuple[str, int], Mapping[str, Any]] = {
    ("cifar10", 1): {},
    ("cifar10", 10): {},
    ("cifar100", 10): {"unroll": 300, "window": 100, "change": 20, "real_batch": 1000, **SOFT},
    ("tiny-imagenet", 10): {
        "unroll": 300,
        "window": 100,
        "change": 30,
        "real_batch": 1000,
        **MANY,
    },
}


@dataclass(frozen=True)
class ATBPTT(UnrolledMethod):
    """Learn images through a window that the inner gradients place."""

    redraw_every: int = 10  # outer steps per window and epoch, those of an epoch of CIFAR-10
    window: int = 40
    change: int = 10  # by how many steps a window may be longer or shorter

    title: ClassVar[str] = "AT-BPTT: back-propagation through a window that gradients place"
    paper: ClassVar[str] = "arXiv 2510.04838"
    smoke: ClassVar[Mapping[str, Any]] = {
        **UnrolledMethod.smoke,
        "redraw_every": 2,
        "window": 2,
        "change": 1,
    }
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = _PUBLISHED
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        ("cifar10", 1): _README,
        **{(task, 50): UNPUBLISHED for task in ("cifar10", "cifar100")},
        **{("tiny-imagenet", ipc): UNPUBLISHED for ipc in (1, 50)},
        ("cifar100", 1): UNPUBLISHED,
    }

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window within the unroll."""
        return "random"

    @property
    def max_window(self) -> int:
        """Length of the longest window."""
        return self.window + self.change

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "window")
        not_negative(self, "change")
        if self.change >= self.window:
            raise ValueError(f"change {self.change} must be smaller than the window, {self.window}")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from the images that `initial` names, and one-hot labels."""
        return ATBPTTDistiller(self, train, budget, seed)


def place(method: ATBPTT, stage: int, norms: Sequence[float], rng: torch.Generator) -> Window:
    """Return the window of an epoch.

    norms: of the gradients of all inner steps; not used in the second stage.
    """
    if stage == SECOND:
        length = method.window + method.change
        return Window(int(torch.randint(method.unroll - length + 1, (), generator=rng)), length)
    step = int(torch.multinomial(torch.tensor(norms).softmax(0), 1, generator=rng))
    changes = [0.0, *(abs(after - before) for before, after in pairwise(norms))]
    rank = sum(change < changes[step] for change in changes)
    length = method.window - method.change
    if stage == FIRST:
        length = int(length + 2 * method.change * rank / method.unroll)
    latest = method.unroll - length
    return Window(min(step, latest) if stage == FIRST else max(latest - step, 0), length)


class ATBPTTDistiller(RaTBPTTDistiller):
    """One run of AT-BPTT."""

    def __init__(self, method: ATBPTT, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.windows, self.stage, self.waited, self.before_epoch = method, FIRST, 0, 0.0
        self.right = train.images.new_zeros(())  # accuracies of this epoch, added up
        self.check_rng = generator(seed, "accuracy")

    def next_window(self) -> Window:
        """Return the epoch's window; the first step of an epoch waits for the device."""
        if self.step_count % self.windows.redraw_every == 0:
            if self.step_count:
                self._end_epoch(100 * float(self.right) / self.windows.redraw_every)
            norms = [] if self.stage == SECOND else self._norms().tolist()
            placed = place(self.windows, self.stage, norms, self.window_rng)
            self.before, self.length = placed.before, placed.length
        self.step_count += 1
        return Window(self.before, self.length)

    def step(self) -> Mapping[str, Tensor]:
        """Take one outer step, and note the accuracy of its networks on real images."""
        found = super().step()
        self.right = self.right + self._accuracy()
        return {**found, "stage": torch.tensor(float(self.stage))}

    def _end_epoch(self, accuracy: float) -> None:
        """End the stage if the accuracy, in percent, has hardly risen for long."""
        if self.stage in GAINS:
            self.waited = self.waited + 1 if accuracy - self.before_epoch < GAINS[self.stage] else 0
            if self.waited >= PATIENCE[self.stage] * self.windows.unroll:
                self.stage, self.waited = self.stage + 1, 0
        self.before_epoch = accuracy
        self.right = torch.zeros_like(self.right)

    @torch.no_grad()
    def _accuracy(self) -> Tensor:
        """Return the mean accuracy of the last inner networks on a real batch, in [0, 1]."""
        rows = self.train.sample_rows(self.windows.real_batch, self.check_rng)
        (rows,) = send_nested((rows,), self.train.images.device)
        real, net = self.train.take(rows), self.network
        logits = [map_batches(partial(net.logits, final), real.images) for final in self.last.final]
        return torch.stack([(each.argmax(1) == real.labels).float().mean() for each in logits]).mean()

    @torch.no_grad()
    def _norms(self) -> Tensor:
        """Train a fresh network on the set for an unroll; return the norms of its gradients (unroll,)."""
        images, labels = self.learned.images.value, self.learned.labels.value
        drawn = self.draws(self.windows.unroll, images.shape[1])
        start, rows, params = send_nested(drawn, images.device)
        state, corrections = self.inner.optimiser.start(start), self.inner.corrections(len(rows), start)
        rate, norms = state.new_full((), self.windows.inner_lr), []
        with multiplying(self.windows.precision):
            for step, own in enumerate(rows):
                seen = self.training.augment.apply(images.flatten(0, 1)[own], params[step])
                targets = labels.flatten(0, 1)[own]
                state, gradient, *_ = self.inner.forward_keeping(
                    state, rate, corrections[step], seen, targets
                )
                norms.append(gradient.norm())
        return torch.stack(norms)


METHOD = ATBPTT
