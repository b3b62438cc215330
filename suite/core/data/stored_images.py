"""Images of tasks too large for memory: bytes on disk or on the device, prepared when they are taken.

As floats, the images of ImageNet are 66 GB at 64x64 pixels and 800 GB at 224x224.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

AT_ONCE = 2**31
"""Most bytes of prepared images that are made at once."""

PIECE = 2**26
"""Bytes of prepared images in a piece, where all are gone through."""

SHARE = 1 / 4
"""Share of a process's GPU memory that the bytes of a task may take; otherwise they stay on the host."""

_aten = torch.ops.aten


class StoredImages(Tensor):
    """Images (n, channels, height, width), to others a tensor of float32; a part of it is made when taken.

    `images[rows]`, `images[first:last]` and `images[row]` are tensors, or StoredImages where these would be
    larger than `AT_ONCE`. Whatever else needs all values gets them up to that size, or raises a ValueError.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    pixels: Tensor
    prepare: Callable[[Tensor], Tensor]
    identity: str
    rows: Tensor | None

    @staticmethod
    def __new__(
        cls: type["StoredImages"],
        pixels: Tensor,
        prepare: Callable[[Tensor], Tensor],
        identity: str,
        rows: Tensor | None = None,
        device: torch.device | None = None,
    ) -> "StoredImages":
        """Return images on `device`, by default that of their bytes.

        pixels: bytes (m, channels, height, width); prepare: maps images in [0, 1] to prepared ones;
        identity: a hash of both; rows: which of the bytes they are, on the bytes' device; None: all.
        """
        shape = (len(pixels) if rows is None else len(rows), *pixels.shape[1:])
        made: StoredImages = Tensor._make_wrapper_subclass(
            cls, shape, dtype=torch.float32, device=device or pixels.device
        )
        made.pixels, made.prepare, made.identity, made.rows = pixels, prepare, identity, rows
        return made

    @property
    def image_bytes(self) -> int:
        """Bytes of a prepared image."""
        return 4 * self.pixels[0].numel()

    def __repr__(self) -> str:  # type: ignore[override]
        return f"StoredImages({list(self.shape)}, device={self.device})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Answer what needs no values, and compute everything else with them."""
        if (handler := _HANDLERS.get(function)) and isinstance(args[0], StoredImages):
            found = handler(*args, **(kwargs or {}))
            if found is not NotImplemented:
                return found

        def values(each: Any) -> Any:
            return each.values_for(function) if isinstance(each, StoredImages) else each

        return function(*tree_map(values, tuple(args)), **tree_map(values, dict(kwargs or {})))

    def values_for(self, user: Any) -> Tensor:
        """Return all images; raises ValueError, naming who needs them, if they are too large."""
        if self.nbytes > AT_ONCE:
            raise ValueError(
                f"{user} needs all {len(self)} images at once, {self.nbytes / 1e9:.0f} GB; this task is for "
                "methods and evaluators that take images in batches"
            )
        return self._prepared(self._places(slice(None)))

    def hash_into(self, digest: Any) -> None:
        """Update a digest with what the images are, without reading them."""
        digest.update(self.identity.encode())
        if self.rows is not None:
            digest.update(self.rows.cpu().numpy().data)

    def part(self, chosen: Tensor | slice) -> Tensor:
        """Return the images at rows (…) of whole numbers or truth values, or of a slice."""
        places = self._places(chosen)
        if places.ndim == 1 and self.image_bytes * len(places) > AT_ONCE:
            return StoredImages(self.pixels, self.prepare, self.identity, places, self.device)
        return self._prepared(places)

    def moved(self, device: torch.device) -> "StoredImages":
        """Return the images on a device, to which their bytes go if they leave room for others."""
        pixels = self.pixels
        if device.type == "cpu" or pixels.nbytes <= SHARE * _memory(device):
            pixels = pixels.to(device)
        rows = None if self.rows is None else self.rows.to(pixels.device)
        return StoredImages(pixels, self.prepare, self.identity, rows, device)

    def extreme(self, which: Callable[..., Tensor], axes: Sequence[int], keepdim: bool) -> Tensor:
        """Return the values that `which`, amin or amax, finds along axes; the images are taken in pieces."""
        size = max(1, PIECE // self.image_bytes)
        each = [which(self.part(slice(at, at + size)), axes, True) for at in range(0, len(self), size)]
        return which(torch.cat(each), axes, keepdim)

    def _places(self, chosen: Tensor | slice) -> Tensor:
        """Return the rows of the bytes, on their device."""
        if isinstance(chosen, slice):
            places = torch.arange(*chosen.indices(len(self)), device=self.pixels.device)
        else:
            places = chosen.to(self.pixels.device)
            places = places.nonzero()[:, 0] if places.dtype == torch.bool else places.long()
        return places if self.rows is None else self.rows[places]

    def _prepared(self, places: Tensor) -> Tensor:
        pixels = self.pixels[places.flatten()].to(self.device, non_blocking=True)
        images = self.prepare(pixels.float() / 255)
        return images.view(*places.shape, *images.shape[1:])


def _memory(device: torch.device) -> float:
    """Return the bytes of a GPU that this process may use."""
    return torch.cuda.mem_get_info(device)[1] * torch.cuda.get_per_process_memory_fraction(device)


def _indexed(images: StoredImages, indices: Sequence[Tensor | None]) -> Any:
    return images.part(indices[0]) if len(indices) == 1 and indices[0] is not None else NotImplemented


def _sliced(
    images: StoredImages, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Any:
    return NotImplemented if dim else images.part(slice(start, end, step))


def _selected(images: StoredImages, dim: int, index: int) -> Any:
    return NotImplemented if dim else images.part(torch.tensor(index))


def _converted(images: StoredImages, *, dtype: torch.dtype | None = None, **how: Any) -> Any:
    same = dtype in (None, torch.float32) and how.get("layout") is None and how.get("memory_format") is None
    return images.moved(how.get("device") or images.device) if same else NotImplemented


def _made_like(function: Any) -> Callable[..., Tensor]:
    """Return a function that makes a tensor of given shape, of the images' dtype and device."""
    return lambda images, *args, **how: function(torch.empty(0, device=images.device), *args, **how)


def _extreme(which: Callable[..., Tensor]) -> Callable[..., Any]:
    def extreme(images: StoredImages, axes: Sequence[int] = (), keepdim: bool = False) -> Any:
        return images.extreme(which, axes, keepdim) if axes else NotImplemented

    return extreme


_HANDLERS: Mapping[Any, Callable[..., Any]] = {
    _aten.index.Tensor: _indexed,
    _aten.slice.Tensor: _sliced,
    _aten.select.int: _selected,
    _aten._to_copy.default: _converted,
    _aten.detach.default: lambda images: images,
    _aten.amin.default: _extreme(torch.amin),
    _aten.amax.default: _extreme(torch.amax),
    **{
        function: _made_like(function)
        for function in (_aten.new_zeros.default, _aten.new_empty.default, _aten.new_full.default)
    },
}
"""What answers without all values; NotImplemented by those that cannot for their arguments."""
