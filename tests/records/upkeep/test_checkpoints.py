"""Checkpoints that are damaged, or no files; what is ordinary is tested with the store."""

from pathlib import Path

import pytest

from suite.records.upkeep.checkpoints import Checkpoints
from tests.support import disks


@pytest.mark.parametrize("damage", disks.DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_one_falls_back_to_the_older_and_is_written_again(
    damage: disks.Damage, tmp_path: Path
) -> None:
    folder = Checkpoints(tmp_path)
    for step in (1, 2):
        folder.save_checkpoint("t", step, {"step": step})
    newest = max((tmp_path / "checkpoints" / "t").iterdir())
    damage(newest)
    if damage is disks.deleted:
        assert folder.load_checkpoint("t") == {"step": 1}
    else:
        with pytest.warns(UserWarning, match="moved to"):
            assert folder.load_checkpoint("t") == {"step": 1}
    folder.save_checkpoint("t", 2, {"step": 2})
    assert folder.load_checkpoint("t") == {"step": 2} and folder.checkpoint_step("t") == 2


def test_other_files_are_not_counted(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    folder.save_checkpoint("t", 7, {})
    (tmp_path / "checkpoints" / "t" / "copy.pt").touch()
    assert folder.checkpoint_step("t") == 7


def test_one_that_was_damaged_after_it_was_written_is_written_again(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    folder.save_checkpoint("t", 1, {"step": 1})
    (path,) = (tmp_path / "checkpoints" / "t").iterdir()
    disks.truncated(path)
    folder.save_checkpoint("t", 1, {"step": 1})
    assert folder.load_checkpoint("t") == {"step": 1}
