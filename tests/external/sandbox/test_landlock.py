"""Landlock alone: files elsewhere are neither read nor changed, nor programs run."""

from pathlib import Path

import pytest

from suite.external.sandbox import landlock
from tests.support.confined import CHANGING, OPENING, READING, succeeded, tried


def test_alone_it_refuses_other_files_and_all_changes(tmp_path: Path) -> None:
    if not (found := landlock.version()):
        pytest.skip("no Landlock here")
    since = {"tcp": 4, "listen": 4, "kill": 6, "kill parent": 6, "truncate": 3}
    names = {*READING, *OPENING, *CHANGING, "exec", "spawn", "trace", *since}
    layers, refused = tried(tmp_path, "landlock", *names, "files")
    assert layers == ["limits", "landlock"]
    assert succeeded(refused) <= {name for name, version in since.items() if found < version}
    assert "Too many open files" in refused["files"], "the folder that may be read was not"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    if not landlock.version():
        pytest.skip("no Landlock here")
    with pytest.raises(FileNotFoundError):
        landlock.restrict([tmp_path / "missing"])
