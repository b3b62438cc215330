"""Hugging Face datasets as tasks, and the catalogued tasks that are published so."""

import json
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from suite.core.data.catalogue import CATALOGUE
from suite.core.data.reading import hf
from suite.core.data.reading.hf import parse
from suite.core.data.tasks import DataMissing, describe, fingerprint, load, told
from suite.core.spec import Task
from tests.support.hugging_face import PETS, classes, pictures, write, write_pets
from tests.support.published_files import bytes_read, shrink

pytestmark = pytest.mark.usefixtures("no_network")

JPEGS = Path(os.environ.get("RATBENCH_DATA", "data")) / "cifar10-jpeg"


def decoded(content: bytes) -> np.ndarray:
    return np.array(Image.open(BytesIO(content))).transpose(2, 0, 1)


def write_dataset(root: Path, **how: Any) -> list[bytes]:
    write_pets(root / "data/test-00000-of-00001.parquet", [1, 0, 1], **how)
    return write_pets(root / "data/train-00000-of-00001.parquet", [0, 1, 1, 0], **how)


# hf:/path


def test_a_local_folder_is_a_task(tmp_path: Path) -> None:
    images = write_dataset(tmp_path / "pets")
    name = f"hf:{tmp_path / 'pets'}"
    task = load(name, data=tmp_path)
    assert task.name == name and task.class_names == PETS
    assert task.train.labels.tolist() == [0, 1, 1, 0] and task.test.labels.tolist() == [1, 0, 1]
    assert np.array_equal(bytes_read(task)[2].numpy(), decoded(images[2]))
    info = describe(name)
    assert (info.classes, info.shape, info.train, info.test) == (2, (3, 8, 8), 4, 3)
    assert info.family == "hf" and info.class_names == PETS and describe(f"{name}:holdout") == info


def test_options_choose_columns_splits_and_size(tmp_path: Path) -> None:
    labels = {
        "img": {"_type": "Image"},
        "fine_label": classes("tabby", "pug"),
        "coarse_label": classes("animal"),
    }
    for name, count in (("train", 4), ("valid", 2), ("test", 2)):
        columns: dict[str, Any] = {
            "img": pictures(count, 12),
            "fine_label": [0, 1] * (count // 2),
            "coarse_label": [0] * count,
        }
        write(tmp_path / f"x/{name}.parquet", columns, labels)
    with pytest.raises(ValueError, match=r"fine_label, coarse_label could each be it; append \?label=NAME"):
        describe(f"hf:{tmp_path / 'x'}")
    task = load(f"hf:{tmp_path / 'x'}?image=img&label=fine_label&size=4&test=valid", data=tmp_path)
    assert task.class_names == ("tabby", "pug") and task.train.shape == (3, 4, 4) and len(task.test) == 2
    with pytest.raises(ValueError, match="has one class, 'animal'; a task needs two"):
        describe(f"hf:{tmp_path / 'x'}?label=coarse_label")


def test_some_classes_of_a_dataset(tmp_path: Path) -> None:
    labels, name = {"image": {"_type": "Image"}, "label": classes("a", "b", "c")}, f"hf:{tmp_path / 'x'}"
    images = pictures(5)
    for split in ("train", "test"):
        write(tmp_path / f"x/{split}.parquet", {"image": images, "label": [0, 1, 2, 1, 0]}, labels)
    task = load(f"{name}?classes=2,0", data=tmp_path)
    assert task.class_names == ("c", "a") and task.train.labels.tolist() == [1, 0, 1]
    assert np.array_equal(bytes_read(task)[1].numpy(), decoded(images[2]["bytes"]))
    assert describe(f"{name}?classes=2,0").train == 3 and describe(name).train == 5
    with pytest.raises(ValueError, match="two labels or more from 0 to 2"):
        describe(f"{name}?classes=2,3")


def test_what_save_to_disk_writes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets  # type: ignore[import-untyped]

    images = pictures(4)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["b", "a"])})
    made = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1, 0]}, features=features)
    datasets.DatasetDict({"train": made, "test": made.select([1, 0])}).save_to_disk(tmp_path / "saved")
    task = load(f"hf:{tmp_path / 'saved'}", data=tmp_path)
    assert task.class_names == ("b", "a") and task.test.labels.tolist() == [1, 0]
    assert np.array_equal(bytes_read(task)[3].numpy(), decoded(images[3]["bytes"]))
    made.save_to_disk(tmp_path / "alone")
    with pytest.raises(ValueError, match=r"no split 'train'; its only split is data: divide it"):
        describe(f"hf:{tmp_path / 'alone'}")
    shrink(monkeypatch, "cifar10-jpeg", train=4, test=2, classes=2, shape=(3, 8, 8))
    (tmp_path / "saved").rename(tmp_path / "cifar10-jpeg")
    assert load("cifar10-jpeg", data=tmp_path).train.images.equal(task.train.images)
    for split in ("train", "test"):
        made.to_parquet(tmp_path / f"parquet/{split}.parquet")
    assert load(f"hf:{tmp_path / 'parquet'}", data=tmp_path).train.images.equal(task.train.images)


def test_grey_images_keep_one_channel_and_sizes_must_agree(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / f"grey/{split}.parquet", {"image": pictures(2, grey=True), "label": ["x", "y"]})
    name = f"hf:{tmp_path / 'grey'}"
    assert describe(name).shape == (1, 8, 8) and load(name, data=tmp_path).train.shape == (1, 8, 8)
    write(tmp_path / "grey/test.parquet", {"image": [*pictures(1), *pictures(1, 9)], "label": ["x", "y"]})
    with pytest.raises(ValueError, match=r"image 1 of .*test\.parquet is 9×9: images must share.*\?size=32"):
        describe(name)
    assert load(f"{name}?size=8", data=tmp_path).train.shape == (3, 8, 8)


def test_a_validation_split_as_test_is_told(tmp_path: Path) -> None:
    write_pets(tmp_path / "x/train.parquet", [0, 1])
    write_pets(tmp_path / "x/validation.parquet", [0, 1])
    lines = told(load(f"hf:{tmp_path / 'x'}", data=tmp_path))
    assert any("no split 'test': 'validation' is used" in line for line in lines)


def _card(root: Path, *infos: tuple[str, Sequence[str]]) -> None:
    """Write a card with features and files of configurations."""
    declared = [
        {
            "config_name": name,
            "features": [{"name": "label", "dtype": {"class_label": {"names": dict(enumerate(words))}}}],
        }
        for name, words in infos
    ]
    configs = [
        {"config_name": name, "data_files": {each: f"{name}/{each}.parquet" for each in ("train", "test")}}
        for name, _ in infos
    ]
    header = {"configs": configs, "dataset_info": declared}
    (root / "README.md").write_text(f"---\n{json.dumps(header)}\n---\n")


def _without_names(root: Path) -> None:
    for split in ("train", "test"):
        write(root / f"{split}.parquet", {"image": pictures(2), "label": [0, 1]})


def test_class_names_changed_in_the_card_are_read_again(tmp_path: Path) -> None:
    name = f"hf:{tmp_path / 'pets'}"
    _without_names(tmp_path / "pets/b")
    seen = set()
    for names in (PETS, PETS[::-1]):
        _card(tmp_path / "pets", ("b", names))
        task = load(name, data=tmp_path)
        assert task.class_names == describe(name).class_names == names
        seen.add(fingerprint(task))
    assert len(seen) == 2


def test_class_names_are_those_of_the_configuration_that_is_read(tmp_path: Path) -> None:
    _without_names(tmp_path / "pets/b")
    _card(tmp_path / "pets", ("a", ("Aone", "Atwo")), ("b", ("Bone", "Btwo")))
    assert describe(f"hf:{tmp_path / 'pets'}").class_names == ("Bone", "Btwo")
    _without_names(tmp_path / "pets/a")
    for config in "ab":
        named = describe(f"hf:{tmp_path / 'pets'}?config={config}").class_names
        assert named == (f"{config.upper()}one", f"{config.upper()}two")


@pytest.mark.parametrize(
    "names, said",
    [
        (["a", "a"], "has two classes that both read 'a'; rename"),
        (["a", "a "], "has two classes that both read 'a'; rename"),
        (["a", ""], "class 1 has an empty name; give it one"),
        (["a\u200b", "b"], r"the class name a\\u200b has characters that are not seen; rename it"),
    ],
)
def test_class_names_that_cannot_be_told_apart_are_refused(
    names: list[str], said: str, tmp_path: Path
) -> None:
    write_dataset(tmp_path, names=names)
    with pytest.raises(ValueError, match=said):
        describe(f"hf:{tmp_path}")


def test_blanks_around_labels_are_left_out(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", {"image": pictures(2), "label": ["b ", " a"]})
    task = load(f"hf:{tmp_path}", data=tmp_path)
    assert task.class_names == ("a", "b") and task.train.labels.tolist() == [1, 0]


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    write_dataset(tmp_path / "pets")
    name = f"hf:{tmp_path / 'pets'}"
    before = fingerprint(load(name, data=tmp_path))
    write_dataset(tmp_path / "pets", size=9)
    assert describe(name).shape == (3, 9, 9) and fingerprint(load(name, data=tmp_path)) != before


@pytest.mark.parametrize(
    "train, test, said",
    [
        ([0, 1], [0, -1], r"test has the label -1, by which labels are hidden; append \?test=NAME"),
        ([0, 2], [0, 1], "train has the label 2, which is none of the 2 classes"),
        ([0, 1], [], r"the split test is empty"),
        ([0, None], [0, 1], "row 1 of .* has no label"),
        ([0, 0], [0, 1], "train has no image of class 'dog'"),
    ],
)
def test_wrong_labels_are_refused(train: list[Any], test: list[Any], said: str, tmp_path: Path) -> None:
    write_pets(tmp_path / "x/train.parquet", train)
    write_pets(tmp_path / "x/test.parquet", test) if test else write(
        tmp_path / "x/test.parquet",
        {"image": pictures(1)[:0], "label": []},
        {"image": {"_type": "Image"}, "label": classes(*PETS)},
    )
    with pytest.raises(ValueError, match=said):
        load(f"hf:{tmp_path / 'x'}", data=tmp_path)


def test_splits_that_name_their_classes_differently_are_refused(tmp_path: Path) -> None:
    write_pets(tmp_path / "x/train.parquet", [0, 1])
    write_pets(tmp_path / "x/test.parquet", [0, 1], names=PETS[::-1])
    with pytest.raises(
        ValueError, match=r"test\.parquet and .*train\.parquet name their classes in 'label' diff"
    ):
        describe(f"hf:{tmp_path / 'x'}")
    write(tmp_path / "x/test.parquet", {"image": pictures(1), "answer": [0]})
    with pytest.raises(
        ValueError, match=r"test\.parquet has no column 'label'; its columns: image \(Image\), ans"
    ):
        describe(f"hf:{tmp_path / 'x'}")


@pytest.mark.parametrize(
    "name, said",
    [
        (
            "hf:/x?sise=3",
            "unknown option 'sise'; known: image, label, train, test, config, revision, size, backg",
        ),
        ("hf:/x?size=big", "size 'big' must be a whole number"),
        ("hf:/x?label=", "give the option 'label' one value"),
        ("hf:/x?label=a&label=b", "give the option 'label' one value"),
        ("hf:", "needs hf:OWNER/NAME, or hf: and a path that begins with / or ./ or ~"),
        ("hf:a/b/c", "needs hf:OWNER/NAME"),
    ],
)
def test_wrong_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(name)


def test_options_with_blanks_and_signs_are_decoded() -> None:
    query = parse("hf:o/n?label=fine%20label&image=a%26b&revision=refs/convert/parquet")
    assert (query.where, query.local) == ("o/n", False)
    assert (query.label, query.image, query.revision) == ("fine label", "a&b", "refs/convert/parquet")


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="absent does not exist; put the Parquet files"):
        describe(f"hf:{tmp_path / 'absent'}")
    write_pets(tmp_path / "x/train.parquet", [0, 1])
    with pytest.raises(
        DataMissing, match=rf"train\.parquet is a file; name the folder .*: hf:{tmp_path / 'x'}"
    ):
        describe(f"hf:{tmp_path / 'x/train.parquet'}")


# hf:OWNER/NAME


def test_the_data_folder_comes_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    write_dataset(tmp_path / "somebody/pets")
    assert describe("hf:somebody/pets").source == f"somebody/pets, found in {tmp_path / 'somebody/pets'}"
    assert load("hf:somebody/pets").class_names == PETS


def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, revision: str) -> Path:
    """Return the folder of a dataset in a Hugging Face cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    hf._fetched.cache_clear()
    return tmp_path / "hub" / f"datasets--{name.replace('/', '--')}" / "snapshots" / revision


def test_the_hugging_face_cache_is_used_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789" * 4
    root = snapshot(tmp_path, monkeypatch, "somebody/pets", commit)
    write_dataset(root)
    (root.parents[1] / "refs").mkdir()
    (root.parents[1] / "refs/main").write_text(commit)
    assert load("hf:somebody/pets", data=tmp_path / "data").train.labels.tolist() == [0, 1, 1, 0]
    assert describe("hf:somebody/pets").source == f"somebody/pets on the Hugging Face hub, commit {commit}"
    with pytest.raises(
        DataMissing, match=r"somebody/birds at main needs .*Put its Parquet files into .*birds"
    ):
        describe("hf:somebody/birds")


def test_a_dataset_without_parquet_is_read_from_the_branch_that_the_hub_converts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = snapshot(tmp_path, monkeypatch, "somebody/pets", "0" * 40)
    for branch, commit in (("main", "0" * 40), ("refs/convert/parquet", "1" * 40)):
        path = root.parents[1] / "refs" / branch
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit)
        (root.parent / commit).mkdir(parents=True)
    write_pets(root.parent / ("1" * 40) / "default/train/0000.parquet", [0, 1])
    write_pets(root.parent / ("1" * 40) / "default/test/0000.parquet", [0, 1])
    assert describe("hf:somebody/pets").source.endswith("1" * 40)


# Catalogued tasks


@pytest.mark.parametrize("named", [False, True])
def test_parquet_in_the_hubs_layout(named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "imagenette-128", train=5, test=2, classes=2)
    root = tmp_path / "frgfm" / "imagenette" / "full_size"
    for name, labels in (("train/0000", [0, 1, 0]), ("train/0001", [1, 1]), ("validation/0000", [1, 0])):
        columns: dict[str, Any] = {"image": pictures(len(labels), 160), "label": labels}
        features = {"image": {"_type": "Image"}, "label": classes("tench", "church")}
        write(root / f"{name}.parquet", columns, features if named else None)
    task = load("imagenette-128", data=tmp_path)
    assert task.train.images.shape == (5, 3, 128, 128)
    assert task.train.labels.tolist() == [0, 1, 0, 1, 1]
    assert task.class_names == (("tench", "church") if named else ("0", "1"))
    assert any("unverified: the numbers of images" in line for line in told(task))


def test_images_of_the_right_size_keep_their_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "tiny-imagenet", train=2, test=2, classes=2)
    images = write_pets(tmp_path / "tiny-imagenet/train.parquet", [0, 1], size=64)
    write_pets(tmp_path / "tiny-imagenet/valid.parquet", [0, 1], size=64)
    # The test images of the hub have no labels: the split is not taken.
    write_pets(tmp_path / "tiny-imagenet/test.parquet", [-1, -1], size=64)
    task = load("tiny-imagenet", data=tmp_path)
    assert np.array_equal(bytes_read(task)[1].numpy(), decoded(images[1]))


def test_a_catalogued_task_is_found_in_the_hugging_face_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, "tiny-imagenet", train=2, test=2, classes=2)
    hub = CATALOGUE["tiny-imagenet"].hub
    assert hub
    root = snapshot(tmp_path, monkeypatch, hub.name, hub.revision)
    write_pets(root / "data/train-00000-of-00001.parquet", [0, 1], size=64)
    write_pets(root / "data/valid-00000-of-00001.parquet", [1, 0], size=64)
    assert load("tiny-imagenet", data=tmp_path / "data").test.labels.tolist() == [1, 0]


def test_jpegs_of_cifar10_are_read_as_any_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the layout of the hub's CIFAR-10: the column is `img`. The name says that pixels differ."""
    shrink(monkeypatch, "cifar10-jpeg", train=4, test=3, classes=2)
    images = write_dataset(tmp_path / "cifar10-jpeg", size=32, image="img")
    task = load("cifar10-jpeg", data=tmp_path)
    assert task.name == "cifar10-jpeg" and describe("cifar10-jpeg").family == "cifar10-jpeg"
    assert task.train.labels.tolist() == [0, 1, 1, 0] and task.class_names == PETS
    assert np.array_equal(bytes_read(task)[0].numpy(), decoded(images[0]))
    same = load(f"hf:{tmp_path / 'cifar10-jpeg'}", data=tmp_path)
    assert fingerprint(same) == fingerprint(task)


def test_missing_jpegs_of_cifar10_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"cifar10-jpeg; or train\*\.parquet and test\*\.parquet with"):
        load("cifar10-jpeg", data=tmp_path)


@pytest.mark.skipif(not JPEGS.is_dir(), reason="needs cifar10-jpeg in $RATBENCH_DATA")
def test_the_real_jpegs_of_cifar10(tmp_path: Path) -> None:
    source, info = hf.locate(f"hf:{JPEGS}", tmp_path)
    assert (info.classes, info.shape, info.train, info.test) == (10, (3, 32, 32), 50_000, 10_000)
    assert info.class_names[:3] == ("airplane", "automobile", "bird")
    task: Task = load("cifar10-jpeg", data=JPEGS.parent)
    assert task.class_names == info.class_names and len(source.files) == 2


def test_the_survey_of_sizes_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "data"))
    write_dataset(tmp_path / "pets")
    describe(f"hf:{tmp_path / 'pets'}")
    kept = next((tmp_path / "data/.ratbench").glob("shape-*.json"))
    assert json.loads(kept.read_text())["facts"] == {"shape": [3, 8, 8]}
    monkeypatch.setattr(hf, "survey", None)
    assert describe(f"hf:{tmp_path / 'pets'}").shape == (3, 8, 8)
