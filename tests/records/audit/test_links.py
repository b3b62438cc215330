"""Links between records, also while a run writes."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from suite.records.audit import documents, links
from suite.records.record import Record
from suite.records.stores.heartbeat import Heartbeat
from tests.support.audited import audited, first, kinds, sound
from tests.support.stores import change


def test_a_trial_that_was_recorded_meanwhile_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder may be listed before it is written, and that of its evaluation after."""
    store = sound(tmp_path / "store")
    late, real = first(store, kind="distillation"), documents.records

    def without(*given: Any) -> Any:
        return (pair for pair in real(*given) if pair[0] != late)

    monkeypatch.setattr("suite.records.audit.store.documents.records", without)
    assert not kinds(store)


def test_the_set_of_a_trial_in_work_is_left_out(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    path = first(store, kind="distillation")
    cell = Record.model_validate_json(path.read_bytes()).cell
    store.artefact(cell.id).write_bytes(b"being written")
    with Heartbeat(store.path, cell.id, "distilling"):
        assert not kinds(store)
    assert "error set" in kinds(store)


def test_equal_sets_may_have_equal_accuracies(tmp_path: Path) -> None:
    """Methods without chance give one set for all seeds; networks of one seed are then the same."""
    store = sound(tmp_path / "store")
    every = sorted((store.path / "records/digits-ipc1/dm").glob("*.json"))
    trials = [path for path in every if "distillation" in path.read_text()]
    scored = [path for path in every if path not in trials]
    same = Record.model_validate_json(scored[0].read_bytes()).scores["accuracy"]
    change(scored[1], scores={"accuracy": same})
    assert "doubt copied" in kinds(store)
    change(scored[1], scores={"accuracy": (0.5, 0.5, 0.5)})
    change(scored[0], scores={"accuracy": (0.5, 0.5, 0.5)})  # networks that learn nothing
    assert "doubt copied" not in kinds(store)


def test_records_of_other_data_stand_beside_each_other(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    path = first(store)
    target = path.with_name(f"{path.stem}-{'ee' * 8}.json")
    shutil.copy(path, target)
    change(target, data="ee" * 32, seconds=77.0, device_seconds=77.0)
    found = audited(store)
    assert not [each for each in found.found if each.kind in ("twice", "place")]
    assert any(each.kind == "data" and each.severity == "doubt" for each in found.found)


def test_a_plan_names_an_evaluation_of_nothing(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    plan = store.path / "plan/tiny.json"
    trial = Record.model_validate_json(first(store).read_bytes()).cell.model_dump()["trial"]
    plan.write_text(plan.read_text().replace(f'"trial": "{trial}"', f'"trial": "{"0" * 64}"'))
    assert kinds(store) == {"doubt plan"}


def test_little_is_kept_of_a_record() -> None:
    assert "curve" not in links._Entry._fields and "described" not in links._Entry._fields
