"""The compiler runs nothing that another user may have put into its folder."""

import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.core.execution import private_folders
from suite.core.execution.private_folders import TORCH, TRITON, keep_private

STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that all users share, and none that is named."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(TORCH, "")
    monkeypatch.delenv(TORCH)
    monkeypatch.setenv(TRITON, "")
    monkeypatch.delenv(TRITON)
    yield tmp_path


def default() -> Path:
    return private_folders._folders()[TORCH]


def test_a_new_folder_is_this_users_alone(shared: Path) -> None:
    before = os.umask(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            keep_private()
    finally:
        os.umask(before)
    assert default().parent == shared and stat.S_IMODE(default().stat().st_mode) == 0o700
    assert TORCH not in os.environ


def planted(folder: Path, kind: str) -> None:
    """Put what another user could have put there."""
    if kind == "link":
        (folder.parent / "elsewhere").mkdir()
        folder.symlink_to(folder.parent / "elsewhere")
        return
    if kind == "file":
        folder.touch()
        return
    folder.mkdir()
    if kind == "of another user":
        os.chown(folder, STRANGER, STRANGER)
    else:
        folder.chmod(0o775 if kind == "of a group" else 0o777)


KINDS = ["of all", "of a group", "link", "file", pytest.param("of another user", marks=needs_root)]


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_others_is_left_alone(kind: str) -> None:
    folder = default()
    planted(folder, kind)
    with pytest.warns(UserWarning, match="others may write to .* delete the folder, or set TORCHINDUCTOR"):
        keep_private()
    private = Path(os.environ[TORCH])
    assert private != folder and stat.S_IMODE(private.stat().st_mode) == 0o700
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keep_private()  # which is fine now
    assert os.environ[TORCH] == str(private)


@pytest.mark.parametrize("name", [TORCH, TRITON])
def test_a_named_folder_is_taken_if_it_is_private(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine" / "cache"
    monkeypatch.setenv(name, str(mine))
    keep_private()
    assert os.environ[name] == str(mine) and mine.is_dir()
    mine.chmod(0o770)
    with pytest.warns(UserWarning, match=f"set {name} to one that only you can write to"):
        keep_private()
    assert os.environ[name] != str(mine)
