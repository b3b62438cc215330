"""Check the tensors of a foreign file against the task: shapes, types, labels, size.

Every refusal is one sentence. The storage of a tensor is checked before its shape is used, since a view with
stride 0 may have any shape.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from suite.core.names import counted
from suite.core.sets.parametrisations import Parametrisation
from suite.core.sets.synthetic_set import Minibatch
from suite.external.locate import LIMIT

_NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Refused(ValueError):
    """A file is refused, for a reason in one sentence."""


@dataclass(frozen=True)
class Wanted:
    """The set that the task needs. shape: (channels, height, width) of an image.

    run: of several runs in one file, the number of the one to read, from 0; None: the last one.
    """

    classes: int
    ipc: int
    shape: tuple[int, int, int]
    run: int | None = None

    @property
    def count(self) -> int:
        """Images in all."""
        return self.classes * self.ipc


@dataclass(frozen=True)
class Contents:
    """The fields of a file, as stored.

    labels: classes (n,), or targets (n, classes) or (classes, ipc, classes); None: images are class-major;
    classes: (n,), the class of each image where the file has it beside targets;
    class_names: the names of the classes in the file's order, if it has any;
    code: the parametrisation of a factorised set, which decodes to the images;
    manifest: facts of a RaT-Bench artefact; notes: what was chosen in reading, each a sentence.
    """

    format: str
    images: Tensor
    labels: Tensor | None
    classes: Tensor | None = None
    class_names: tuple[str, ...] = ()
    lr: float | None = None
    code: Parametrisation | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arranged:
    """A set in class-major order. images: (classes, ipc, …) float32, labels: (classes, ipc, classes) float32.

    raw: whether the images were bytes, which are now in [0, 1].
    """

    images: Tensor
    labels: Tensor
    raw: bool
    notes: tuple[str, ...]


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
    if len(shape) == 5 and shape[0] != wanted.classes:
        raise Refused(
            f"the images are {_times(shape)}, {shape[0]} groups; store those of {wanted.classes} classes"
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


def arrange(contents: Contents, wanted: Wanted) -> Arranged:
    """Return the set sorted by class, in the file's order within one; raises Refused for any other set.

    Bytes become [0, 1]. Targets are returned as they are, also negative ones. The class of an image with a
    learned target is the file's own if it has classes, or images and targets by class. Otherwise it is the
    target's largest entry, if this gives each class its number of images and the file does not look
    class-major; else the images are taken as class-major.
    """
    images = check_dense(contents.images, "images")
    if images.dtype != torch.uint8 and images.dtype not in _NUMBERS:
        raise Refused(f"the images are {_dtype(images)}; floats or unsigned bytes are read")
    # The size of a factorised set is in bytes, and is checked against the task later.
    if contents.code:
        wanted = replace(wanted, ipc=images.shape[:2].numel() // wanted.classes)
    check_images(images.shape, wanted)
    raw = images.dtype == torch.uint8
    flat = images.reshape(wanted.count, *wanted.shape).float()
    if raw:
        flat /= 255  # in place, as memory is short: bytes were copied into floats
    if broken := sum(int((~part.isfinite()).sum()) for part in flat.split(wanted.ipc)):
        raise Refused(f"the images hold values that are not finite: {broken} of {flat.numel()} as float32")
    try:
        Minibatch(**contents.manifest.get("minibatch", {})).check(wanted.classes, wanted.ipc)
    except ValueError as error:
        raise Refused(str(error)) from None
    targets = _targets(contents.labels, wanted)
    order, notes = _class_major(contents, targets, wanted)
    if not torch.equal(order, torch.arange(wanted.count)):
        flat, targets = flat[order], targets[order]
    shape = (wanted.classes, wanted.ipc)
    return Arranged(
        flat.view(*shape, *wanted.shape),
        targets.view(*shape, wanted.classes),
        raw,
        (*contents.notes, *notes),
    )


def _targets(labels: Tensor | None, wanted: Wanted) -> Tensor:
    """Return labels (n, classes) float32 from classes (n,), one-hot or learned targets."""
    if labels is None:
        return torch.eye(wanted.classes).repeat_interleave(wanted.ipc, 0)
    labels = _numbers(labels)
    if labels.ndim == 1 or labels.shape in ((wanted.count, 1), (wanted.classes, wanted.ipc)):
        return torch.eye(wanted.classes)[_classes(labels.flatten(), wanted)]
    if labels.shape not in ((wanted.count, wanted.classes), (wanted.classes, wanted.ipc, wanted.classes)):
        raise Refused(
            f"the labels are {_times(labels.shape)}; {wanted.count} classes, or {wanted.count}×"
            f"{wanted.classes} targets, are needed"
        )
    flat = labels.reshape(wanted.count, wanted.classes).float()
    if broken := int((~flat.isfinite()).sum()):
        raise Refused(f"the labels hold values that are not finite: {broken} of {flat.numel()} as float32")
    return flat


def _numbers(labels: Tensor) -> Tensor:
    labels = check_dense(labels, "labels")
    if labels.dtype not in (*_NUMBERS, *_INTEGERS):
        raise Refused(f"the labels are {_dtype(labels)}; numbers are read")
    return labels


def _classes(labels: Tensor, wanted: Wanted) -> Tensor:
    """Return classes (n,) as integers."""
    if len(labels) != wanted.count:
        raise Refused(f"the file has {counted(len(labels), 'label')} for {wanted.count} images")
    values = labels.double()
    if not (values == values.floor()).all():
        raise Refused("the labels are neither whole numbers nor one row of targets an image")
    low, high = values.min().item(), values.max().item()
    if low < 0 or high >= wanted.classes:
        raise Refused(f"the labels run from {low:g} to {high:g}; the task's are 0 to {wanted.classes - 1}")
    return values.long()


def _class_major(contents: Contents, targets: Tensor, wanted: Wanted) -> tuple[Tensor, Iterable[str]]:
    """Return the rows of the images in class-major order, and what was assumed for it."""
    own, place = targets.argmax(1), torch.arange(wanted.classes).repeat_interleave(wanted.ipc)
    if contents.classes is not None:
        own = _classes(_numbers(contents.classes).flatten(), wanted)
    elif not torch.equal(targets, torch.eye(wanted.classes)[own]):
        by_class = contents.images.ndim == 5 or (contents.labels is not None and contents.labels.ndim == 3)
        even = bool((own.bincount(minlength=wanted.classes) == wanted.ipc).all())
        # Halfway between the agreement of an order that has nothing to do with classes, and 1.
        near = (own == place).float().mean() >= (1 + 1 / wanted.classes) / 2
        if by_class or not even or near:
            other = int((own != place).sum())
            note = (
                f"the largest entry of {other} of {wanted.count} learned labels is not their image's class; "
                "the images are taken class by class, in the file's order"
            )
            return torch.arange(wanted.count), [note] if other and not by_class else []
    counts = own.bincount(minlength=wanted.classes)
    if (wrong := (counts != wanted.ipc).nonzero().flatten()).numel():
        label = int(wrong[0])
        raise Refused(
            f"class {label} has {counted(int(counts[label]), 'image')}; --ipc {wanted.ipc} asks for "
            f"{wanted.ipc} of each class"
        )
    return own.argsort(stable=True), []


def _kind(value: Tensor) -> str:
    if value.layout != torch.strided:
        return str(value.layout).removeprefix("torch.")
    return "nested" if value.is_nested else "quantized" if value.is_quantized else value.device.type


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape[:6]))
