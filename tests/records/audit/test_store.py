"""The audit of a whole store: torch is not needed, committed stores have no error, and it is fast."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from suite.records.audit.store import audit
from suite.records.record import Record
from tests.support.audited import distilled, kinds, sound

RESULTS = Path(__file__).parents[3] / "results"
STORES = sorted(path.parent for path in RESULTS.glob("**/store.json"))


@pytest.mark.parametrize("store", STORES, ids=lambda path: path.name)
def test_committed_stores_have_no_error(store: Path) -> None:
    found = audit(store)
    assert not [each.line for each in found.found if each.severity == "error"]
    assert found.checked["record"]


def test_the_board_has_no_doubt_and_is_audited_in_seconds_without_torch() -> None:
    code = (
        "import sys, time; from pathlib import Path; from suite.records.audit.store import audit\n"
        f"found = audit(Path({str(RESULTS)!r}))\n"
        "print(len(found.found), found.checked['set'] > 60, 'torch' in sys.modules, time.process_time() < 20)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "True", "False", "True"]


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match=r"is not a store|does not exist"):
            audit(path)


def test_an_edited_file_of_a_method_is_told(tmp_path: Path) -> None:
    store, file = sound(tmp_path / "store"), tmp_path / "mine.py"
    file.write_text("one")
    made = distilled(store, "mine", 5, 20)
    store.artefact(made.cell.id).unlink()
    store.artefact(made.cell.id).with_suffix(".json").unlink()
    source = hashlib.sha256(b"one").hexdigest()
    cell = made.cell.model_copy(update={"method": str(file), "source": source})
    store.write(made.model_copy(update={"cell": cell, "status": "diverged", "artefact": ""}))
    assert not kinds(store)
    file.write_text("two")
    assert kinds(store) == {"doubt source"}
    file.unlink()
    assert not kinds(store) and any("not on this machine" in note for note in audit(store.path).notes)


@pytest.mark.parametrize("name", ["x" * 5000 + ".py", "\0.py", "/dev/zero", "/dev.py"])
def test_a_hostile_name_of_a_method_ends_no_audit(name: str, tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    trial = next(each for each in store.row("digits", 1, "dm") if each.cell.kind == "distillation")
    cell = trial.cell.model_copy(update={"method": name, "source": "ab" * 32})
    store.write(trial.model_copy(update={"cell": cell, "sha256": ""}))
    assert "error set" in kinds(store)


def test_a_failure_that_was_overcome_is_told(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    trial = next(each for each in store.row("digits", 1, "dm") if each.cell.kind == "distillation")
    assert isinstance(trial, Record)
    store.write(trial.model_copy(update={"status": "failed", "sha256": ""}))
    assert kinds(store) == {"doubt failure"}
