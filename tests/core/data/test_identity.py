"""Known data are told by their contents: other data in their folders are refused, by name if known."""

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from suite.core.data import identity
from suite.core.data.catalogue import CATALOGUE
from suite.core.data.identity import CHECKSUMS, CLASSES, hash_classes
from suite.core.data.reading.readers import Raw, Splits
from suite.core.data.tasks import load, names, told
from tests.support.hugging_face import classes, pictures, write
from tests.support.published_files import random_pixels, shrink

pytestmark = pytest.mark.usefixtures("no_network")

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
WOOF = (
    *("n02086240", "n02087394", "n02088364", "n02089973", "n02093754"),
    *("n02096294", "n02099601", "n02105641", "n02111889", "n02115641"),
)


def contents(checksums: dict[str, str] | None = None, class_ids: tuple[str, ...] = ()) -> Splits:
    empty = Raw(torch.empty(0, 1, 8, 8, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
    return Splits(empty, empty, class_ids, checksums=checksums or {}, class_ids=class_ids)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnists_files_are_no_mnist(packed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "MNIST/raw"
    folder.mkdir(parents=True)
    for path in DEBIAN.glob("*.gz"):
        if packed:
            shutil.copy(path, folder)
        else:
            (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    with pytest.raises(
        ValueError, match="not the data of mnist: the files are those of fashion-mnist; put its"
    ):
        load("mnist", data=tmp_path)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_one_foreign_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "FashionMNIST/raw"
    shutil.copytree(DEBIAN, folder)
    path = folder / "t10k-labels-idx1-ubyte.gz"
    labels = bytearray(gzip.decompress(path.read_bytes()))
    labels[-1], labels[-2] = labels[-2], labels[-1]
    path.write_bytes(gzip.compress(labels))
    with pytest.raises(ValueError, match="not the data of fashion-mnist: t10k-labels-idx1-ubyte has another"):
        load("fashion-mnist", data=tmp_path)


def test_checksums_are_those_of_the_published_files() -> None:
    identity.check(CATALOGUE["mnist"], contents(dict(CHECKSUMS["mnist"])))
    with pytest.raises(ValueError, match="the files are those of mnist"):
        identity.check(CATALOGUE["fashion-mnist"], contents(dict(CHECKSUMS["mnist"])))
    with pytest.raises(ValueError, match="not the data of cifar10-jpeg-zca: train has another checksum"):
        identity.check(CATALOGUE["cifar10-jpeg-zca"], contents({"train": "", "test": ""}))
    for sums in CHECKSUMS.values():
        assert {len(each) for each in sums.values()} in ({hashlib.md5().digest_size * 2}, {64})


def test_changed_digits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets  # type: ignore[import-untyped]

    digits = sklearn.datasets.load_digits()
    digits.images[0, 0, 0] = 9
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: digits)
    with pytest.raises(ValueError, match="not the data of digits: images has another checksum"):
        load("digits")


def _write_classes(root: Path, names: tuple[str, ...], size: int) -> None:
    for split in ("train", "val"):
        for name in names:
            path = root / split / name / "0.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(random_pixels(size, size, 3)).save(path)


def test_imagewoofs_folders_are_no_imagenette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("imagenette-128", "imagewoof-128"):
        shrink(monkeypatch, name, train=10, test=10)
    for folder in ("imagenette2", "imagewoof2"):
        _write_classes(tmp_path / folder, WOOF, 128)
    assert load("imagewoof-128", data=tmp_path).class_names == WOOF
    with pytest.raises(
        ValueError, match="not the data of imagenette-128: the classes are those of imagewoof-128"
    ):
        load("imagenette-128", data=tmp_path)


def test_words_tell_classes_as_well_as_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "imagenette-128", train=10, test=10)
    names = (
        *("Shih-Tzu", "Rhodesian_ridgeback", "beagle", "English foxhound", "Border terrier"),
        *("Australian terrier", "golden retriever", "Old English sheepdog, bobtail", "Samoyed", "dingo"),
    )
    features = {"image": {"_type": "Image"}, "label": classes(*names)}
    for split in ("train", "validation"):
        columns = {"image": pictures(10, 128), "label": [*range(10)]}
        write(tmp_path / f"frgfm/imagenette/full_size/{split}/0000.parquet", columns, features)
    with pytest.raises(ValueError, match="the classes are those of imagewoof-128"):
        load("imagenette-128", data=tmp_path)


def test_other_wordnet_ids_are_refused_also_where_words_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, "tiny-imagenet", train=2, test=2, classes=2)
    _write_classes(tmp_path / "tiny-imagenet", ("n01440764", "n02102040"), 64)
    (tmp_path / "tiny-imagenet/words.txt").write_text("n01440764\ttench\nn02102040\tspringer\n")
    with pytest.raises(
        ValueError, match="tiny-imagenet, whose classes have other WordNet ids than n01440764"
    ):
        load("tiny-imagenet", data=tmp_path)


def test_classes_are_compared_in_any_order_and_spelling() -> None:
    assert hash_classes(WOOF) == hash_classes(WOOF[::-1]) and hash_classes(WOOF) in CLASSES["imagewoof-128"]
    assert hash_classes(["Shih-Tzu"]) == hash_classes(["shih_tzu, Shih"]) != hash_classes(["dingo"])
    assert not frozenset.intersection(*CLASSES.values())
    identity.check(CATALOGUE["imagewoof-128"], contents(class_ids=("0", "1")))  # numbers tell nothing


def test_tasks_say_whether_their_files_are_identified() -> None:
    checked = {name for name in names() if not identity.unverified(CATALOGUE[name])}
    assert {CATALOGUE[name].family for name in checked} == {*CHECKSUMS, "svhn", "cifar10", "cifar100"}
    assert not any("unverified" in line for line in told(load("digits")))
