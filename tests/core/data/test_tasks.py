"""What `load` promises: the cache, fingerprints, and what is said when data lack."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suite.core.data.catalogue import CATALOGUE
from suite.core.data.reading import download
from suite.core.data.tasks import (
    DataMissing,
    check_data,
    data_folder,
    describe,
    fingerprint,
    former_fingerprint,
    is_of,
    load,
    located_once,
    names,
)
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Examples, Task, TestSplit

RANDOM = np.random.default_rng(0)


pytestmark = pytest.mark.usefixtures("no_network")


def _write_folder(folder: Path, *, channels: tuple[int, ...] = (3,)) -> None:
    for split, count in (("train", 3), ("test", 2)):
        for name in ("ant", "bee"):
            for index in range(count):
                path = folder / split / name / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(RANDOM.integers(0, 256, (8, 8, *channels), dtype=np.uint8)).save(path)


# The cache


@pytest.fixture
def grey(tmp_path: Path) -> Iterator[str]:
    _write_folder(tmp_path / "grey", channels=())
    yield f"folder:{tmp_path / 'grey'}"


def _entry(data: Path, ending: str) -> Path:
    return next((data / ".ratbench").glob(f"*.{ending}"))


def test_the_cache_is_reused(grey: str, tmp_path: Path) -> None:
    first = load(grey, data=tmp_path)
    path = _entry(tmp_path, "safetensors")
    written = path.stat()
    second = load(grey, data=tmp_path)
    assert second.train.images.equal(first.train.images)
    assert fingerprint(second) == fingerprint(first)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("damage", ["cut", "altered", "facts", "gone"])
def test_a_damaged_cache_is_built_again(damage: str, grey: str, tmp_path: Path) -> None:
    first = load(grey, data=tmp_path)
    expected = first.train.images.clone()
    tensors, facts = _entry(tmp_path, "safetensors"), _entry(tmp_path, "json")
    content = bytearray(tensors.read_bytes())
    tensors.unlink()  # `first` maps it: write a new file instead of tearing that one.
    if damage == "cut":
        tensors.write_bytes(content[:-100])
    elif damage == "altered":
        content[-100] ^= 1
        tensors.write_bytes(content)
    elif damage == "facts":
        tensors.write_bytes(content)
        facts.write_text("{")
    with pytest.warns(UserWarning, match="built again"):
        again = load(grey, data=tmp_path)
    assert again.train.images.equal(expected)
    assert load(grey, data=tmp_path).train.images.equal(expected)


def test_changed_files_make_another_entry(grey: str, tmp_path: Path) -> None:
    before = fingerprint(load(grey, data=tmp_path))
    Image.new("L", (8, 8), 99).save(tmp_path / "grey/train/ant/0.png")
    assert fingerprint(load(grey, data=tmp_path)) != before


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder in Tiny-ImageNet's layout, whose test labels stand in a file of their own."""
    _write_folder(tmp_path / "tiny")
    (tmp_path / "tiny/test").rename(tmp_path / "tiny/val")
    (tmp_path / "tiny/val/images").mkdir()
    for index in range(4):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / f"tiny/val/images/v{index}.png")
    _annotate(tmp_path / "tiny", "ant", "ant", "bee", "bee")
    return tmp_path / "tiny"


def _annotate(folder: Path, *labels: str) -> None:
    rows = [f"v{index}.png\t{label}\n" for index, label in enumerate(labels)]
    (folder / "val/val_annotations.txt").write_text("".join(rows))


def test_changed_labels_make_another_entry(tiny: Path, tmp_path: Path) -> None:
    before = load(f"folder:{tiny}", data=tmp_path)
    assert before.found.test == [2, 2] and before.class_names == ("ant", "bee")
    _annotate(tiny, "ant", "bee", "bee", "bee")
    after = load(f"folder:{tiny}", data=tmp_path)
    assert after.found.test == [1, 3] and after.test.labels.tolist() == [0, 1, 1, 1]
    assert fingerprint(after) != fingerprint(before)


def test_labels_that_are_exchanged_make_another_entry(tiny: Path, tmp_path: Path) -> None:
    _annotate(tiny, "ant", "bee", "ant", "bee")
    before = load(f"folder:{tiny}", data=tmp_path)
    _annotate(tiny, "bee", "ant", "bee", "ant")
    after = load(f"folder:{tiny}", data=tmp_path)
    assert after.found.test == before.found.test and fingerprint(after) != fingerprint(before)


def test_changed_class_names_make_another_entry(tiny: Path, tmp_path: Path) -> None:
    fingerprints = {fingerprint(load(f"folder:{tiny}", data=tmp_path))}
    for number, words in enumerate(("ant\temmet\n", "ant\temmet\nbee\tdrone\n"), start=2):
        (tiny / "words.txt").write_text(words)
        task = load(f"folder:{tiny}", data=tmp_path)
        fingerprints.add(fingerprint(task))
        assert task.class_names == ("emmet", ("bee", "drone")[number - 2]) and len(fingerprints) == number


def test_what_is_skipped_is_told_as_it_is(grey: str, tmp_path: Path) -> None:
    assert load(grey, data=tmp_path).found.notes == []
    (tmp_path / "grey/train/ant/list.txt").write_text("")
    assert "1 .txt file skipped" in load(grey, data=tmp_path).found.notes[0]
    (tmp_path / "grey/train/ant/list.txt").unlink()
    assert load(grey, data=tmp_path).found.notes == []


def test_whitened_twins_share_a_family_and_restore_their_matrix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"classes": 2, "train": 6, "test": 4, "shape": (3, 8, 8)}
    for name in ("cub200-32", "cub200-32-zca"):
        monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], **small))  # type: ignore[arg-type]
    _write_folder(tmp_path / "cub200")
    plain, first = load("cub200-32", data=tmp_path), load("cub200-32-zca", data=tmp_path)
    assert describe(first.name).family == describe(plain.name).family == "cub200-32"
    again = load(first.name, data=tmp_path)
    assert again.preprocessing.describe() == first.preprocessing.describe()
    picture = again.preprocessing.invert(again.train.images)[4].flatten()
    source = plain.preprocessing.invert(plain.train.images)[4].flatten()
    assert torch.corrcoef(torch.stack([picture, source]))[0, 1] > 0.999
    next((tmp_path / ".ratbench").glob("zca-*")).unlink()
    with pytest.warns(UserWarning, match="built again"):
        assert load(first.name, data=tmp_path).train.images.equal(first.train.images)


def test_tasks_that_kornia_would_whiten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"classes": 2, "train": 6, "test": 4, "shape": (3, 8, 8)}
    for name in ("tiny-imagenet", "tiny-imagenet-kornia"):
        monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], **small))  # type: ignore[arg-type]
    _write_folder(tmp_path / "tiny-imagenet")
    plain, first = load("tiny-imagenet", data=tmp_path), load("tiny-imagenet-kornia", data=tmp_path)
    assert describe(first.name).family == describe(plain.name).family == "tiny-imagenet"
    described = first.preprocessing.describe()
    assert (described["kind"], described["eps"]) == ("kornia", 0.1)
    assert load(first.name, data=tmp_path).preprocessing.describe() == described
    pixels = first.preprocessing.invert(first.train.images)
    torch.testing.assert_close(pixels, plain.preprocessing.invert(plain.train.images), atol=1e-4, rtol=0)
    assert fingerprint(first) != fingerprint(plain)


def test_a_folder_that_cannot_be_written(grey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    load(grey, data=tmp_path / "file")
    assert list((tmp_path / "home" / "ratbench").glob("*.safetensors"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="prepared in memory"):
        assert len(load(grey, data=tmp_path / "file").train) == 6


def test_the_data_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.delenv("RATBENCH_DATA", raising=False)
    assert data_folder() == Path("data")
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    assert data_folder() == tmp_path


# Fingerprints


def test_fingerprints_tell_tasks_apart() -> None:
    task = load("digits")
    assert isinstance(task, Task)
    held, halved = task.holdout(), task.holdout(0.5)
    assert len({fingerprint(each) for each in (task, held, halved)}) == 3
    assert fingerprint(task.to(torch.device("cpu"))) == fingerprint(task)
    assert task.split.reads == 0


def test_a_holdout_is_a_task_by_name() -> None:
    held = load("digits:holdout")
    assert held.name == "digits:holdout" and held.split.reads == 0
    assert fingerprint(held) == fingerprint(load("digits").holdout())
    assert describe("digits:holdout").family == "digits"
    with pytest.raises(ValueError, match="did you mean 'digits'"):
        describe("digit:holdout")


def test_fingerprints_of_handmade_tasks_cover_the_pixels() -> None:
    task = load("digits")
    made = Task("made", task.train, TestSplit(task.test), task.preprocessing, task.class_names)
    images = task.train.images.clone()
    images[3, 0, 4, 4] += 1
    other = replace(made, train=Examples(images, task.train.labels, 10))
    assert fingerprint(made) != fingerprint(other)
    assert fingerprint(made) == fingerprint(replace(made, name="renamed"))


def test_fingerprints_cover_the_order_of_class_names() -> None:
    task = load("digits")
    turned = replace(task, class_names=task.class_names[::-1])
    joined = replace(task, class_names=('0", "1', *task.class_names[2:]))
    assert len({fingerprint(each) for each in (task, turned, joined)}) == 3
    assert former_fingerprint(turned) == former_fingerprint(task) != fingerprint(task)


def test_a_set_of_the_same_data_is_taken_and_of_other_data_refused() -> None:
    task = load("digits")
    made = SyntheticSet.with_hard_labels(torch.zeros(10, 1, 1, 8, 8))
    for known in ("", fingerprint(task), former_fingerprint(task)):
        check_data(replace(made, data=known), task)
    with pytest.raises(ValueError, match="their fingerprint is eeeeeeeeeeee, the task's "):
        check_data(replace(made, data="e" * 64), task)
    assert is_of(fingerprint(task), task) and not is_of(None, task)


# What is not there


@pytest.mark.parametrize("name", [name for name in names() if name not in ("digits", "fashion-mnist")])
def test_missing_data_are_asked_for(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    start = time.monotonic()
    with pytest.raises(DataMissing, match=f"For {name}, put .* into {tmp_path}"):
        load(name, data=tmp_path)
    assert time.monotonic() - start < 3


def test_missing_fashion_mnist_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = replace(CATALOGUE["fashion-mnist"], folders=("FashionMNIST/raw",))
    monkeypatch.setitem(CATALOGUE, info.name, info)
    with pytest.raises(DataMissing, match="apt install dataset-fashion-mnist"):
        load("fashion-mnist", data=tmp_path)


def test_a_silent_server_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        assert not download.reachable(f"http://127.0.0.1:{server.getsockname()[1]}/file")
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "name, near",
    [
        ("hf-path", "hf:/path"),
        ("cifra10", "cifar10"),
        ("fashonmnist", "fashion-mnist"),
        ("tinyimagenet", "tiny-imagenet"),
    ],
)
def test_unknown_names_suggest_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown task '{name}'; did you mean '{near}'"):
        load(name)


@pytest.mark.parametrize("name", ["owner/name", "huggingface:owner/name", "hub:owner/name"])
def test_a_path_without_a_prefix_gets_one(name: str) -> None:
    with pytest.raises(
        ValueError, match="for a Hugging Face dataset write 'hf:owner/name', for a folder of im"
    ):
        load(name)


def test_the_catalogue_is_whole() -> None:
    for name in names():
        info = describe(name)
        assert info.name == name and info.licence and info.source and info.class_names_from and info.checksum
        assert name in (info.family, f"{info.family}-zca", f"{info.family}-kornia")
        assert len(info.mean) in (0, info.shape[0]) and len(info.class_names) in (0, info.classes)
        json.dumps(info.__dict__, default=vars)


def test_files_are_looked_for_once_and_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[str]()

    def located(name: str, data: Path) -> tuple[None, str]:
        looked.append(name)
        return None, name

    monkeypatch.setattr("suite.core.data.tasks._located", located)
    with located_once():
        assert describe("folder:a") is describe("folder:a")
        with located_once():
            describe("folder:a:holdout")
        assert looked == ["folder:a"]
    describe("folder:a")
    describe("folder:a")
    assert looked == ["folder:a"] * 3
