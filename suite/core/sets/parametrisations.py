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
class Frequencies(Parametrisation):
    """Images by a few frequencies of their cosine transforms; each class has its own, the others are 0.

    coefficients: (classes, n, channels, k), of the DCT-II over rows and columns without a norm, which is
    scipy.fft.dctn's; mask: bytes (classes, m), of whose bits, the lowest first, k say which of the
    height * width frequencies, in row-major order, a class has; height, width: of the images.
    FreD's frequencies and masks: arXiv 2311.08819.
    """

    coefficients: Tensor
    mask: Tensor
    height: int
    width: int

    kind: ClassVar[str] = "frequencies"
    loader: ClassVar[str] = """\
size, values = facts["parametrisation"]["settings"], tensors["coefficients"]
bits = ((tensors["mask"][:, :, None] >> torch.arange(8, dtype=torch.uint8)) & 1).flatten(1)
places = torch.argsort(bits, dim=1, descending=True, stable=True)[:, None, None, : values.shape[3]]
spectra = torch.zeros(*values.shape[:3], bits.shape[1]).scatter(3, places.expand_as(values), values)
images = spectra[..., : size["height"] * size["width"]].unflatten(3, (size["height"], size["width"]))
for side in (size["width"], size["height"]):
    number = torch.arange(side)
    waves = torch.cos((2 * number[:, None] + 1) * number % (4 * side) * (torch.pi / (2 * side))) / side
    waves[:, 0] /= 2
    images = (images @ waves.T).transpose(3, 4)
images = images.flatten(0, 1)
"""

    def __post_init__(self) -> None:
        places = self.height * self.width
        wanted = len(self.coefficients), -(-places // 8)
        if self.coefficients.ndim != 4 or self.mask.shape != wanted or self.mask.dtype != torch.uint8:
            raise ValueError(
                f"coefficients {tuple(self.coefficients.shape)} and a mask {tuple(self.mask.shape)} must be "
                f"(classes, n, channels, k) and {wanted} bytes, a bit for each of {places} frequencies"
            )
        count = self.coefficients.shape[3]
        # On a GPU a look at the bits would wait for it.
        if self.mask.device.type == "cpu" and (self._bits()[:, :places].sum(1) != count).any():
            raise ValueError(f"every class has {count} coefficients; its mask must have as many frequencies")

    @classmethod
    def of(cls, images: Tensor, count: int) -> "Frequencies":
        """Return the code of images (classes, n, channels, height, width).

        A class has the `count` frequencies at which its images, with the mean of their channels, vary most.
        """
        height, width = images.shape[3:]
        rows, columns = (2 * _cosines(side, images) for side in (height, width))
        spectra = (rows.T @ images @ columns).flatten(3)
        spread = spectra.mean(2).var(1, correction=0)
        places = spread.argsort(dim=1, descending=True, stable=True)[:, :count].sort(1).values
        mask = _packed(places, -(-height * width // 8))
        return cls(spectra.gather(3, _wide(places, spectra)), mask, height, width)

    def decode(self) -> Tensor:
        """Return images (classes, n, channels, height, width)."""
        values, bits = self.coefficients, self._bits()
        places = bits.argsort(dim=1, descending=True, stable=True)[:, : values.shape[3]]
        empty = values.new_zeros(*values.shape[:3], bits.shape[1])
        spectra = empty.scatter(3, _wide(places, values), values)[..., : self.height * self.width]
        images: Tensor = spectra.unflatten(3, (self.height, self.width))
        for side in (self.width, self.height):
            waves = _cosines(side, values) / side
            waves[:, 0] /= 2
            images = (images @ waves.T).transpose(3, 4)
        return images

    def _bits(self) -> Tensor:
        """The bits (classes, 8 * m) of the mask."""
        bits: Tensor = (self.mask[:, :, None] >> packing.shifts(1, self.mask)) & 1
        return bits.flatten(1)


def _packed(places: Tensor, count: int) -> Tensor:
    """Return the masks (classes, count) of frequencies (classes, k)."""
    bits = torch.zeros(len(places), 8 * count, dtype=torch.uint8, device=places.device)
    bits = bits.scatter(1, places, 1).unflatten(1, (count, 8))
    shifted: Tensor = bits << packing.shifts(1, bits)
    return shifted.sum(2, dtype=torch.uint8)


def _wide(places: Tensor, values: Tensor) -> Tensor:
    """Return frequencies (classes, k) for all images and channels of values (classes, n, channels, …)."""
    return places[:, None, None].expand(*values.shape[:3], -1)


def _cosines(side: int, like: Tensor) -> Tensor:
    """Return the cosines (pixels, frequencies) of the DCT-II of `side` numbers."""
    number = torch.arange(side, device=like.device)
    # Angles within one period: those of high frequencies are too large for float32.
    quarters = (2 * number[:, None] + 1) * number % (4 * side)
    return torch.cos(quarters.to(like.dtype) * (torch.pi / (2 * side)))


@dataclass(frozen=True)
class Quantised(Parametrisation):
    """A code of a code: its floats as whole numbers of 8, 4 or 2 bits.

    parts: the packed tensors; kept: those of bytes, as they are; of: the class of the code; sizes: its
    integers.
    """

    parts: Mapping[str, Packed]
    kept: Mapping[str, Tensor]
    of: type[Parametrisation]
    sizes: Mapping[str, int]

    kind: ClassVar[str] = "quantised"
    loader: ClassVar[str] = packing.LOADER

    @classmethod
    def encode(cls, code: Parametrisation, bits: int) -> "Quantised":
        """Return `code` at `bits` bits a value.

        Bytes stay as they are. Raises ValueError for other than 8, 4 or 2 bits, a quantised code, and values
        that are not finite.
        """
        packing.check_bits(bits)
        kept = {name: value for name, value in code.tensors.items() if value.dtype == torch.uint8}
        if isinstance(code, cls) or len(kept) == len(code.tensors):
            raise ValueError(
                f"a {code.kind} set stores bytes, which are not quantised again; quantise the set that it "
                "was made of"
            )
        floats = {name: value for name, value in code.tensors.items() if name not in kept}
        parts = {name: Packed.of(value, bits, name) for name, value in floats.items()}
        return cls(parts, kept, type(code), code.settings)

    @classmethod
    def read(cls, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Quantised":
        """Rebuild it from what `description` said; raises ValueError if the tensors do not fit."""
        kind = str(description["of"])
        of = Images if kind == Images.kind else PARAMETRISATIONS[kind]
        if of is cls:
            raise ValueError("a quantised set is not quantised again")
        sizes = {str(name): int(value) for name, value in description["settings"].items()}
        parts = packing.read_packed(description, tensors)
        rest = (of.names() - parts.keys()) & tensors.keys()
        kept = {name: tensors[name] for name in rest if tensors[name].dtype == torch.uint8}
        if kind == Images.kind or kind in _OURS:
            # Its checks, without its floats. Nothing is computed: on this device it would import torch's
            # compiler, which wants a folder that a confined reader may not make.
            floats = {name: torch.empty(packed.shape, device="meta") for name, packed in parts.items()}
            made(of, {**floats, **{name: value.to("meta") for name, value in kept.items()}}, sizes)
        return cls(parts, kept, of, sizes)

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
        found = {
            f"{name}.{part}": value
            for name, packed in self.parts.items()
            for part, value in packed.tensors.items()
        }
        return {**found, **self.kept}

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
        parts = {name: packed.to(device) for name, packed in self.parts.items()}
        return replace(self, parts=parts, kept={name: value.to(device) for name, value in self.kept.items()})

    def restored(self) -> Parametrisation:
        """Return the code, rounded."""
        values = {name: packed.values() for name, packed in self.parts.items()}
        return made(self.of, {**values, **self.kept}, self.sizes)

    def decode(self) -> Tensor:
        """Return images (classes, n, channels, height, width)."""
        return self.restored().decode()


_DECODED, _RATIO = 256 * 2**20, 64  # bytes, and times the stored bytes

_OURS: Mapping[str, type[Parametrisation]] = {
    cls.kind: cls for cls in (Linear, MultiFormation, Frequencies, Quantised)
}

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
