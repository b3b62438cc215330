"""Check the tensors of a foreign file against the task: shapes, types, labels, size.

Every refusal is one sentence. The storage of a tensor is checked before its shape is used, since a view with
stride 0 may have any shape.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from suite.core.names import counted
from suite.external.locate import LIMIT

ANSWER, TENSORS = "answer.json", "set.safetensors"
"""The files that the reading process writes."""

_NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Refused(ValueError):
    """A file is refused, for a reason in one sentence."""


@dataclass(frozen=True)
class Wanted:
    """The set that the task needs. shape: (channels, height, width) of an image."""

    classes: int
    ipc: int
    shape: tuple[int, int, int]
    class_names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Images in all."""
        return self.classes * self.ipc


@dataclass(frozen=True)
class Contents:
    """The tensors of a file, as stored. labels: None without any, for images in class-major order."""

    format: str
    images: Tensor
    labels: Tensor | None
    manifest: dict[str, Any] = field(default_factory=dict)


def check_images(shape: Sequence[int], wanted: Wanted) -> None:
    """Raise Refused for a shape other than that of `wanted.count` images of the task.

    Images may be flat, grey images may have no channel, and classes may be a separate dimension.
    """
    rest = tuple(shape[2:] if len(shape) == 5 else shape[1:])
    channels, height, width = wanted.shape
    if rest == (height, width, channels) and channels != height:
        raise Refused(f"the images are {_times(rest)}, channels last; store them {_times(wanted.shape)}")
    if len(rest) == 3 and rest[0] != channels:
        raise Refused(f"the images have {counted(rest[0], 'channel')}, those of the task {channels}")
    allowed = {wanted.shape, (math.prod(wanted.shape),)} | ({(height, width)} if channels == 1 else set())
    if rest not in allowed:
        raise Refused(
            f"the images are {_times(rest) or 'no images'}, those of the task {_times(wanted.shape)}"
        )
    count = shape[0] * shape[1] if len(shape) == 5 else shape[0]
    if count != wanted.count:
        raise Refused(
            f"the file has {counted(count, 'image')}; {wanted.classes} classes of "
            f"{counted(wanted.ipc, 'image')} make {wanted.count}"
        )
    if (size := 4 * count * math.prod(wanted.shape)) > LIMIT:
        raise Refused(f"the images take {size >> 20} MiB as floats; the limit is {LIMIT >> 20}")


def check_dense(value: object, called: str) -> Tensor:
    """Return `value` if it is a dense CPU tensor with complete storage; else raise Refused."""
    if not isinstance(value, Tensor):
        raise Refused(f"the {called} are a {type(value).__name__}, not a tensor")
    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized or value.is_nested:
        raise Refused(f"the {called} are a {_kind(value)} tensor; only a dense one on the CPU is read")
    claimed, there = value.numel() * value.element_size(), value.untyped_storage().nbytes()
    if claimed > there:
        raise Refused(f"the tensor of {called} needs {claimed} bytes, its storage has {there}")
    if claimed > LIMIT:
        raise Refused(f"the {called} have {claimed >> 20} MiB; the limit is {LIMIT >> 20}")
    return value.detach()


def arrange(contents: Contents, wanted: Wanted) -> tuple[Tensor, Tensor, bool]:
    """Return images (classes, ipc, …) float32, labels (classes, ipc, classes), whether they were bytes.

    Sorted by class, in the file's order within one; a learned label belongs to its largest entry.
    Bytes become [0, 1]. Raises Refused for anything but the wanted set.
    """
    images = check_dense(contents.images, "images")
    if images.dtype != torch.uint8 and images.dtype not in _NUMBERS:
        raise Refused(f"the images are {_dtype(images)}; floats or unsigned bytes are read")
    check_images(images.shape, wanted)
    raw = images.dtype == torch.uint8
    flat = images.reshape(wanted.count, *wanted.shape).float()
    if raw:
        flat /= 255  # in place, as memory is short: bytes were copied into floats
    if broken := sum(int((~part.isfinite()).sum()) for part in flat.split(wanted.ipc)):
        raise Refused(f"the images hold values that are not finite: {broken} of {flat.numel()} as float32")
    labels = _targets(contents.labels, wanted)
    order = _class_major(labels.argmax(1), wanted)
    if not torch.equal(order, torch.arange(wanted.count)):
        flat, labels = flat[order], labels[order]
    shape = (wanted.classes, wanted.ipc)
    return flat.view(*shape, *wanted.shape), labels.view(*shape, wanted.classes), raw


def labels_of(names: Sequence[str], wanted: Wanted) -> list[int] | None:
    """Return the task's label of each of `names`, its classes' names or numbers; None for others."""
    known = {_plain(name): label for label, name in enumerate(wanted.class_names)}
    if sorted(map(_plain, names)) == sorted(known):
        return [known[_plain(name)] for name in names]
    numbers = [int(name) if re.fullmatch("[0-9]{1,6}", name) else -1 for name in names]
    return numbers if sorted(numbers) == list(range(wanted.classes)) else None


def _targets(labels: Tensor | None, wanted: Wanted) -> Tensor:
    """Return labels (n, classes) float32 from classes (n,), one-hot or learned targets."""
    if labels is None:
        return torch.eye(wanted.classes).repeat_interleave(wanted.ipc, 0)
    labels = check_dense(labels, "labels")
    if labels.dtype not in (*_NUMBERS, *_INTEGERS):
        raise Refused(f"the labels are {_dtype(labels)}; numbers are read")
    if labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1 != wanted.classes):
        return _one_hot(labels.flatten(), wanted)
    if labels.shape not in ((wanted.count, wanted.classes), (wanted.classes, wanted.ipc, wanted.classes)):
        raise Refused(
            f"the labels are {_times(labels.shape)}; {wanted.count} classes, or {wanted.count}×"
            f"{wanted.classes} targets, are needed"
        )
    flat = labels.reshape(wanted.count, wanted.classes).float()
    if broken := int((~flat.isfinite()).sum()):
        raise Refused(f"the labels hold values that are not finite: {broken} of {flat.numel()} as float32")
    if (flat < 0).any() or not (flat.sum(1) > 0).all():
        raise Refused("the labels have negative entries, or none above 0; targets are weights of classes")
    return flat


def _one_hot(labels: Tensor, wanted: Wanted) -> Tensor:
    if len(labels) != wanted.count:
        raise Refused(f"the file has {counted(len(labels), 'label')} for {wanted.count} images")
    values = labels.double()
    if not (values == values.floor()).all():
        raise Refused("the labels are neither whole numbers nor one row of targets an image")
    low, high = values.min().item(), values.max().item()
    if low < 0 or high >= wanted.classes:
        raise Refused(f"the labels run from {low:g} to {high:g}; the task's are 0 to {wanted.classes - 1}")
    return torch.eye(wanted.classes)[values.long()]


def _class_major(classes: Tensor, wanted: Wanted) -> Tensor:
    counts = torch.bincount(classes, minlength=wanted.classes)
    if (wrong := (counts != wanted.ipc).nonzero().flatten()).numel():
        label = int(wrong[0])
        raise Refused(
            f"class {label} has {counted(int(counts[label]), 'image')}; --ipc {wanted.ipc} asks for "
            f"{wanted.ipc} of each class"
        )
    return classes.argsort(stable=True)


def _kind(value: Tensor) -> str:
    if value.layout != torch.strided:
        return str(value.layout).removeprefix("torch.")
    return "nested" if value.is_nested else "quantized" if value.is_quantized else value.device.type


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape[:6]))


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-")
