"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from suite.core.data.atomic_write import disk_full, write_bytes, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folder(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"
    assert names(tmp_path / "a" / "b") == ["file"]
    assert (tmp_path / "a" / "b" / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("replace", "kept"), [(False, b"first"), (True, b"second")])
def test_a_file_that_exists_is_replaced_only_on_demand(replace: bool, kept: bytes, tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"first")
    write_bytes(tmp_path / "file", b"second", replace=replace)
    assert (tmp_path / "file").read_bytes() == kept and names(tmp_path) == ["file"]


@pytest.mark.parametrize("replace", [False, True])
def test_an_error_leaves_nothing_behind(replace: bool, tmp_path: Path) -> None:
    def half(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", half, replace=replace)
    assert names(tmp_path) == []
    write_bytes(tmp_path / "file", b"first")
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", half, replace=replace)
    assert (tmp_path / "file").read_bytes() == b"first" and names(tmp_path) == ["file"]


def test_a_reader_sees_no_partial_file(tmp_path: Path) -> None:
    def write(partial: Path) -> None:
        partial.write_bytes(b"first half")
        assert not (tmp_path / "file").exists()

    write_whole(tmp_path / "file", write)
    assert (tmp_path / "file").exists()


def test_a_disk_without_hard_links_is_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for content in (b"first", b"second"):
        write_bytes(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == b"first" and names(tmp_path) == ["file"]


def test_a_full_disk_is_told_from_other_errors() -> None:
    assert disk_full(OSError(errno.ENOSPC, "")) and disk_full(OSError(errno.EDQUOT, ""))
    assert not disk_full(OSError(errno.EACCES, "")) and not disk_full(ValueError())


def test_who_writes_many_files_waits_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[int]()
    monkeypatch.setattr("os.fsync", synced.append)
    write_bytes(tmp_path / "a", b"a", sync=False)
    assert synced == [] and (tmp_path / "a").read_bytes() == b"a"
    write_bytes(tmp_path / "b", b"b")
    assert len(synced) == 2
