"""Floats as whole numbers of 8, 4 or 2 bits, several to a byte, with a scale and an offset for each plane."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

BITS = (8, 4, 2)
"""Bits that a value may have; a byte holds a whole number of values."""

LOADER = """\
about = facts["parametrisation"]
shifts, largest = torch.arange(0, 8, about["bits"], dtype=torch.uint8), 2 ** about["bits"] - 1
for name, shape in about["shapes"].items():
    numbers = (tensors[name + ".packed"][:, None] >> shifts) & largest
    planes = numbers.flatten()[: torch.Size(shape).numel()].view(len(tensors[name + ".scale"]), -1)
    scale, offset = tensors[name + ".scale"][:, None], tensors[name + ".offset"][:, None]
    tensors[name] = (planes * scale + offset).view(shape)
"""
"""Puts the floats into `tensors`, beside what is packed."""


@dataclass(frozen=True)
class Packed:
    """A tensor of floats as whole numbers q, in its row-major order; a value is q * scale + offset.

    packed: bytes (m,), the first number in the lowest bits; scale, offset: (planes,) float32, a plane being
    the last two dimensions of `shape`: of an image it is a channel.
    """

    packed: Tensor
    scale: Tensor
    offset: Tensor
    shape: tuple[int, ...]
    bits: int

    def __post_init__(self) -> None:
        check_bits(self.bits)
        count, planes = prod(self.shape), len(self.scale) if self.scale.ndim == 1 else 0
        if min(self.shape, default=0) < 1 or not planes or planes != prod(self.shape[:-2]):
            raise ValueError(f"a shape of {list(self.shape)} for scales {tuple(self.scale.shape)}")
        floats = {self.scale.dtype, self.offset.dtype} == {torch.float32}
        if self.offset.shape != self.scale.shape or not floats:
            raise ValueError("each plane needs a scale and an offset in float32")
        if self.packed.dtype != torch.uint8 or self.packed.shape != (-(-count * self.bits // 8),):
            raise ValueError(
                f"{tuple(self.packed.shape)} {self.packed.dtype} for {count} numbers of {self.bits} bits"
            )

    @classmethod
    def of(cls, values: Tensor, bits: int, called: str = "values") -> "Packed":
        """Return `values` rounded to one of 2**bits numbers between the ends of their plane.

        The error of a value is at most half a step. Raises ValueError if the ends have no finite distance.
        """
        check_bits(bits)
        planes = values.detach().reshape(prod(values.shape[:-2]), -1)
        offset, high = planes.aminmax(dim=1)
        if not (high - offset).isfinite().all():
            raise ValueError(
                f"the {called} are not finite, or too far apart for float32, and cannot be quantised; keep "
                "the set as it is"
            )
        scale = (high - offset) / (2**bits - 1)
        steps = (planes - offset[:, None]) / torch.where(scale > 0, scale, 1)[:, None]
        numbers = steps.round().clamp(0, 2**bits - 1).to(torch.uint8).flatten()
        each = 8 // bits
        rows = torch.nn.functional.pad(numbers, (0, -len(numbers) % each)).view(-1, each)
        packed = (rows << shifts(bits, rows)).sum(1, dtype=torch.uint8)
        return cls(packed, scale, offset, tuple(values.shape), bits)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What is stored, by name."""
        return {"packed": self.packed, "scale": self.scale, "offset": self.offset}

    def to(self, device: torch.device) -> "Packed":
        """Return it on `device`."""
        packed, scale, offset = (each.to(device) for each in self.tensors.values())
        return replace(self, packed=packed, scale=scale, offset=offset)

    def values(self) -> Tensor:
        """Return the floats, of `shape`."""
        numbers: Tensor = (self.packed[:, None] >> shifts(self.bits, self.packed)) & (2**self.bits - 1)
        planes = numbers.flatten()[: prod(self.shape)].view(len(self.scale), -1)
        return (planes * self.scale[:, None] + self.offset[:, None]).view(self.shape)


def check_bits(bits: object) -> None:
    """Raise ValueError for a number of bits that is not in `BITS`."""
    if type(bits) is not int or bits not in BITS:
        raise ValueError(f"bits {bits!r}: choose 8, 4 or 2")


def read_packed(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Packed]:
    """Return the packed tensors that a description names; raises ValueError if they do not fit."""
    found = {}
    for name, shape in description["shapes"].items():
        packed, scale, offset = (tensors[f"{name}.{part}"] for part in ("packed", "scale", "offset"))
        found[name] = Packed(packed, scale, offset, tuple(map(int, shape)), description["bits"])
    return found


def shifts(bits: int, like: Tensor) -> Tensor:
    """Return the places (8 / bits,) of numbers of so many bits in a byte, on the device of `like`."""
    return torch.arange(0, 8, bits, dtype=torch.uint8, device=like.device)
