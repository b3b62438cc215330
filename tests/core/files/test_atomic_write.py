"""Files appear whole or not at all."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import pytest

from suite.core.files.atomic_write import (
    DiskFault,
    NotAFile,
    disk_fault,
    read_bytes,
    write_bytes,
    write_output,
    write_whole,
)
from tests.support import disks


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


def test_a_long_name_of_letters_of_several_bytes(tmp_path: Path) -> None:
    for name in ("星" * 85, "é" * 127, "\udcff" * 250):
        assert write_bytes(tmp_path / name, name.encode(errors="replace"))
    assert len(names(tmp_path)) == 3


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


def test_who_writes_many_files_waits_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[int]()
    monkeypatch.setattr("os.fsync", synced.append)
    write_bytes(tmp_path / "a", b"a", sync=False)
    assert synced == [] and (tmp_path / "a").read_bytes() == b"a"
    write_bytes(tmp_path / "b", b"b")
    assert len(synced) == 2


def refusing(number: int, name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    refuse.__name__ = name
    return refuse


NUMBERS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG]


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.__getitem__)
@pytest.mark.parametrize("call", ["os.open", "os.fsync", "os.link", "os.mkdir"])
def test_what_the_disk_refuses_is_a_fault_in_one_sentence(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "file"
    if (call, number) == ("os.link", errno.EACCES):
        pytest.skip("a disk without hard links")
    with monkeypatch.context() as patch:
        patch.setattr(call, refusing(number, call))
        with pytest.raises(DiskFault) as caught:
            write_bytes(path, b"content")
    assert str(tmp_path / "folder") in str(caught.value) and os.strerror(number) in str(caught.value)
    assert str(caught.value).endswith(", and run the same command again") and "\n" not in str(caught.value)
    assert not path.exists() and list(tmp_path.rglob(".partial-*")) == []


@disks.needs_mounts
@pytest.mark.parametrize("disk", [disks.full, disks.without_inodes, disks.read_only])
def test_a_disk_that_is_full_or_read_only(
    disk: Callable[[Path], AbstractContextManager[None]], tmp_path: Path
) -> None:
    with disk(tmp_path / "disk"), pytest.raises(DiskFault, match=r"disk/file cannot be written: "):
        write_bytes(tmp_path / "disk" / "file", b"content")


def test_a_file_larger_than_the_limit(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DiskFault, match=r"File too large; raise the limit .*ulimit -f"):
            write_bytes(tmp_path / "file", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(DiskFault, match="File name too long; choose shorter names"):
        write_bytes(tmp_path / ("n" * 300), b"")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_syncs_no_folders(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refusing(number, "fsync"))
    assert write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_disk_without_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "chmod", refusing(errno.EPERM, "chmod"))
    assert write_bytes(tmp_path / "file", b"content") and names(tmp_path) == ["file"]


def test_without_hard_links_the_first_of_many_writers_wins(tmp_path: Path) -> None:
    """In processes of their own, which a lock keeps apart."""
    code = (
        "import errno, os, sys; from pathlib import Path\n"
        "from suite.core.files.atomic_write import write_bytes\n"
        "def refuse(*_, **__): raise OSError(errno.EPERM, 'no links')\n"
        "os.link = refuse\n"
        "sys.stdin.readline()\n"
        "print(sum(write_bytes(Path(sys.argv[1], str(n)), sys.argv[2].encode()) for n in range(200)))\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, word],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for word in ("one", "two")
    ]
    for each in started:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    wrote = [int(each.communicate()[0]) for each in started]
    found = [(tmp_path / str(number)).read_text() for number in range(200)]
    assert [found.count("one"), found.count("two")] == wrote and sum(wrote) == 200


def test_errors_of_a_library_are_not_the_disks(tmp_path: Path) -> None:
    def undecodable(partial: Path) -> None:
        raise OSError("image file is truncated")

    with pytest.raises(OSError, match="image file is truncated"):
        write_whole(tmp_path / "file", undecodable)


def test_a_fault_is_found_behind_other_errors(tmp_path: Path) -> None:
    fault = DiskFault(tmp_path, OSError(errno.EIO, "x"))
    try:
        try:
            raise fault
        except OSError:
            raise RuntimeError("PytorchStreamWriter failed") from None
    except RuntimeError as error:
        assert disk_fault(error) is fault
    assert disk_fault(OSError(errno.ENOSPC, "of a method")) is None and disk_fault(None) is None


class TestOutput:
    def test_a_link_to_a_file_is_followed_and_others_are_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("file")
        write_output(tmp_path / "link", b"first")  # which leads nowhere
        assert not (tmp_path / "link").is_symlink() and not (tmp_path / "file").exists()
        (tmp_path / "other").symlink_to("link")
        write_output(tmp_path / "other", b"second")
        assert (tmp_path / "other").is_symlink() and (tmp_path / "link").read_bytes() == b"second"

    def test_a_device_takes_it_or_does_not(self) -> None:
        write_output(Path("/dev/null"), b"content")
        with pytest.raises(DiskFault, match=r"/dev/full cannot be written: No space left on device"):
            write_output(Path("/dev/full"), b"content")
        assert Path("/dev/full").is_char_device() and Path("/dev/null").is_char_device()

    def test_standard_output_may_be_a_pipe(self) -> None:
        code = (
            "from pathlib import Path; from suite.core.files.atomic_write import write_output;"
            "write_output(Path('/dev/stdout'), b'content')"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert ran.stdout == b"content" and Path("/dev/stdout").is_symlink()


class TestReading:
    def test_a_file_is_read(self, tmp_path: Path) -> None:
        write_bytes(tmp_path / "file", b"content")
        (tmp_path / "link").symlink_to("file")
        assert read_bytes(tmp_path / "file") == read_bytes(tmp_path / "link") == b"content"

    @pytest.mark.parametrize("damage", disks.DAMAGES[4:])
    def test_what_is_no_file(self, damage: Callable[[Path], None], tmp_path: Path) -> None:
        write_bytes(tmp_path / "file", b"content")
        damage(tmp_path / "file")
        with pytest.raises(NotAFile, match="file is "):
            read_bytes(tmp_path / "file")

    def test_devices_are_none(self) -> None:
        with pytest.raises(NotAFile):
            read_bytes(Path("/dev/zero"))

    def test_what_is_missing(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for path in (tmp_path / "none", tmp_path / "file" / "below"):
            with pytest.raises(FileNotFoundError):
                read_bytes(path)

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
    def test_what_the_disk_does_not_give(
        self, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "open", refusing(number, "open"))
        with pytest.raises(DiskFault, match=f"cannot be read: {os.strerror(number)}"):
            read_bytes(tmp_path / "file")
