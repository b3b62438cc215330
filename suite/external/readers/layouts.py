"""Fields of a set by the names that people give them, in whatever container they stand."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from suite.external.validate import Refused

IMAGES = ("images", "image", "imgs", "img", "data", "x", "x_train", "train_images")
"""Names of the field of images."""

LABELS = (
    *("labels", "label", "targets", "target", "y", "y_train", "train_labels"),
    *("fine_label", "fine_labels"),
)
"""Names of the fields of labels: classes, targets, or one of each."""

LR = ("lr", "syn_lr", "learning_rate")
"""Names of the learned rate."""

CLASS_NAMES = ("class_names", "classes", "names")
"""Names of the field of class names."""

_SHOWN, _LONG = 8, 40


def images_field(fields: Mapping[str, str], where: str) -> str:
    """Return the name of the field of images; raises Refused, which says what is there, without one."""
    return _one(IMAGES, fields, "images", where)


def label_fields(fields: Mapping[str, str]) -> list[str]:
    """Return the names of all fields of labels."""
    return _named(LABELS, fields)


def optional(names: Sequence[str], fields: Iterable[str]) -> str | None:
    """Return the first of the fields that has one of `names`."""
    return next(iter(_named(names, fields)), None)


def classes_and_targets(found: Mapping[str, Tensor], where: str) -> tuple[Tensor | None, Tensor | None]:
    """Return the labels, and the classes beside them where labels are targets, from fields of labels.

    Raises Refused for two fields of one kind.
    """
    targets = {name: value for name, value in found.items() if value.ndim > 1 and value.shape[-1] > 1}
    classes = {name: value for name, value in found.items() if name not in targets}
    for several in (targets, classes):
        if len(several) > 1:
            raise Refused(f"{where} has the labels {_listed(several)}; leave the ones that count")
    of_targets, of_classes = (next(iter(each.values()), None) for each in (targets, classes))
    return (of_classes, None) if of_targets is None else (of_targets, of_classes)


def coded(labels: Sequence[object]) -> tuple[Tensor, tuple[str, ...]]:
    """Return labels that are names of classes as numbers, and the names in the order of the numbers."""
    names = sorted({str(label) for label in labels})
    number = {name: place for place, name in enumerate(names)}
    return torch.tensor([number[str(label)] for label in labels]), tuple(names)


def rate(value: object) -> float:
    """Return a learned rate, a number or a tensor of one; raises Refused for anything else."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"the learned rate is {described(value)}, not a number")
    if not (math.isfinite(value) and value > 0):
        raise Refused(f"the learned rate is {value:g}; it must be a number above 0")
    return float(value)


def described(value: object) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor {'×'.join(map(str, value.shape[:6])) or 'of one number'}"
    if isinstance(value, Mapping):
        return f"a dict of {_listed(value)}" if value else "an empty dict"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{'an' if re.match('[aeiou]', type(value).__name__) else 'a'} {type(value).__name__}"


def _one(names: Sequence[str], fields: Mapping[str, str], what: str, where: str) -> str:
    found = _named(names, fields)
    if len(found) > 1:
        raise Refused(f"{where} has {what} as {_listed(found)}; leave the one that counts")
    if not found:
        shown = list(fields.items())[:_SHOWN]
        there = ", ".join(f"{name[:_LONG]!r} ({kind})" for name, kind in shown) or "nothing"
        raise Refused(f"{where} has no field of {what}, such as {names[0]!r}; it has {there}")
    return found[0]


def _named(names: Sequence[str], fields: Iterable[Any]) -> list[str]:
    known = [field for field in fields if isinstance(field, str) and field.lower() in names]
    return sorted(known, key=lambda field: names.index(field.lower()))


def _listed(names: Iterable[object]) -> str:
    shown = [repr(name[:_LONG]) if isinstance(name, str) else type(name).__name__ for name in names]
    return ", ".join(shown[:_SHOWN]) + ", …" * (len(shown) > _SHOWN)
