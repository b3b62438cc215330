"""Decide whether a foreign set has raw or preprocessed images, as declared or by its values."""

import warnings
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from suite.core.data import tasks
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task
from suite.external.sandbox import ForeignSet

Kind = Literal["task", "raw"]

_SAMPLE = 1000  # of the task's train images


@dataclass(frozen=True)
class Prepared:
    """A set with the task's preprocessing, and the decision about it."""

    synthetic: SyntheticSet
    kind: Kind
    reason: str
    whitened: bool = False  # by the task's matrix, as far as is known

    @property
    def line(self) -> str:
        """The decision in one line."""
        done = "the images are pixels, and the task's preprocessing is applied"
        if self.kind == "task":
            done = "the images are used unchanged, as preprocessed by the task"
            # Implementations of whitening differ, and the images do not show which one was used.
            done += "; it cannot be checked that their whitening is the task's" * self.whitened
        return f"preprocessing: {self.kind} ({self.reason}): {done}"


def prepare(brought: ForeignSet, task: Task, declared: Kind | None = None) -> Prepared:
    """Return the set preprocessed as the task; warn if its statistics contradict the decision.

    Raises ValueError if the declaration or the manifest cannot be true.
    """
    kind, reason = _decide(brought, task, declared)
    synthetic = brought.synthetic
    if kind == "raw":
        applied = task.preprocessing.apply(synthetic.images.flatten(0, 1))
        synthetic = replace(synthetic, images=applied.view_as(synthetic.images))
    for doubt in doubts(synthetic.images.flatten(0, 1), _sample(task)):
        warnings.warn(f"{doubt}; is --preprocessing {kind}, or the task, the right one?", stacklevel=2)
    unseen = task.preprocessing.describe()["kind"] == "zca" and not brought.manifest
    return Prepared(synthetic, kind, reason, whitened=unseen)


def doubts(images: Tensor, train: Tensor) -> list[str]:
    """Return how `images` (n, channels, height, width) differ from `train`, both preprocessed."""
    found = []
    near, usual = _correlation(images), _correlation(train)
    if usual > 0.4 and near < 0.3 * usual:
        found.append(
            f"neighbouring pixels correlate by {near:.2f}, in train by {usual:.2f}: they look whitened"
        )
    if usual < 0.3 and near > 0.6:
        found.append(
            f"neighbouring pixels correlate by {near:.2f}, in train by {usual:.2f}: they look unwhitened"
        )
    mean, spread = images.double().mean().item(), images.double().std().item()
    centre, scale = train.double().mean().item(), train.double().std().item()
    if not scale / 2.5 < spread < scale * 2.5 or abs(mean - centre) > scale:
        found.append(
            f"pixels have mean {mean:.2f} and deviation {spread:.2f}, in train {centre:.2f} and {scale:.2f}"
        )
    return found


def _decide(brought: ForeignSet, task: Task, declared: Kind | None) -> tuple[Kind, str]:
    if said := brought.manifest.get("preprocessing"):
        # The last bits of a whitening matrix depend on the machine; the data's fingerprint does not.
        known = tasks.is_of(brought.manifest.get("data"), task)
        same = known or said == task.preprocessing.describe()
        if not same or declared == "raw":
            kind = str(said.get("kind"))[:40]
            raise ValueError(
                f"the set's manifest says its images are prepared by {kind!r}, which is not "
                + ("raw; leave --preprocessing out" if same else f"what {task.name} has; choose its task")
            )
        return "task", "its manifest says so"
    if brought.raw and declared == "task":
        raise ValueError("the images are bytes, which no preprocessing gives; leave --preprocessing out")
    if brought.raw:
        return "raw", "bytes"
    if declared:
        return declared, "declared"
    low, high = brought.synthetic.images.min().item(), brought.synthetic.images.max().item()
    if low >= 0 and high <= 1:
        return "raw", "inferred: all values lie in [0, 1]"
    return "task", f"inferred: values from {low:.2f} to {high:.2f} are no pixels in [0, 1]"


def _sample(task: Task) -> Tensor:
    return task.train.images[:: max(1, len(task.train) // _SAMPLE)].cpu()


def _correlation(images: Tensor) -> float:
    """Return the correlation of horizontal and vertical neighbours, after each pixel's channel mean."""
    centred = images.double() - images.double().mean((0, 2, 3), keepdim=True)
    across = (centred[..., 1:] * centred[..., :-1]).mean()
    down = (centred[..., 1:, :] * centred[..., :-1, :]).mean()
    variance = centred.square().mean().clamp(min=torch.finfo(torch.float64).tiny)
    return ((across + down) / 2 / variance).item()
