"""Foreign sets found by names and sizes alone: their kind, their files, their name, their sha256."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.external.locate import LIMIT, locate, snapshot
from tests.support import foreign_sets


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("names", "path", "kind", "content"),
    [
        (["a.pt"], "a.pt", "torch", ["a.pt"]),
        (["a.H5"], "a.H5", "h5", ["a.H5"]),
        (["a.hdf5"], "a.hdf5", "h5", ["a.hdf5"]),
        (["a.parquet"], "a.parquet", "parquet", ["a.parquet"]),
        (["images.pt", "labels.pt"], "images.pt", "torch", ["images.pt", "labels.pt"]),
        (["images_best.pt", "labels_best.pt"], "", "torch", ["images_best.pt", "labels_best.pt"]),
        (["data/test-0.arrow", "data/train-0.arrow"], "", "arrow", ["data/train-0.arrow"]),
        (["b.parquet", "a.parquet"], "", "parquet", ["a.parquet", "b.parquet"]),
        (["a.NPZ"], "a.NPZ", "npz", ["a.NPZ"]),
        (
            ["images_best.pt", "labels_best.pt", "lr_best.pt"],
            "",
            "torch",
            ["images_best.pt", "labels_best.pt", "lr_best.pt"],
        ),
        (["images_5.pt", "lr_5.pt", "lr_4.pt"], "images_5.pt", "torch", ["images_5.pt", "lr_5.pt"]),
        (["images_5.pt", "lr.pt"], "images_5.pt", "torch", ["images_5.pt", "lr.pt"]),
        (["images.pt", "labels.pt", "lr.pt"], "", "torch", ["images.pt", "labels.pt", "lr.pt"]),
        (["set.pt", "lr.pt"], "set.pt", "torch", ["set.pt"]),
        ([".trash/0.png", "__MACOSX/0.png", "0/._a.png", "0/a.png"], "", "folder", ["0/a.png"]),
        (["1/b.png", "0/a.JPG", "0/notes.txt"], "", "folder", ["0/a.JPG", "1/b.png"]),
    ],
)
def test_files_have_a_kind(
    names: list[str], path: str, kind: str, content: list[str], tmp_path: Path
) -> None:
    found = locate(touched(tmp_path, *names) / path)
    assert found.kind == kind
    assert [each.relative_to(tmp_path).as_posix() for each in found.content] == content


def test_a_manifest_stands_beside_safetensors(tmp_path: Path) -> None:
    touched(tmp_path, "a.safetensors", "a.json", "b.safetensors", "c.h5", "c.json")
    assert locate(tmp_path / "a.safetensors").manifest == tmp_path / "a.json"
    assert locate(tmp_path / "b.safetensors").manifest is locate(tmp_path / "c.h5").manifest is None


@pytest.mark.parametrize(
    ("names", "path", "message"),
    [
        (["a.csv"], "a.csv", "has an unknown ending"),
        ([], "a.pt", "no file or folder at"),
        (["notes.txt"], "", "holds no distilled set"),
        (["images_best.pt"], "", "has images_best.pt, but no labels_best.pt"),
        (["images.pt", "lr.pt"], "", "has images.pt, but no labels.pt"),
    ],
)
def test_anything_else_is_refused(names: list[str], path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        locate(touched(tmp_path, *names) / path)


def test_sizes_are_limited(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    with pytest.raises(ValueError, match=r"empty\.pt is empty"):
        locate(tmp_path / "empty.pt")
    with (tmp_path / "large.pt").open("wb") as file:
        file.truncate(LIMIT + 2**20)
    with pytest.raises(ValueError, match="has more than 256 MiB, which is the limit for a foreign set"):
        locate(tmp_path / "large.pt")


class TestIdentity:
    def test_the_source_of_one_file_is_its_sha256(self, tmp_path: Path) -> None:
        path = foreign_sets.rat_bptt(tmp_path)
        assert locate(path).sha256() == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_the_source_of_a_pair_depends_on_both(self, tmp_path: Path) -> None:
        before = locate(foreign_sets.mtt(tmp_path)).sha256()
        assert locate(tmp_path / "images_best.pt").sha256() == before
        torch.save(foreign_sets.flat()[1].flip(0), tmp_path / "labels_best.pt")
        assert locate(tmp_path).sha256() != before

    @pytest.mark.parametrize(
        ("path", "name"),
        [("my set.h5", "my-set"), ("mtt/images_best.pt", "mtt"), ("res_DM.pt", "res_DM"), ("…​.h5", "set")],
    )
    def test_a_name_for_the_board(self, path: str, name: str, tmp_path: Path) -> None:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b" ")
        assert locate(tmp_path / path).name == name


class TestSnapshot:
    @pytest.fixture
    def copies(self, tmp_path: Path) -> Path:
        (tmp_path / "copies").mkdir()
        return tmp_path / "copies"

    def test_copies_have_the_names_the_bytes_and_the_digest(self, tmp_path: Path, copies: Path) -> None:
        source = tmp_path / "set"
        for name in ("a", "b"):
            (source / name).mkdir(parents=True)
            (source / name / "0.png").write_bytes(name.encode())
        (tmp_path / "elsewhere").write_bytes(b"linked")  # as in the hub's cache
        (source / "b" / "1.png").symlink_to(tmp_path / "elsewhere")
        found = locate(source)
        made = snapshot(found, copies)
        assert {path.relative_to(copies).as_posix(): path.read_bytes() for path in made.content} == {
            "a/0.png": b"a",
            "b/0.png": b"b",
            "b/1.png": b"linked",
        }
        assert not any(path.is_symlink() for path in made.content)
        assert made.sha256() == found.sha256()

    def test_a_manifest_is_copied(self, tmp_path: Path, copies: Path) -> None:
        for name in ("set.safetensors", "set.json"):
            (tmp_path / name).write_text(name)
        made = snapshot(locate(tmp_path / "set.safetensors"), copies)
        assert made.path == made.content[0] == copies / "set.safetensors"
        assert made.manifest == copies / "set.json" and made.manifest.read_text() == "set.json"

    @pytest.mark.parametrize(
        ("swap", "reason"),
        [
            (os.mkfifo, "is not a plain file"),
            (lambda path: path.symlink_to("/dev/zero"), "is not a plain file"),
            (lambda path: path.symlink_to(path.name), "cannot be read"),
            (lambda path: None, "cannot be read: No such file"),
            (lambda path: path.write_bytes(bytes(300)), "has more than 0 MiB, which is the limit"),
        ],
        ids=["pipe", "device", "circle", "gone", "grown"],
    )
    def test_what_became_of_a_file_meanwhile_is_refused(
        self, swap: Any, reason: str, tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("suite.external.locate.LIMIT", 200)
        path = tmp_path / "set.npz"
        path.write_bytes(b"fine")
        found = locate(path)
        path.unlink()
        swap(path)
        with pytest.raises(ValueError, match=f"set.npz {reason}"):
            snapshot(found, copies)


@pytest.mark.parametrize("names", ["1.txt", "{}/1.png", "a/{}.png", "data/{}.bin"])
def test_folders_of_many_files_are_refused_soon(
    names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.external.locate.FILES", 50)
    for number in range(60):
        path = tmp_path / names.format(number)
        path = path if "{" in names else tmp_path / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(ValueError, match="has more than 50 files, which is the limit"):
        locate(tmp_path)
