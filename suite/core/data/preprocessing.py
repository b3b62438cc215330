"""Preprocessing: per-channel normalisation, or ZCA whitening in two variants.

All are fitted on chunks of train, without a second copy of the data. All can be inverted for pictures:
Normalise and KorniaZCA exactly, ZCA except for each image's brightness and contrast.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from suite.core.execution.transfer import send
from suite.core.files.atomic_write import write_bytes
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
class Whitening(ABC):
    """A linear map of flattened images by `matrix` (d, d) float32, symmetric, after a step of its own."""

    matrix: Tensor

    @abstractmethod
    def invert(self, images: Tensor) -> Tensor:
        """Undo `apply` as far as possible, in [0, 1]."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the kind, what is added to the eigenvalues, and the sha256 of the tensors.

        The last bits of the matrix, and therefore the sha256, depend on the machine that fitted it.
        """

    @abstractmethod
    def _prepared(self, rows: Tensor) -> Tensor:
        """Return what is whitened of flattened images (n, d)."""

    def _tensors(self) -> dict[str, Tensor]:
        return {"matrix": self.matrix}

    def apply(self, images: Tensor) -> Tensor:
        """Whiten images (n, channels, height, width) in [0, 1]."""
        rows = self._prepared(self._flat(images))
        return (rows @ _tensors_on(self, rows.device)["matrix"].to(rows)).view_as(images)

    def save(self, folder: Path) -> Path:
        """Write the tensors into `folder` under their sha256, for `restore`."""
        path = _matrix_path(folder, self._sha256)
        write_bytes(path, save(self._tensors()), replace=True)
        return path

    def _unwhitened(self, images: Tensor) -> Tensor:
        """Undo the linear map: (n, d) float64."""
        rows = self._flat(images).double()
        matrix = _tensors_on(self, rows.device)["matrix"].double()
        solved: Tensor = torch.linalg.solve(matrix, rows.T)
        return solved.T

    def _flat(self, images: Tensor) -> Tensor:
        rows = images.flatten(1)
        if rows.shape[1] != len(self.matrix):
            raise ValueError(f"images have {rows.shape[1]} values, but ZCA was fitted on {len(self.matrix)}")
        return rows

    @cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256()
        for tensor in self._tensors().values():
            digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class ZCA(Whitening):
    """Per-image mean removal and L2 normalisation, then whitening, as RaT-BPTT's authors do it.

    With X (n, d) the normalised train images and U diag(s) U' the eigen-decomposition of X'X / n
    (not centred), matrix = U diag(s + regularisation * mean(s))^-1/2 U'.
    """

    regularisation: float = 0.1

    @classmethod
    def fit(
        cls, chunks: Iterable[Tensor], *, regularisation: float = 0.1, device: torch.device | str = "cpu"
    ) -> Self:
        """Fit on chunks (n, channels, height, width) in [0, 1], in float64 on `device`.

        Raises ValueError without images, and where all are constant.
        """
        count, _, moment = _moments(_standardise(rows) for rows in _rows(chunks, device))
        if not moment.any():
            raise ValueError(f"ZCA needs images that are not constant; all {count} are constant")
        values, vectors = _eigen(moment / count)
        return cls(_whitening(values + regularisation * values.mean(), vectors), regularisation)

    def invert(self, images: Tensor) -> Tensor:
        """Undo the whitening and stretch each image to [0, 1]; its mean and norm are lost."""
        rows = self._unwhitened(images)
        low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
        pictures: Tensor = (rows - low) / (high - low).clamp(min=1e-12)
        return pictures.to(images.dtype).view_as(images)

    def describe(self) -> dict[str, Any]:
        """Return the kind, the regularisation and the sha256 of the matrix."""
        return {"kind": "zca", "regularisation": self.regularisation, "matrix_sha256": self._sha256}

    def _prepared(self, rows: Tensor) -> Tensor:
        return _standardise(rows)


@dataclass(frozen=True, eq=False)
class KorniaZCA(Whitening):
    """Whitening as kornia's ZCAWhitening does it, with the settings of MTT, TESLA and DATM.

    With C the covariance of the train images (over n - 1) and U diag(s) U' its eigen-decomposition,
    matrix = U diag(s + eps)^-1/2 U', applied to images less `mean` (d,), the mean train image. `eps` is
    absolute: on CIFAR-10 it is 1.6 times the mean eigenvalue. Images are not normalised one by one.
    """

    mean: Tensor
    eps: float = 0.1

    @classmethod
    def fit(cls, chunks: Iterable[Tensor], *, eps: float = 0.1, device: torch.device | str = "cpu") -> Self:
        """Fit on chunks (n, channels, height, width) in [0, 1], in float64 on `device`.

        Raises ValueError for fewer than two images, and where all are equal.
        """
        count, total, moment = _moments(_rows(chunks, device))
        if count < 2:
            raise ValueError(f"a covariance needs two images or more, not {count}")
        mean = total / count
        covariance = (moment - count * torch.outer(mean, mean)) / (count - 1)
        if (covariance.diagonal() < 1e-12).all():
            raise ValueError(f"ZCA needs images that differ; all {count} are equal")
        values, vectors = _eigen(covariance)
        return cls(_whitening(values + eps, vectors), mean.float().cpu(), eps)

    def invert(self, images: Tensor) -> Tensor:
        """Undo `apply` and clip to [0, 1]."""
        rows = self._unwhitened(images) + _tensors_on(self, images.device)["mean"].double()
        return rows.clamp(0, 1).to(images.dtype).view_as(images)

    def describe(self) -> dict[str, Any]:
        """Return the kind, eps and the sha256 of matrix and mean."""
        return {"kind": "kornia", "eps": self.eps, "matrix_sha256": self._sha256}

    def _prepared(self, rows: Tensor) -> Tensor:
        return rows - _tensors_on(self, rows.device)["mean"].to(rows)

    def _tensors(self) -> dict[str, Tensor]:
        return {"matrix": self.matrix, "mean": self.mean}


@lru_cache(maxsize=1)
def _tensors_on(whitening: Whitening, device: torch.device) -> dict[str, Tensor]:
    """Return the tensors on a device; the matrix is large, and images come in small batches."""
    return {name: tensor.to(device) for name, tensor in whitening._tensors().items()}


def restore(description: Mapping[str, Any], matrices: Path | None = None) -> Preprocessing:
    """Rebuild a preprocessing from its `describe()`.

    matrices: the folder with saved ZCA matrices: `<data>/.ratbench`.
    Raises ValueError if the matrix is missing or damaged.
    """
    kind = description.get("kind")
    if kind == "normalise":
        return Normalise(tuple(description["mean"]), tuple(description["std"]))
    if kind not in ("zca", "kornia"):
        known = ("normalise", "zca", "kornia")
        raise ValueError(f"unknown preprocessing {kind!r}; {did_you_mean(str(kind), known)}")
    expected = str(description["matrix_sha256"])
    if matrices is None:
        raise ValueError("ZCA needs its matrix; give the folder in which it was saved")
    path = _matrix_path(matrices, expected)
    found: Whitening
    try:
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}")
        tensors = load_file(path)
        if kind == "zca":
            found = ZCA(tensors["matrix"], float(description["regularisation"]))
        else:
            found = KorniaZCA(tensors["matrix"], tensors["mean"], float(description["eps"]))
    except (OSError, SafetensorError, KeyError) as error:
        raise ValueError(f"the ZCA matrix {path} cannot be read; load its task to fit it again") from error
    if found.describe()["matrix_sha256"] != expected:
        raise ValueError(f"the ZCA matrix {path} is damaged; delete it and load its task again")
    return found


def _rows(chunks: Iterable[Tensor], device: torch.device | str) -> Iterator[Tensor]:
    """Yield images as rows (n, d) in float64 on a device."""
    for chunk in chunks:
        yield chunk.to(device, torch.float64).flatten(1)


def _moments(rows: Iterable[Tensor]) -> tuple[int, Tensor, Tensor]:
    """Return the number of rows (d,), their sum, and the sum of their outer products (d, d)."""
    count, total, moment = 0, torch.zeros(()), torch.zeros(())
    for part in rows:
        count += len(part)
        total, moment = part.sum(0) + total.to(part), part.T @ part + moment.to(part)
    return count, total, moment


def _eigen(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(symmetric)
    # The smallest eigenvalues of a singular matrix can be slightly negative by rounding.
    return values.clamp(min=0), vectors


def _whitening(values: Tensor, vectors: Tensor) -> Tensor:
    return ((vectors * values.rsqrt()) @ vectors.T).float().cpu().contiguous()


def _standardise(rows: Tensor) -> Tensor:
    rows = rows - rows.mean(1, keepdim=True)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # A constant image stays at zero.
    return rows / norms.clamp(min=1e-8)


def _matrix_path(folder: Path, sha256: str) -> Path:
    return folder / f"zca-{sha256[:32]}.safetensors"


def _rounded(values: Tensor) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values.tolist())
