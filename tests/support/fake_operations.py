"""The operations of a fake GPU: where results lie, which mixes are refused, what makes the host wait.

A label on a storage says where it would lie; views share it.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HOST, PINNED, ON_GPU = "host", "pinned", "gpu"
ANYWHERE = "anywhere"
"""The label of what torch makes for itself, such as zeros for a missing gradient."""

ROOT = Path(__file__).parents[2]

aten = torch.ops.aten

WAITING = {
    *(aten._local_scalar_dense, aten.equal, aten.allclose, aten._linalg_check_errors, aten.nonzero),
    *(aten.masked_select, aten.bincount, aten._unique, aten._unique2, aten.unique_dim),
    *(aten.unique_consecutive,),
}
"""Operations whose result, or its size, the host reads."""

SCALARS = {aten.where, aten.masked_fill, aten.masked_fill_, aten.lerp, aten.lerp_, aten.fill, aten.fill_}
"""Operations to which the host may hand a 0-dim tensor, besides those that torch tags `pointwise`."""

INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


@dataclass
class Traffic:
    """What happened between host and GPU: for each time the operation and the line of our code.

    pageable: copies to the GPU for which the host waits; pinned: copies to it from pinned memory for which it
    does not wait; waits: copies to the host, and other operations that wait for the GPU.
    """

    pageable: list[str] = field(default_factory=list)
    pinned: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)


class FakeGPU:
    """The device and its counters."""

    def __init__(self) -> None:
        self.traffic, self.silent = Traffic(), False

    @contextmanager
    def counted(self) -> Iterator[Traffic]:
        """Count in the body of the `with` statement."""
        before, self.traffic = self.traffic, Traffic()
        try:
            yield self.traffic
        finally:
            self.traffic = before

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Count nothing: for operations that read values on a CPU only."""
        self.silent = True
        try:
            yield
        finally:
            self.silent = False

    def wait(self, operation: object) -> None:
        """Count an operation that makes the host wait."""
        if not self.silent:
            self.traffic.waits.append(f"{operation} {_line()}")

    def send(self, operation: object, value: Tensor, *, non_blocking: bool = False) -> None:
        """Count a copy of `value` to the GPU, unless it is empty."""
        if value.numel() and not self.silent:
            free = lies(value) == PINNED and non_blocking
            (self.traffic.pinned if free else self.traffic.pageable).append(f"{operation} {_line()}")


def lies(value: Tensor) -> str:
    """Return the label of a tensor, also of one that a transform of `torch.func` has wrapped."""
    label: str = getattr(_plain(value).untyped_storage(), "lies", HOST)
    return label


def place(value: Tensor, label: str) -> None:
    """Label the storage of a tensor."""
    _plain(value).untyped_storage().lies = label  # type: ignore[attr-defined]


def _plain(value: Tensor) -> Tensor:
    while torch._C._functorch.is_functorch_wrapped_tensor(value):
        value = torch._C._functorch.get_unwrapped(value)
    return value


def tensors(nest: object) -> list[Tensor]:
    """Return the tensors of arguments or results, without those on `meta`, which have no values."""
    return [leaf for leaf in tree_leaves(nest) if isinstance(leaf, Tensor) and not leaf.is_meta]


def _line() -> str:
    """Return the innermost line of the repository that is not of the fake device."""
    frame = sys._getframe()
    while frame.f_back and not _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"at {frame.f_code.co_filename.removeprefix(f'{ROOT}/')}:{frame.f_lineno}"


def _is_ours(file: str) -> bool:
    foreign = "site-packages" in file or Path(file).stem in ("fake_device", "fake_operations")
    return file.startswith(f"{ROOT}/") and not foreign


class Operations(TorchDispatchMode):
    """Below autograd and `torch.func`: label results, refuse mixes, count."""

    def __init__(self, gpu: FakeGPU) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.gpu = gpu

    def __torch_dispatch__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunction():
            given = tensors((args, kwargs))
            labels = {lies(value) for value in given}
            if ON_GPU in labels:
                self._examine(func, args, kwargs, given)
            known = {id(value.untyped_storage()): value for value in given}
            found = func(*args, **kwargs)
            for made in tensors(found):
                if id(made.untyped_storage()) not in known:
                    place(made, ON_GPU if ON_GPU in labels else HOST if labels - {ANYWHERE} else ANYWHERE)
            return found

    def _examine(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], given: list[Tensor]
    ) -> None:
        """Refuse a mix with RuntimeError, and count."""
        kind = func.overloadpacket
        for value in given:
            if lies(value) == ANYWHERE:
                place(value, ON_GPU)
        if any(isinstance(leaf, torch.Generator) for leaf in tree_leaves((args, kwargs))):
            raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' ({kind})")
        if kind is aten.copy_:
            return self._copy(*args, **kwargs)
        if kind in INDEXING:
            return self._indexed(kind, *args, **kwargs)
        scalar = torch.Tag.pointwise in func.tags or kind in SCALARS
        if any(value.ndim or not scalar for value in given if lies(value) != ON_GPU):
            raise _mixed(kind)
        of_gpu_value = func in (aten.masked_fill.Tensor, aten.masked_fill_.Tensor) and lies(args[2]) == ON_GPU
        sized = func is not aten.repeat_interleave.Tensor or kwargs.get("output_size") is not None
        if kind in WAITING or of_gpu_value or not sized:
            self.gpu.wait(kind)
        return None

    def _copy(self, target: Tensor, source: Tensor, non_blocking: bool = False) -> None:
        if lies(source) != ON_GPU:
            self.gpu.send(aten.copy_, source, non_blocking=non_blocking)
        elif lies(target) != ON_GPU and source.numel() and not (lies(target) == PINNED and non_blocking):
            self.gpu.wait(aten.copy_)

    def _indexed(
        self,
        kind: object,
        x: Tensor,
        indices: Sequence[Tensor | None],
        value: Tensor | None = None,
        *_: bool,
        **__: bool,
    ) -> None:
        """Indices may lie on the host, as may a single value; both are then sent. Masks are counted."""
        known = [index for index in indices if index is not None]
        scalar = value is not None and lies(value) != ON_GPU
        if lies(x) != ON_GPU or (value is not None and scalar and value.ndim):
            raise _mixed(kind)
        masks = [index for index in known if index.dtype in (torch.bool, torch.uint8)]
        for index in known:
            if lies(index) != ON_GPU:
                self.gpu.send(kind, index)
        if scalar and len(masks) == len(known) == 1:
            return  # filled without a look at the mask
        if value is not None and scalar:
            self.gpu.send(kind, value)
        for mask in masks:
            if lies(mask) == ON_GPU:
                self.gpu.wait(kind)


def _mixed(kind: object) -> RuntimeError:
    return RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({kind})")
