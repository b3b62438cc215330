"""Sets in the formats in which they are published, two digits per class: written for tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import datasets as huggingface  # type: ignore[import-untyped]
import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from suite.core.data import tasks
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Task
from suite.external.sandbox import child
from suite.external.validate import Wanted

WANTED = Wanted(10, 2, (1, 8, 8))


def read_here(patch: pytest.MonkeyPatch) -> None:
    """Let sets be read in this process, as the child would."""

    def run(request: str, output: IO[bytes]) -> None:
        asked = json.loads(request)
        child.answer(asked, child.prepare(asked), output, ["limits"])

    patch.setattr("suite.external.sandbox.parent._run", run)


def task() -> Task:
    return tasks.load("digits")


def digits() -> SyntheticSet:
    """Return the first two train images of each digit, preprocessed."""
    train = task().train
    images = torch.stack([train.images[rows[:2]] for rows in train.by_class()])
    return SyntheticSet(images, one_hot(10, 2))


def flat() -> tuple[Tensor, Tensor]:
    """Return their images (20, 1, 8, 8) and classes (20,)."""
    images, targets = digits().flat()
    return images.contiguous(), targets.argmax(1)


def pixels() -> Tensor:
    """Return them as bytes (20, 1, 8, 8)."""
    return (task().preprocessing.invert(flat()[0]) * 255).round().to(torch.uint8)


def mtt(folder: Path) -> Path:
    images, labels = flat()
    torch.save(images, folder / "images_best.pt")
    torch.save(labels, folder / "labels_best.pt")
    return folder


def mtt_by_file(folder: Path) -> Path:
    return mtt(folder) / "images_best.pt"


def dc(folder: Path) -> Path:
    """Two experiments, the accuracies of each as numpy's scalars."""
    images, labels = flat()
    data = [[images * 0, labels], [images, labels]]
    accuracies = {"ConvNet": [np.float64(0.5), np.float32(0.6)]}
    torch.save({"data": data, "accs_all_exps": accuracies}, folder / "res_DC_digits_ConvNet_2ipc.pt")
    return folder / "res_DC_digits_ConvNet_2ipc.pt"


def rat_bptt(folder: Path) -> Path:
    with h5py.File(folder / "IPC_2.h5", "w") as file:
        file.create_dataset("data", data=flat()[0].flatten(1).numpy())
        file.create_dataset("epoch", data=7)
    return folder / "IPC_2.h5"


def rat_bptt_with_labels(folder: Path) -> Path:
    path = rat_bptt(folder)
    with h5py.File(path, "a") as file:
        file.create_dataset("label", data=digits().flat()[1].numpy())
    return path


def safetensors(folder: Path) -> Path:
    """As artefacts of ours have them: classes and images per class apart."""
    found = digits()
    save_file({"images": found.images, "labels": found.labels}, folder / "set.safetensors")
    return folder / "set.safetensors"


def safetensors_flat(folder: Path) -> Path:
    images, labels = flat()
    save_file({"images": images, "labels": labels}, folder / "set.safetensors")
    return folder / "set.safetensors"


def reversed_pair(folder: Path) -> Path:
    """The last class first, one-hot in float64."""
    images, labels = digits().images.flip(0).flatten(0, 1), torch.arange(9, -1, -1).repeat_interleave(2)
    torch.save(images, folder / "images_100.pt")
    torch.save(torch.eye(10, dtype=torch.float64)[labels], folder / "labels_100.pt")
    return folder / "images_100.pt"


def pixel_pair(folder: Path) -> Path:
    """Pixels in [0, 1]."""
    torch.save(pixels() / 255, folder / "images_best.pt")
    torch.save(flat()[1], folder / "labels_best.pt")
    return folder


def pictures(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for number, (image, label) in enumerate(zip(pixels(), flat()[1], strict=True)):
        (folder / str(int(label))).mkdir(exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / str(int(label)) / f"{number:02}.png")
    return folder


def dataset(names: str = "0123456789") -> Any:
    """Return a Hugging Face dataset whose classes are called, in order, `names`."""
    labels = [names.index(str(int(label))) for label in flat()[1]]
    images = [Image.fromarray(image[0].numpy()) for image in pixels()]
    features = {"image": huggingface.Image(), "label": huggingface.ClassLabel(names=list(names))}
    columns = {"image": images, "label": labels}
    return huggingface.Dataset.from_dict(columns, features=huggingface.Features(features))


def saved(folder: Path) -> Path:
    dataset().save_to_disk(folder / "set")
    return folder / "set"


def saved_renamed(folder: Path) -> Path:
    dataset("9876543210").save_to_disk(folder / "set")
    return folder / "set"


def saved_splits(folder: Path) -> Path:
    huggingface.DatasetDict({"train": dataset()}).save_to_disk(folder / "set")
    return folder / "set"


def parquet(folder: Path) -> Path:
    dataset().to_parquet(folder / "train.parquet")
    return folder / "train.parquet"


EXACT: dict[Callable[[Path], Path], str] = {
    mtt: "mtt",
    mtt_by_file: "mtt",
    reversed_pair: "mtt",
    dc: "dc",
    rat_bptt: "h5",
    rat_bptt_with_labels: "h5",
    safetensors: "safetensors",
    safetensors_flat: "safetensors",
}
"""How each is written, and what its format is called."""

BYTES: dict[Callable[[Path], Path], str] = {
    pictures: "folder",
    saved: "huggingface",
    saved_renamed: "huggingface",
    saved_splits: "huggingface",
    parquet: "huggingface",
}
