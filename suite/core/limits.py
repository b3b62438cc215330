"""Limits of hyper-parameters (None: not given), of budgets, and of the sets that methods return."""

from math import inf, prod

import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples


class Diverged(ValueError):
    """A loss or a set is not finite; the trial ends, and is not retried because the result would be equal."""


def at_least_one(settings: object, *names: str) -> None:
    """Raise ValueError if one of the named fields is below 1."""
    for name, value in _given(settings, names):
        if value < 1:
            raise ValueError(f"{name} {value} must be at least 1")


def above_zero(settings: object, *names: str) -> None:
    """Raise ValueError if one of the named fields is 0 or below."""
    for name, value in _given(settings, names):
        if value <= 0:
            raise ValueError(f"{name} {value} must be larger than 0")


def not_negative(settings: object, *names: str) -> None:
    """Raise ValueError if one of the named fields is below 0."""
    for name, value in _given(settings, names):
        if value < 0:
            raise ValueError(f"{name} {value} must not be negative")


def check_enough_real(train: Examples, budget: Budget, *, each: int = 1, by: str = "factor") -> None:
    """Raise ValueError if a class has fewer images than `each` for every stored one.

    by: the setting that makes `each` more than one.
    """
    counts = train.counts()
    if budget.ipc * each > min(counts):
        smallest = f"the smallest class ({min(counts)} images of class {counts.index(min(counts))})"
        if each == 1:
            raise ValueError(f"ipc {budget.ipc} is larger than {smallest}; lower ipc")
        raise ValueError(
            f"ipc {budget.ipc} begins with {budget.ipc * each} real images of each class, {each} for each "
            f"that is stored: more than {smallest} has; lower ipc or {by}"
        )


def check_stored_bytes(
    stored: int, train: Examples, budget: Budget, remedy: str = "store fewer numbers"
) -> None:
    """Raise ValueError if a factorised set stores more than `budget.ipc` real images of each class."""
    count = train.classes * budget.ipc
    if stored > (limit := 4 * count * prod(train.shape)):
        raise ValueError(
            f"the set stores {stored} bytes; ipc {budget.ipc} allows {limit}, those of {count} images in "
            f"float32; {remedy}"
        )


def check_set(
    synthetic: SyntheticSet, train: Examples, budget: Budget | None = None, *, growing: bool = False
) -> None:
    """Raise ValueError if `synthetic` does not fit `train` and `budget`, Diverged if it is not finite.

    A learned rate that is not above 0 is divergence, too. A factorised set may decode to any number of
    images, but its bytes are limited by the budget.
    growing: whether a plain set may be smaller than its budget.
    """
    if not isinstance(synthetic, SyntheticSet):
        raise ValueError(f"the set is a {type(synthetic).__name__}; return a SyntheticSet")
    packed = set() if synthetic.parametrisation is None else synthetic.parametrisation.tensors.keys()
    for name, value in synthetic.tensors.items():
        if value.dtype != torch.float32 and not (name in packed and value.dtype == torch.uint8):
            also = " or, packed, torch.uint8" if name in packed else ""
            raise ValueError(f"the set's {name} are {value.dtype}; return torch.float32{also}")
        if not value.isfinite().all():
            raise Diverged(f"the set's {name} are not finite")
    if (synthetic.labels < 0).any():
        lowest = synthetic.labels.min().item()
        raise ValueError(
            f"the set's labels are negative, down to {lowest:g}; return weights of classes, 0 or above"
        )
    if empty := int((synthetic.labels.sum(-1) == 0).sum()):
        raise ValueError(f"{empty} labels of the set are all zero; give each image a class")
    if synthetic.lr is not None and not 0 < synthetic.lr < inf:
        raise Diverged(f"the set's learned rate is {synthetic.lr:g}, not a number above 0")
    if (shape := tuple(synthetic.images.shape[2:])) != train.shape:
        raise ValueError(f"the set's images are {shape}; return {train.shape}, as the task's are")
    if synthetic.classes != train.classes:
        raise ValueError(f"the set has {synthetic.classes} classes; return the task's {train.classes}")
    if budget is None:
        return
    if synthetic.parametrisation is not None:
        check_stored_bytes(synthetic.stored_bytes, train, budget)
    elif not (synthetic.ipc == budget.ipc or (growing and 0 < synthetic.ipc < budget.ipc)):
        raise ValueError(f"the set has {synthetic.ipc} images per class; return the budget's {budget.ipc}")


def _given(settings: object, names: tuple[str, ...]) -> list[tuple[str, float]]:
    values = [(name, getattr(settings, name)) for name in names]
    return [(name, value) for name, value in values if value is not None]
