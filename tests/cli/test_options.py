"""Options that several commands share."""

import os
from pathlib import Path

import pytest

from suite.cli.options import set_data


def test_a_data_folder_is_that_of_children_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    set_data(Path("mine"))
    assert os.environ["RATBENCH_DATA"] == str(tmp_path / "mine")


def test_without_one_nothing_changes() -> None:
    before = os.environ["RATBENCH_DATA"]
    set_data(None)
    assert os.environ["RATBENCH_DATA"] == before
