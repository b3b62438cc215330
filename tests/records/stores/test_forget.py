"""What is forgotten moves, whole, and comes back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from suite.board import files
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Plan
from suite.records.store import Store
from suite.records.stores.forget import Document, Forgetting
from suite.records.stores.merge import Merge
from tests.support.stores import change, content, kept, record_of


def of_row(label: str) -> Callable[[Document], str]:
    """Return a reason for the trials of a row."""

    def reason(document: Document) -> str:
        named = document.label == label and not isinstance(document.cell, Evaluation)
        return "it is named" if named else ""

    return reason


def forgetting(store: Path, label: str = "rat_bptt") -> Forgetting:
    return Forgetting(Store(store), of_row(label))


def test_nothing_moves_before_it_is_told_to(copied: Path) -> None:
    before = content(copied)
    (row,) = forgetting(copied).rows
    assert (row.label, row.task, row.ipc, row.reason) == ("rat_bptt", "digits", 1, "it is named")
    assert row.cells == {"distillation": 1, "evaluation": 1}
    assert content(copied) == before


def test_everything_of_a_trial_moves(copied: Path) -> None:
    store, trial = Store(copied), record_of(copied, "rat_bptt", Trial).stem
    (copied / "checkpoints" / trial).mkdir(parents=True)
    (copied / "checkpoints" / trial / "1-a.pt").touch()
    (copied / "jobs").mkdir(exist_ok=True)
    (copied / "jobs" / f"{trial}.json").write_text("{}")
    assert forgetting(copied).move() == {"record": 2, "set": 1, "plan": 1, "checkpoint": 1, "job": 1}
    assert store.record(trial) is None and not store.artefact(trial).exists()
    assert not [path for path in copied.rglob(f"*{trial}*") if "forgotten" not in path.parts]
    (board,) = files.load([copied]).tables
    assert [row.label for row in board.rows] == ["random_subset"]  # and none is missing


def test_nothing_is_lost(copied: Path) -> None:
    before = kept(copied)
    forgetting(copied).move()
    after = content(copied / "forgotten")
    assert {name: before[name] for name in after if not name.startswith("plan/")} == {
        name: digest for name, digest in after.items() if not name.startswith("plan/")
    }
    with Merge([copied / "forgotten"], copied) as union:
        union.read()
        union.write()
    plan = next(copied.glob("plan/*.json")).relative_to(copied).as_posix()
    assert {**kept(copied), plan: ""} == {**before, plan: ""}
    assert len(Plan.model_validate_json((copied / plan).read_bytes()).cells) == 4


def test_failures_and_their_tracebacks_move(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Evaluation)
    failed = change(path, status="failed", error="no", scores={})
    path.unlink()
    Store(copied).write(failed, "Traceback")
    assert forgetting(copied).move()["failure"] == 1
    assert list(copied.glob("failures/*/*/*")) == []
    assert len(list(copied.glob("forgotten/failures/*/*/*"))) == 2


def test_a_name_that_is_taken_gets_a_number(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Trial)
    taken = copied / "forgotten" / path.relative_to(copied)
    taken.parent.mkdir(parents=True)
    taken.write_text("an earlier one")
    forgetting(copied).move()
    assert taken.read_text() == "an earlier one"
    assert taken.with_name(f"{path.stem}.2.json").is_file()


def test_an_interrupted_move_is_found_again(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, moved = Path.rename, list[Path]()

    def interrupted(self: Path, target: Path) -> Path:
        if len(moved) == 3:
            raise KeyboardInterrupt
        moved.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", interrupted)
        forgetting(copied).move()
    assert len(forgetting(copied).rows) == 1
    forgetting(copied).move()
    assert forgetting(copied).rows == [] and not list(copied.glob("records/*/rat_bptt/*"))


def test_a_trial_that_is_only_planned_leaves_the_plan(copied: Path) -> None:
    for path in copied.glob("records/*/rat_bptt/*"):
        path.unlink()
    forgetting(copied).move()
    (board,) = files.load([copied]).tables
    assert [row.label for row in board.rows] == ["random_subset"]


def test_what_is_damaged_stays(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Evaluation)
    path.write_text("{")
    next(copied.glob("plan/*.json")).write_text("{")
    assert forgetting(copied).move()["record"] == 1 and path.is_file()
