"""Fields of a set by the names that people give them, in whatever container they stand."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from suite.core.sets.synthetic_set import Minibatch
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

CLASS_NAMES = ("class_names", "class_to_idx", "idx_to_class", "label_names", "classes", "names")
"""Names of the fields of class names."""

_SHOWN, _LONG = 8, 40


def images_field(fields: Mapping[str, str], where: str) -> str:
    """Return the name of the field of images; raises Refused, which says what is there, without one."""
    return _one(IMAGES, fields, "images", where)


def label_fields(fields: Mapping[str, str]) -> list[str]:
    """Return the names of all fields of labels."""
    return _named(LABELS, fields)


def name_fields(fields: Iterable[str]) -> list[str]:
    """Return the names of all fields of class names."""
    return _named(CLASS_NAMES, fields)


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


def class_names(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of classes in the order of their numbers, () without any.

    They are a list, or a dict from number to name or from name to number. Raises Refused for anything else,
    and for fields that differ.
    """
    found = {}
    for field in _named(CLASS_NAMES, fields):
        value = fields[field]
        of_count = field.lower() == "classes" and type(value) is int  # how many there are
        if value is not None and not of_count and len(names := _in_order(value, field)):
            found[field] = names
    if len(set(found.values())) > 1:
        raise Refused(f"the fields {_listed(found)} name the classes differently; leave the one that counts")
    return next(iter(found.values()), ())


def minibatch(value: object) -> dict[str, int | None]:
    """Return the settings of a minibatch, which stand in a dict; raises Refused for others."""
    try:
        made = Minibatch(**{str(name): size for name, size in dict(value).items()})  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise Refused(f"the minibatch is {described(value)} that is none: {error}") from None
    return asdict(made)


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


def _in_order(value: object, field: str) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(type(name) in (str, int) for name in value):
        return tuple(map(str, value))
    if isinstance(value, Mapping):
        pairs = list(value.items())
        if not all(type(number) is int for _, number in pairs):
            pairs = [(name, _number(key)) for key, name in pairs]
        if all(type(name) in (str, int) for name, _ in pairs):
            numbered = {number: str(name) for name, number in pairs}
            if sorted(numbered) == list(range(len(pairs))):
                return tuple(numbered[number] for number in range(len(pairs)))
    raise Refused(
        f"the class names in {field!r} are {described(value)}; store a list of names, or a dict of all "
        "classes from name to number or from number to name, or leave them out"
    )


def _number(key: object) -> int:
    """Return a key that is a number, JSON's too; -1 for others."""
    if isinstance(key, str) and re.fullmatch("[0-9]{1,6}", key):
        return int(key)
    return key if type(key) is int else -1


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
