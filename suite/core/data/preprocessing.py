"""Preprocessing: per-channel normalisation, or ZCA whitening of images that are normalised one by one.

Both are fitted on chunks of train, without a second copy of the data. Both can be inverted for pictures:
Normalise exactly, ZCA except for each image's brightness and contrast.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from suite.core.data.atomic_write import write_whole
from suite.core.execution.transfer import send
from suite.core.names import did_you_mean
from suite.core.spec import Preprocessing


@dataclass(frozen=True)
class Normalise:
    """(images - mean) / std, each per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not all(value > 0 for value in self.std):
            raise ValueError(f"mean {self.mean} and std {self.std} need one value per channel, std above 0")

    @classmethod
    def fit(cls, chunks: Iterable[Tensor]) -> Self:
        """Fit on chunks (n, channels, height, width) in [0, 1], rounding to four decimals.

        Raises ValueError without images, and for a constant channel.
        """
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for chunk in chunks:
            values = chunk.double().transpose(0, 1).flatten(1).cpu()
            count += values.shape[1]
            total = total + values.sum(1)
            squares = squares + values.square().sum(1)
        if count == 0:
            raise ValueError("no images to fit a normalisation on")
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        if (std < 5e-5).any():
            raise ValueError(f"a constant channel cannot be normalised (std {_rounded(std)})")
        return cls(_rounded(mean), _rounded(std))

    def apply(self, images: Tensor) -> Tensor:
        """Map images in [0, 1] to about zero mean and unit variance per channel."""
        mean, std = self._broadcast(images)
        prepared: Tensor = (images - mean) / std
        return prepared

    def invert(self, images: Tensor) -> Tensor:
        """Undo `apply` and clip to [0, 1]."""
        mean, std = self._broadcast(images)
        return (images * std + mean).clamp(0, 1)

    def describe(self) -> dict[str, Any]:
        """Return the kind and the values."""
        return {"kind": "normalise", "mean": list(self.mean), "std": list(self.std)}

    def _broadcast(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if images.shape[-3] != len(self.mean):
            raise ValueError(
                f"images have {images.shape[-3]} channels, but the fitted ones have {len(self.mean)}"
            )
        values = [torch.tensor(each, dtype=images.dtype).view(-1, 1, 1) for each in (self.mean, self.std)]
        mean, std = send(values, images.device)
        return mean, std


@dataclass(frozen=True, eq=False)
class ZCA:
    """Per-image mean removal and L2 normalisation, then whitening by `matrix` (d, d) float32, symmetric.

    With X (n, d) the normalised train images and U diag(s) U' the eigen-decomposition of X'X / n
    (not centred), matrix = U diag(s + regularisation * mean(s))^-1/2 U'.
    """

    matrix: Tensor
    regularisation: float = 0.1

    @classmethod
    def fit(
        cls,
        chunks: Iterable[Tensor],
        *,
        regularisation: float = 0.1,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Fit on chunks (n, channels, height, width) in [0, 1], in float64 on `device`.

        Raises ValueError without images, and where all are constant.
        """
        count, moment = 0, torch.zeros((), dtype=torch.float64, device=device)
        for chunk in chunks:
            rows = _standardise(chunk.to(device, torch.float64))
            count += len(rows)
            moment = moment + rows.T @ rows
        if count == 0 or not moment.any():
            raise ValueError(f"ZCA needs images that are not constant; all {count} are constant")
        values, vectors = torch.linalg.eigh(moment / count)
        # The smallest eigenvalues of a singular matrix can be slightly negative by rounding.
        values = values.clamp(min=0)
        scale = (values + regularisation * values.mean()).rsqrt()
        return cls(((vectors * scale) @ vectors.T).float().cpu().contiguous(), regularisation)

    def apply(self, images: Tensor) -> Tensor:
        """Normalise each image, then whiten."""
        rows = _standardise(images)
        self._check(rows)
        return (rows @ _matrix_on(self, images.device).to(rows)).view_as(images)

    def invert(self, images: Tensor) -> Tensor:
        """Undo the whitening and stretch each image to [0, 1]; its mean and norm are lost."""
        rows = images.flatten(1)
        self._check(rows)
        rows = torch.linalg.solve(_matrix_on(self, rows.device).double(), rows.double().T).T
        low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
        pictures: Tensor = (rows - low) / (high - low).clamp(min=1e-12)
        return pictures.to(images.dtype).view_as(images)

    def describe(self) -> dict[str, Any]:
        """Return the kind, the regularisation and the sha256 of the matrix.

        The last bits of the matrix, and therefore its sha256, depend on the machine that fitted it.
        """
        return {"kind": "zca", "regularisation": self.regularisation, "matrix_sha256": self._sha256}

    def save(self, folder: Path) -> Path:
        """Write the matrix into `folder` under its sha256, for `restore`."""
        path = _matrix_path(folder, self._sha256)
        write_whole(path, lambda partial: save_file({"matrix": self.matrix}, partial))
        return path

    @cached_property
    def _sha256(self) -> str:
        return hashlib.sha256(self.matrix.cpu().contiguous().numpy().data).hexdigest()

    def _check(self, rows: Tensor) -> None:
        if rows.shape[1] != len(self.matrix):
            raise ValueError(f"images have {rows.shape[1]} values, but ZCA was fitted on {len(self.matrix)}")


@lru_cache(maxsize=1)
def _matrix_on(zca: ZCA, device: torch.device) -> Tensor:
    """Return the matrix on a device; it is large, and images come in small batches."""
    return zca.matrix.to(device)


def restore(description: Mapping[str, Any], matrices: Path | None = None) -> Preprocessing:
    """Rebuild a preprocessing from its `describe()`.

    matrices: the folder with saved ZCA matrices: `<data>/.ratbench`.
    Raises ValueError if the matrix is missing or damaged.
    """
    kind = description.get("kind")
    if kind == "normalise":
        return Normalise(tuple(description["mean"]), tuple(description["std"]))
    if kind != "zca":
        raise ValueError(f"unknown preprocessing {kind!r}; {did_you_mean(str(kind), ('normalise', 'zca'))}")
    expected = str(description["matrix_sha256"])
    if matrices is None:
        raise ValueError("ZCA needs its matrix; give the folder in which it was saved")
    path = _matrix_path(matrices, expected)
    try:
        zca = ZCA(load_file(path)["matrix"], float(description["regularisation"]))
    except (OSError, SafetensorError, KeyError) as error:
        raise ValueError(f"the ZCA matrix {path} cannot be read; load its task to fit it again") from error
    if zca.describe()["matrix_sha256"] != expected:
        raise ValueError(f"the ZCA matrix {path} is damaged; delete it and load its task again")
    return zca


def _standardise(images: Tensor) -> Tensor:
    rows = images.flatten(1)
    rows = rows - rows.mean(1, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # A constant image stays at zero.
    return rows / norms.clamp(min=1e-8)


def _matrix_path(folder: Path, sha256: str) -> Path:
    return folder / f"zca-{sha256[:32]}.safetensors"


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values.tolist())
