"""Readers on small files written in exactly the published formats."""

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.core.data.catalogue import CATALOGUE
from suite.core.data.reading import download, readers
from suite.core.data.tasks import fingerprint, load
from tests.support.published_files import bytes_read, random_pixels, shrink

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


pytestmark = pytest.mark.usefixtures("no_network")


# digits


def test_digits_need_no_folder(tmp_path: Path) -> None:
    task = load("digits", data=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert task.train.images.shape == (1501, 1, 8, 8) and task.train.images.dtype == torch.float32
    assert task.split.reads == 0 and len(task.test) == 296
    counts = torch.bincount(task.test.labels)
    assert counts.min() >= 29 and counts.max() <= 31
    assert task.train.images.mean().abs() < 1e-3
    assert task.preprocessing.invert(task.train.images).max() == 1
    assert fingerprint(task) == fingerprint(load("digits"))


# MNIST and Fashion-MNIST


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def _write_idx(folder: Path, *, packed: bool) -> np.ndarray:
    folder.mkdir(parents=True)
    train = random_pixels(20, 28, 28)
    parts = {
        "train-images-idx3-ubyte": train,
        "train-labels-idx1-ubyte": np.arange(20, dtype=np.uint8) % 10,
        "t10k-images-idx3-ubyte": random_pixels(10, 28, 28),
        "t10k-labels-idx1-ubyte": np.arange(10, dtype=np.uint8),
    }
    for name, array in parts.items():
        data = gzip.compress(_idx(array)) if packed else _idx(array)
        (folder / (f"{name}.gz" if packed else name)).write_bytes(data)
    return train


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name, folder", [("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw")])
def test_idx_files_plain_and_packed(
    name: str, folder: str, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, name, train=20, test=10)
    train = _write_idx(tmp_path / folder, packed=packed)
    task = load(name, data=tmp_path)
    assert np.array_equal(bytes_read(task)[:, 0].numpy(), train)
    assert task.train.labels.tolist() == [*range(10), *range(10)]
    assert task.preprocessing.describe()["mean"] == list(CATALOGUE[name].mean)
    assert len(task.class_names) == 10


def test_a_truncated_idx_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_idx(tmp_path / "MNIST/raw", packed=False)
    path = tmp_path / "MNIST/raw/t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte is not an idx file .* or is cut short"):
        load("mnist", data=tmp_path)


def test_too_few_images_are_not_the_published_task(tmp_path: Path) -> None:
    _write_idx(tmp_path / "MNIST/raw", packed=False)
    with pytest.raises(ValueError, match="mnist: train has 20 images, not the 60000 of"):
        load("mnist", data=tmp_path)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_fashion_mnist() -> None:
    images, _ = readers.read_idx(DEBIAN / "t10k-images-idx3-ubyte.gz")
    labels, _ = readers.read_idx(DEBIAN / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10_000, 28, 28)
    assert torch.bincount(labels.int()).tolist() == [1000] * 10
    found = readers.locate(CATALOGUE["fashion-mnist"], Path("/nowhere"))
    assert {path.parent for path in found.files} == {DEBIAN}


# CIFAR and SVHN


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def _write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    published = download.torchvision_datasets().CIFAR10
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    images = random_pixels(70, 3072)
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name, part in zip(batches, np.split(images[:60], 6), strict=True):
        batch = {"batch_label": name, "labels": list(range(10)), "data": part, "filenames": []}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": [f"class {label}" for label in range(10)], "num_cases_per_batch": 10}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    sums = [[name, _md5(folder / name)] for name in batches]
    monkeypatch.setattr(published, "train_list", sums[:5])
    monkeypatch.setattr(published, "test_list", sums[5:])
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": _md5(folder / "batches.meta")})
    return images[:50].reshape(50, 3, 32, 32)


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "cifar10", train=50, test=10)
    images = _write_cifar10(tmp_path, monkeypatch)
    task = load("cifar10", data=tmp_path)
    assert np.array_equal(bytes_read(task).numpy(), images)
    assert task.train.labels.tolist() == [*range(10)] * 5
    assert task.class_names[3] == "class 3"


def test_cifar10_of_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_cifar10(tmp_path, monkeypatch)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"not the published ones \(MD5\)"):
        load("cifar10", data=tmp_path)


def test_cifar10_is_unpacked_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "cifar10", train=50, test=10)
    _write_cifar10(tmp_path / "made", monkeypatch)
    archive = tmp_path / "data" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made/cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(download.torchvision_datasets().CIFAR10, "tgz_md5", _md5(archive))
    assert len(load("cifar10", data=archive.parent).train) == 50


def test_cifar100_has_its_fine_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "cifar100", train=200, test=100)
    published = download.torchvision_datasets().CIFAR100
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name, count in (("train", 200), ("test", 100)):
        fine = [index % 100 for index in range(count)]
        batch = {"fine_labels": fine, "coarse_labels": [0] * count, "data": random_pixels(count, 3072)}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"fine_label_names": [f"fine {label}" for label in range(100)], "coarse_label_names": []}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    monkeypatch.setattr(published, "train_list", [["train", _md5(folder / "train")]])
    monkeypatch.setattr(published, "test_list", [["test", _md5(folder / "test")]])
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": _md5(folder / "meta")})
    task = load("cifar100", data=tmp_path)
    assert task.train.labels[:200:99].tolist() == [0, 99, 98] and task.class_names[99] == "fine 99"


def test_svhn_calls_ten_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    shrink(monkeypatch, "svhn", train=20, test=10)
    published = download.torchvision_datasets().SVHN
    images = {"train": random_pixels(32, 32, 3, 20), "test": random_pixels(32, 32, 3, 10)}
    sums = {}
    for split, array in images.items():
        labels = np.arange(array.shape[3], dtype=np.uint8)[:, None] % 10 + 1
        path = tmp_path / f"{split}_32x32.mat"
        savemat(path, {"X": array, "y": labels})
        sums[split] = [published.split_list[split][0], path.name, _md5(path)]
    monkeypatch.setattr(published, "split_list", sums)
    task = load("svhn", data=tmp_path)
    assert task.train.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert np.array_equal(bytes_read(task)[4].numpy(), images["train"][:, :, :, 4].transpose(2, 0, 1))
