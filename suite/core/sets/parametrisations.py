"""Parametrisations: the tensors that a factorised set stores instead of images, and their decoding.

The stored code is a few tensors and integers. Decoding is a differentiable function of them. The file of a
plug-in adds parametrisations as `PARAMETRISATIONS = (MyParametrisation,)`. Its manifests contain `loader`,
so that its sets can be used without RaT-Bench.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from suite.core.names import Table
from suite.core.sets import packing
from suite.core.sets.codes import Images, made
from suite.core.sets.codes import Linear as Linear
from suite.core.sets.codes import MultiFormation as MultiFormation
from suite.core.sets.codes import Parametrisation as Parametrisation
from suite.core.sets.codes import Reduction as Reduction
from suite.core.sets.codes import check_factor as check_factor
from suite.core.sets.packing import Packed


@dataclass(frozen=True)
class Quantised(Parametrisation):
    """A code of a code: its tensors as whole numbers of 8, 4 or 2 bits.

    parts: the packed tensors; of: the class of the code; sizes: its integers.
    """

    parts: Mapping[str, Packed]
    of: type[Parametrisation]
    sizes: Mapping[str, int]

    kind: ClassVar[str] = "quantised"
    loader: ClassVar[str] = packing.LOADER

    @classmethod
    def encode(cls, code: Parametrisation, bits: int) -> "Quantised":
        """Return `code` at `bits` bits a value.

        Raises ValueError for other than 8, 4 or 2 bits, a code of bytes, and values that are not finite.
        """
        packing.check_bits(bits)
        if any(value.dtype == torch.uint8 for value in code.tensors.values()):
            raise ValueError(
                f"a {code.kind} set stores bytes, which are not quantised again; quantise the set that it "
                "was made of"
            )
        parts = {name: Packed.of(value, bits, name) for name, value in code.tensors.items()}
        return cls(parts, type(code), code.settings)

    @classmethod
    def read(cls, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Quantised":
        """Rebuild it from what `description` said; raises ValueError if the tensors do not fit."""
        kind = str(description["of"])
        of = Images if kind == Images.kind else PARAMETRISATIONS[kind]
        if of is cls:
            raise ValueError("a quantised set is not quantised again")
        sizes = {str(name): int(value) for name, value in description["settings"].items()}
        code = cls(packing.read_packed(description, tensors), of, sizes)
        if kind == Images.kind or kind in _OURS:
            code.to(torch.device("meta")).restored()  # its checks, without its floats
        return code

    @classmethod
    def is_stored(cls, names: Collection[str]) -> bool:
        """Return whether the tensors of a file, by their names, can be one."""
        stems = {name.removesuffix(".packed") for name in names if name.endswith(".packed")}
        return any({f"{stem}.scale", f"{stem}.offset"} <= set(names) for stem in stems)

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return next(iter(self.parts.values())).bits

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The stored tensors, by name."""
        return {
            f"{name}.{part}": value
            for name, packed in self.parts.items()
            for part, value in packed.tensors.items()
        }

    @property
    def settings(self) -> dict[str, int]:
        """The integers of the code that is quantised."""
        return dict(self.sizes)

    @property
    def description(self) -> dict[str, Any]:
        """What `read` needs besides the tensors, ready for JSON."""
        shapes = {name: list(packed.shape) for name, packed in self.parts.items()}
        return {**super().description, "of": self.of.kind, "bits": self.bits, "shapes": shapes}

    @property
    def lines(self) -> str:
        """The lines of `loader` for this code."""
        return self.loader + self.of.loader

    @property
    def stored_ipc(self) -> int | None:
        """Images per class in whose place the code stands."""
        return self.restored().stored_ipc

    def take(self, rows: Tensor) -> NoReturn:
        """Raise ValueError: every value of a plane has the scale of the whole plane."""
        raise ValueError("a quantised set is stored as a whole; cut it before it is quantised")

    def to(self, device: torch.device) -> "Quantised":
        """Return the code on `device`."""
        return replace(self, parts={name: packed.to(device) for name, packed in self.parts.items()})

    def restored(self) -> Parametrisation:
        """Return the code, rounded."""
        return made(self.of, {name: packed.values() for name, packed in self.parts.items()}, self.sizes)

    def decode(self) -> Tensor:
        """Return images (classes, n, channels, height, width)."""
        return self.restored().decode()


_DECODED, _RATIO = 256 * 2**20, 64  # bytes, and times the stored bytes

_OURS: Mapping[str, type[Parametrisation]] = {cls.kind: cls for cls in (Linear, MultiFormation, Quantised)}

PARAMETRISATIONS: Table[type[Parametrisation]] = Table("parametrisation", _OURS)


def read(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Parametrisation:
    """Rebuild a parametrisation from `describe`; raises ValueError if the tensors do not fit."""
    return PARAMETRISATIONS[str(description.get("kind"))].read(description, tensors)


def decoded(code: Parametrisation) -> Tensor:
    """Return the images of a code that others may have made.

    Raises ValueError if they take more than 256 MiB and more than 64 times its own bytes, before they do.
    For a quantised code these are the bytes of its floats.
    """
    plain = code.restored() if isinstance(code, Quantised) else code
    limit = max(_DECODED, _RATIO * plain.nbytes)
    try:
        size = plain.to(torch.device("meta")).decode().nbytes if plain.kind in _OURS else 0
        if size <= limit:
            return plain.decode()
    except RuntimeError as error:
        raise ValueError(f"a {code.kind} set that cannot be decoded: {error}") from None
    raise ValueError(f"a {code.kind} set of {code.nbytes} bytes that decodes to {size >> 20} MiB")


def describe(code: Parametrisation) -> dict[str, Any]:
    """Return what `read` needs besides the tensors, ready for JSON."""
    return {"kind": code.kind, **code.description}


def is_factorised(names: Collection[str]) -> bool:
    """Return whether tensors with these names belong to a known parametrisation."""
    return any(cls.is_stored(names) for cls in PARAMETRISATIONS.values())
