"""What a factorised set stores instead of images, and how it decodes. Decoding is differentiable."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate


@dataclass(frozen=True)
class Parametrisation(ABC):
    """Tensors, of float32 or of bytes, that decode to images; the other fields are integers.

    kind: its name in manifests. loader: lines of Python that use nothing but torch and make `images`
    (n, channels, height, width) from the artefact's `tensors` and the manifest's `facts`.
    """

    kind: ClassVar[str]
    loader: ClassVar[str]

    @classmethod
    def read(cls, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "Parametrisation":
        """Rebuild it from what `description` said; raises ValueError if the tensors do not fit."""
        settings = {str(name): int(value) for name, value in description["settings"].items()}
        return made(cls, {name: tensors[name] for name in cls.names() & tensors.keys()}, settings)

    @classmethod
    def names(cls) -> set[str]:
        """Return the names of its tensors."""
        return {field.name for field in fields(cls) if field.type is Tensor}

    @classmethod
    def is_stored(cls, names: Collection[str]) -> bool:
        """Return whether the tensors of a file, by their names, can be one."""
        return cls.names() <= set(names)

    @property
    def description(self) -> dict[str, Any]:
        """What `read` needs besides the tensors, ready for JSON."""
        return {"settings": self.settings}

    @property
    def lines(self) -> str:
        """The lines of `loader` for this code."""
        return self.loader

    @abstractmethod
    def decode(self) -> Tensor:
        """Return images (classes, n, channels, height, width)."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The stored tensors, by name."""
        return {name: value for name, value in self._fields() if isinstance(value, Tensor)}

    @property
    def settings(self) -> dict[str, int]:
        """The integers, by name."""
        return {name: value for name, value in self._fields() if not isinstance(value, Tensor)}

    @property
    def stored_ipc(self) -> int | None:
        """Images per class in whose place it stands, None if that does not follow from its shapes."""
        return None

    def take(self, rows: Tensor) -> Self:
        """Return the code of each class's part at `rows` (classes, n); raises ValueError if it has none."""
        raise ValueError(f"a {self.kind} set is stored as a whole; distil it at each size instead")

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors."""
        return sum(value.nbytes for value in self.tensors.values())

    def to(self, device: torch.device) -> Self:
        """Return the code on `device`."""
        return replace(self, **{name: value.to(device) for name, value in self.tensors.items()})

    def _fields(self) -> list[tuple[str, Any]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


@dataclass(frozen=True)
class Linear(Parametrisation):
    """Images that are weighted sums of small bases, shared by all classes and enlarged bilinearly.

    bases: (k, channels, h, w); coefficients: (classes, n, k); height, width: of the decoded images.
    RTP's memory and its addresses: arXiv 2206.02916.
    """

    bases: Tensor
    coefficients: Tensor
    height: int
    width: int

    kind: ClassVar[str] = "linear"
    loader: ClassVar[str] = """\
size, bases = facts["parametrisation"]["settings"], tensors["bases"]
sums = (tensors["coefficients"].flatten(0, 1) @ bases.flatten(1)).unflatten(1, bases.shape[1:])
images = torch.nn.functional.interpolate(sums, (size["height"], size["width"]), mode="bilinear")
"""

    def __post_init__(self) -> None:
        if self.bases.ndim != 4 or self.coefficients.ndim != 3:
            raise ValueError(
                f"bases {tuple(self.bases.shape)} and coefficients {tuple(self.coefficients.shape)} "
                "must be (k, channels, h, w) and (classes, n, k)"
            )
        if len(self.bases) != self.coefficients.shape[2]:
            raise ValueError(
                f"{self.coefficients.shape[2]} coefficients an image for {len(self.bases)} bases"
            )

    def decode(self) -> Tensor:
        """Return images (classes, n, channels, height, width)."""
        classes, count = self.coefficients.shape[:2]
        images = self.rows(torch.arange(classes * count, device=self.bases.device))
        return images.reshape(classes, count, *images.shape[1:])

    def rows(self, rows: Tensor) -> Tensor:
        """Return the images (m, channels, height, width) at class-major `rows` (m,)."""
        sums = self.coefficients.flatten(0, 1)[rows] @ self.bases.flatten(1)
        return _enlarged(sums.unflatten(1, self.bases.shape[1:]), self.height, self.width)


Reduction = Literal["nearest", "bilinear"]
"""How images are made smaller; by half, "bilinear" is the mean of 2x2 pixels."""


@dataclass(frozen=True)
class MultiFormation(Parametrisation):
    """Images that each hold factor * factor smaller ones side by side, enlarged bilinearly.

    formations: (classes, n, channels, height, width). Smaller images are in row-major order.
    IDC's multi-formation: arXiv 2205.14959.
    """

    formations: Tensor
    factor: int

    kind: ClassVar[str] = "multi_formation"
    loader: ClassVar[str] = """\
factor, stored = facts["parametrisation"]["settings"]["factor"], tensors["formations"].flatten(0, 1)
height, width = stored.shape[2:]
parts = stored.unflatten(3, (factor, -1)).unflatten(2, (factor, -1)).permute(0, 2, 4, 1, 3, 5)
images = torch.nn.functional.interpolate(parts.flatten(0, 2), (height, width), mode="bilinear")
"""

    def __post_init__(self) -> None:
        if self.formations.ndim != 5:
            raise ValueError(
                f"formations {tuple(self.formations.shape)} must be (classes, n, channels, height, width)"
            )
        check_factor(self.factor, *self.formations.shape[3:])

    @property
    def stored_ipc(self) -> int:
        """Formations per class: each has the size of an image."""
        return self.formations.shape[1]

    @classmethod
    def of(cls, images: Tensor, factor: int, reduction: Reduction = "nearest") -> "MultiFormation":
        """Return the code of images (classes, n * factor * factor, channels, height, width).

        Raises ValueError if `factor` does not divide their sides.
        """
        height, width = images.shape[3:]
        check_factor(factor, height, width)
        small = interpolate(images.flatten(0, 1), (height // factor, width // factor), mode=reduction)
        return cls._holding(small.unflatten(0, images.shape[:2]), factor)

    @classmethod
    def _holding(cls, parts: Tensor, factor: int) -> "MultiFormation":
        """Return the code that holds small images (classes, n * factor * factor, channels, h, w)."""
        tiles = parts.unflatten(1, (-1, factor, factor)).permute(0, 1, 4, 2, 5, 3, 6)
        return cls(tiles.flatten(5, 6).flatten(3, 4), factor)

    @property
    def _parts(self) -> Tensor:
        """The small images (classes, n * factor * factor, channels, h, w)."""
        split = self.formations.unflatten(4, (self.factor, -1)).unflatten(3, (self.factor, -1))
        parts: Tensor = split.permute(0, 1, 3, 5, 2, 4, 6).flatten(1, 3)
        return parts

    def decode(self) -> Tensor:
        """Return images (classes, n * factor * factor, channels, height, width)."""
        parts, (height, width) = self._parts, self.formations.shape[3:]
        images: Tensor = _enlarged(parts.flatten(0, 1), height, width).unflatten(0, parts.shape[:2])
        return images

    def take(self, rows: Tensor) -> Self:
        """Return the code of each class's formations at `rows` (classes, n)."""
        return replace(self, formations=by_class(self.formations, rows))

    def reordered(self, order: Tensor) -> "MultiFormation":
        """Return the code that decodes to this one's images at `order` (classes, n * factor * factor)."""
        return self._holding(by_class(self._parts, order), self.factor)


@dataclass(frozen=True)
class Images(Parametrisation):
    """Plain images (classes, n, channels, height, width): what a quantised plain set is a code of."""

    images: Tensor

    kind: ClassVar[str] = "plain"
    loader: ClassVar[str] = """\
images = tensors["images"].flatten(0, 1)
"""

    def __post_init__(self) -> None:
        if self.images.ndim != 5:
            raise ValueError(
                f"images {tuple(self.images.shape)} must be (classes, n, channels, height, width)"
            )

    @property
    def stored_ipc(self) -> int:
        """Images per class."""
        return self.images.shape[1]

    def decode(self) -> Tensor:
        """Return the images."""
        return self.images


def by_class(values: Tensor, rows: Tensor) -> Tensor:
    """Return the values (classes, n, …) of each class, of (classes, m, …), at `rows` (classes, n)."""
    rows = rows.to(values.device)
    return values[torch.arange(len(values), device=values.device)[:, None], rows]


def check_factor(factor: int, height: int, width: int) -> None:
    """Raise ValueError if images cannot be cut into factor * factor equal ones."""
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"factor {factor} must be at least 1 and divide {height}x{width} images evenly")


def _enlarged(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[2:] == (height, width):
        return images
    return interpolate(images, (height, width), mode="bilinear", align_corners=False)


def made(
    cls: type[Parametrisation], tensors: Mapping[str, Tensor], settings: Mapping[str, int]
) -> Parametrisation:
    """Return a code of its fields; raises ValueError if they do not fit."""
    try:
        return cls(**tensors, **settings)
    except TypeError as error:
        raise ValueError(
            f"a {cls.kind} parametrisation cannot be made of {sorted([*tensors, *settings])}: {error}"
        ) from None
