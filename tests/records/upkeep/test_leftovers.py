"""What killed processes left is removed by the next one that has the store."""

import os
from pathlib import Path

from suite.records.store import Store
from suite.records.upkeep.leftovers import sweep
from tests.support.stores import content


def test_leftovers_go_and_all_else_stays(copied: Path) -> None:
    (copied / "releases").mkdir()
    (copied / "releases" / ".partial-of-another-command").touch()
    before = content(copied)
    row = next(copied.glob("records/*/*"))
    pictures = copied / "pictures"
    for folder in (copied, row, copied / "artefacts", copied / "plan", pictures, pictures / "digits"):
        (folder / ".partial-a.json-x1").write_text("half")
    (copied / "checkpoints" / "cell").mkdir(parents=True)
    (copied / "checkpoints" / "cell" / ".partial-1.pt-x2").touch()
    (copied / ".tune-abc" / "run").mkdir(parents=True)
    (copied / ".tune-abc" / "run" / "state.json").touch()
    os.mkfifo(copied / "artefacts" / ".partial-pipe")
    (copied / ".tune-link").symlink_to(copied / "records")
    assert sweep(copied) == 10 and content(copied) == before
    assert sweep(copied) == 0


def test_whoever_takes_the_store_sweeps_it(store: Store) -> None:
    (store.path / ".tune-abc").mkdir()
    with store.locked():
        assert not (store.path / ".tune-abc").exists()
