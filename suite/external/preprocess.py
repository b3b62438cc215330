"""Bring a foreign set into the task's space: preprocessed, pixels, or normalised by other constants."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from suite.core.data import tasks
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task
from suite.external.sandbox.parent import ForeignSet

Kind = Literal["task", "raw", "normalised"]

_INFERRED = "inferred:"
_SAMPLE = 1000  # of the task's train images
_NATURAL = 0.8  # of the variance of natural images is in means of blocks: 0.82 in CIFAR-10, Fashion-MNIST


@dataclass(frozen=True)
class Constants:
    """(pixels - mean) / std, each per channel, gave the images of a set."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(0 < value < float("inf") for value in self.std):
            raise ValueError(
                f"--mean {_text(self.mean)} and --std {_text(self.std)}: one each per channel, std > 0"
            )

    def pixels(self, images: Tensor) -> Tensor:
        """Return images (n, channels, height, width) as pixels; raises ValueError for other channels."""
        if images.shape[1] != len(self.mean):
            raise ValueError(
                f"--mean {_text(self.mean)} has not one value for each of {images.shape[1]} channels"
            )
        mean, std = (torch.tensor(each).view(-1, 1, 1) for each in (self.mean, self.std))
        return images * std + mean

    def __str__(self) -> str:
        return f"mean {_text(self.mean)}, std {_text(self.std)}"


def constants(mean: str | None, std: str | None) -> Constants | None:
    """Return the constants of a command line, "0.49,0.48,0.45" each; None without any.

    Raises ValueError for text that is no numbers, and for one without the other.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise ValueError("--mean and --std belong together; give both")
    try:
        values = [tuple(float(value) for value in text.split(",")) for text in (mean, std)]
    except ValueError:
        raise ValueError(
            f"--mean {mean} and --std {std}: give numbers, one per channel, with commas"
        ) from None
    return Constants(*values)


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
        if self.kind == "normalised":
            done = "this is undone, and the task's preprocessing is applied"
        if self.kind == "task":
            done = "the images are used unchanged, as preprocessed by the task"
            # Implementations of whitening differ, and the images do not show which one was used.
            done += "; it cannot be checked that their whitening is the task's" * self.whitened
        return f"preprocessing: {self.kind} ({self.reason}): {done}"


def prepare(
    brought: ForeignSet,
    task: Task,
    declared: Literal["task", "raw"] | None = None,
    by: Constants | None = None,
) -> Prepared:
    """Return the set preprocessed as the task; warn if its statistics contradict the decision.

    by: the constants that its images were normalised with, if they are not the task's.
    Raises ValueError if the declaration or the manifest cannot be true.
    """
    kind, reason = _decide(brought, task, declared, by)
    synthetic = brought.synthetic
    if kind != "task":
        flat = synthetic.images.flatten(0, 1)
        applied = task.preprocessing.apply(by.pixels(flat) if by else flat)
        synthetic = replace(synthetic, images=applied.view_as(synthetic.images))
    whitened = _whitens(task.preprocessing.describe())
    said = "preprocessing" in brought.manifest
    for doubt in [] if said else doubts(synthetic.images.flatten(0, 1), _sample(task), whitened=whitened):
        warnings.warn(f"{doubt}; is --preprocessing {kind}, or the task, the right one?", stacklevel=2)
    if reason.startswith(_INFERRED) and (other := _other_reading(brought, kind, task)):
        warnings.warn(other, stacklevel=2)
    unseen = whitened and kind == "task" and not said
    return Prepared(synthetic, kind, reason, whitened=unseen)


def doubts(images: Tensor, train: Tensor, *, whitened: bool) -> list[str]:
    """Return how `images` (n, channels, height, width) differ from `train`, both preprocessed.

    whitened: whether the task whitens. Whitening takes the large share that slow changes have in the variance
    of natural images; distillation takes less of it.
    """
    found = []
    share, usual = _smoothness(images), _smoothness(train)
    limit = (usual * _NATURAL) ** 0.5 if whitened else 0.45 * usual
    if (share > limit) == whitened:
        found.append(
            f"means of blocks have {100 * share:.0f}% of the variance, in train {100 * usual:.0f}%: they "
            f"look {'unwhitened' if whitened else 'whitened'}"
        )
    norm, own = _norm(images), _norm(train)
    mean, spread = images.double().mean().item(), images.double().std().item()
    centre, scale = train.double().mean().item(), train.double().std().item()
    if not scale / 2.5 < spread < scale * 2.5 or abs(mean - centre) > scale:
        found.append(
            f"pixels have mean {mean:.2f} and deviation {spread:.2f}, in train {centre:.2f} and {scale:.2f}"
        )
    elif whitened and not found and not 1 / 1.5 < norm / own < 1.5:
        found.append(
            f"the images have norms of {norm:.1f}, train {own:.1f}: they may be whitened by another rule; "
            "tasks -kornia have that of MTT's code, tasks -zca that of RaT-BPTT's"
        )
    return found


def _other_reading(brought: ForeignSet, kind: Kind, task: Task) -> str:
    """Return what else images may be by their range and statistics, from which `kind` was inferred."""
    images, whitened = brought.synthetic.images.flatten(0, 1), _whitens(task.preprocessing.describe())
    span = f"all values lie in [{'0' if kind == 'raw' else '-1'}, 1], and would also fit"
    if kind == "raw":
        other = images
        said = f"{span} images that are preprocessed; if they are, say --preprocessing task"
    elif images.abs().max() <= 1 and not whitened:  # whitened images are as small
        other = task.preprocessing.apply((images + 1) / 2)
        half = ",".join(["0.5"] * images.shape[1])
        said = f"{span} pixels that were scaled to it; if they are, say --mean {half} --std {half}"
    else:
        return ""
    return "" if doubts(other, _sample(task), whitened=whitened) else said


def _decide(
    brought: ForeignSet, task: Task, declared: Literal["task", "raw"] | None, by: Constants | None
) -> tuple[Kind, str]:
    if by and declared:
        raise ValueError(
            f"--preprocessing {declared} and --mean contradict each other; leave one of them out"
        )
    if said := brought.manifest.get("preprocessing"):
        # The last bits of a whitening matrix depend on the machine; the data's fingerprint does not.
        known = tasks.is_of(brought.manifest.get("data"), task)
        kind = str(said.get("kind"))[:40]
        told = f"the set's manifest says its images are prepared by {kind!r}, which is not"
        if not (known or said == task.preprocessing.describe()):
            raise ValueError(f"{told} what {task.name} has; choose its task")
        if by:
            raise ValueError(f"{told} other constants; leave --mean and --std out")
        if declared == "raw":
            raise ValueError(f"{told} raw; leave --preprocessing out")
        return "task", "its manifest says so"
    if brought.raw and (declared == "task" or by):
        wrong = "--mean and --std" if by else "--preprocessing"
        raise ValueError(f"the images are bytes, which no preprocessing gives; leave {wrong} out")
    if by:
        return "normalised", str(by)
    if brought.raw:
        return "raw", "bytes"
    if declared:
        return declared, "declared"
    low, high = brought.synthetic.images.min().item(), brought.synthetic.images.max().item()
    if low >= 0 and high <= 1:
        reason = "all values lie in [0, 1]; --preprocessing task says that they are no pixels"
        return "raw", f"{_INFERRED} {reason}"
    if low >= 0:  # around a mean of 0, preprocessed images have values on both sides
        mean, std = (",".join([each] * brought.synthetic.images.shape[2]) for each in ("0", f"{1 / 255:.6g}"))
        raise ValueError(
            f"the images have values from {low:g} to {high:g}, as neither pixels in [0, 1] nor preprocessed "
            f"ones have; if 255 is white, say --mean {mean} --std {std}; --preprocessing raw or task takes "
            "them as they are"
        )
    return "task", f"{_INFERRED} values from {low:.2f} to {high:.2f} are no pixels in [0, 1]"


def _sample(task: Task) -> Tensor:
    return task.train.images[:: max(1, len(task.train) // _SAMPLE)].cpu()


def _whitens(description: dict[str, Any]) -> bool:
    return bool(description["kind"] != "normalise")


def _smoothness(images: Tensor) -> float:
    """Return the share of the variance that is in means of blocks, an eighth of the side, or 3 pixels."""
    centred = images.double() - images.double().mean((0, 2, 3), keepdim=True)
    means = avg_pool2d(centred, max(3, min(images.shape[2:]) // 8))
    variance = centred.square().mean().clamp(min=torch.finfo(torch.float64).tiny)
    return (means.square().mean() / variance).item()


def _norm(images: Tensor) -> float:
    norms: Tensor = torch.linalg.vector_norm(images.double().flatten(1), dim=1)
    return norms.median().item()


def _text(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)
