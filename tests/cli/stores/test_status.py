"""What is done, runs, failed and waits in a store."""

import os
import shutil
import socket
from pathlib import Path
from time import time

import pytest

from suite.cli.stores.status import Status, Watched
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Plan
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import reading
from suite.records.stores.heartbeat import Heartbeat, Sign
from tests.support.stores import change, record_of


def status(store: Path) -> Status:
    return Watched(store).status()


def failed(store: Path, label: str, trace: str = "Traceback") -> Record:
    """Let the evaluation of a row have failed."""
    path = record_of(store, label, Evaluation)
    record = change(path, status="failed", error="ValueError: no\n[/red] (a.py:3)", scores={}, attempts=2)
    path.unlink()
    Store(store).write(record, trace)
    return record


def killed(store: Path, cell: str, age: float = 0.0, **changes: object) -> None:
    """Leave the sign of a worker on another machine, written `age` seconds ago."""
    own = {"cell": cell, "host": "node7", "pid": 9, "since": 0.0, "moved": 0.0, "beat": time(), **changes}
    (store / "running").mkdir(exist_ok=True)
    path = store / "running" / f"{cell}.json"
    path.write_text(Sign.model_validate(own).model_dump_json())
    written = path.stat().st_mtime - age
    os.utime(path, (written, written))


def test_all_is_done(copied: Path) -> None:
    found = status(copied)
    (plan,) = found.plans
    assert plan.name.startswith("quick-") and plan.counts == {"done": 4} and plan.costs == ()
    assert found.over and found.driver is None and not found.running and not found.failures


def test_what_waits_has_costs(copied: Path) -> None:
    for path in copied.glob("records/*/rat_bptt/*"):
        path.unlink()
    (plan,) = status(copied).plans
    assert plan.counts == {"done": 2, "waiting": 2} and not plan.over
    assert len(plan.costs) == 2


def test_a_failure_has_its_reason_and_traceback(copied: Path) -> None:
    record = failed(copied, "rat_bptt")
    found = status(copied)
    (failure,) = found.failures
    assert found.plans[0].counts == {"done": 3, "failed": 1} and not found.over
    assert failure.title == "rat_bptt on digits ipc 1 seed 0: retrain ncfm-40"
    assert failure.reason == "ValueError: no [/red] (a.py:3)" and failure.attempts == 2
    assert failure.trace == Store(copied).traceback(record)


def test_a_failure_of_an_earlier_release_has_no_traceback(copied: Path) -> None:
    failed(copied, "rat_bptt", trace="")
    assert status(copied).failures[0].trace is None


def test_a_cell_in_work_runs_and_has_not_failed(copied: Path) -> None:
    record = failed(copied, "rat_bptt")
    trial = record_of(copied, "rat_bptt", Trial).stem
    with Store(copied).locked(), Heartbeat(copied, trial, "starting", "a CPU") as alive:
        alive.begin(record.cell.id)
        found = status(copied)
    ((title, sign),) = found.running
    assert title == "rat_bptt on digits ipc 1 seed 0: retrain ncfm-40" and sign.pid == os.getpid()
    assert found.driver is not None and found.driver.host == socket.gethostname()
    assert found.plans[0].counts == {"done": 3, "running": 1} and not found.failures
    after = status(copied)
    assert after.driver is None and not after.running and after.plans[0].counts["failed"] == 1


def test_a_job_that_starts_runs_with_its_first_cell(copied: Path) -> None:
    trial = record_of(copied, "rat_bptt", Trial)
    trial.unlink()
    with Heartbeat(copied, trial.stem, "starting"):
        assert status(copied).plans[0].counts["running"] == 1


def test_cells_of_a_killed_worker_wait(copied: Path) -> None:
    trial = record_of(copied, "rat_bptt", Trial)
    trial.unlink()
    killed(copied, trial.stem)
    assert status(copied).plans[0].counts["running"] == 1
    killed(copied, trial.stem, age=3600)
    assert status(copied).plans[0].counts == {"done": 3, "waiting": 1}
    killed(copied, trial.stem, host=socket.gethostname(), pid=2**22 + 1)
    assert status(copied).plans[0].counts == {"done": 3, "waiting": 1}


def test_a_running_cell_costs_what_is_left_of_it(copied: Path) -> None:
    trial = record_of(copied, "rat_bptt", Trial)
    shutil.copy(trial, copied / "spare.json")
    whole = Record.model_validate_json(trial.read_bytes()).device_seconds
    plan = next(copied.glob("plan/*.json"))
    cells = Plan.model_validate_json(plan.read_bytes()).cells
    again = next(each for each in cells if each.cell.id == trial.stem)
    assert isinstance(again.cell, Trial)
    other = again.cell.model_copy(update={"seed": 7})
    plan.write_text(Plan(cells=(*cells, again.model_copy(update={"cell": other}))).to_json())
    killed(copied, other.id, step=3, steps=4)
    (cost,) = status(copied).plans[0].costs
    assert cost is not None and cost.seconds == pytest.approx(whole / 4)


def test_sets_of_a_diverged_trial_are_not_waited_for(copied: Path) -> None:
    change(record_of(copied, "rat_bptt", Trial), status="diverged", error="nan", artefact="")
    record_of(copied, "rat_bptt", Evaluation).unlink()
    found = status(copied)
    assert found.plans[0].counts == {"done": 2, "diverged": 2} and found.over


def test_records_of_other_data_do_not_count(copied: Path) -> None:
    change(record_of(copied, "rat_bptt", Trial), data="f" * 64)
    assert status(copied).plans[0].counts == {"done": 3, "waiting": 1}


def test_a_damaged_record_waits_and_is_named_once(copied: Path) -> None:
    path = record_of(copied, "rat_bptt", Trial)
    path.write_text("{")
    watched = Watched(copied)
    with pytest.warns(UserWarning, match="is damaged, its cell will run again") as seen:
        watched.status()
        found = watched.status()
    assert len(seen) == 1 and found.plans[0].counts == {"done": 3, "waiting": 1}


class TestWatched:
    def test_records_are_read_once(self, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(copied)  # away from results/, which tell costs
        read, checked = list[Path](), reading.checked

        def counted(path: Path) -> Record:
            read.append(path)
            return checked(path)

        monkeypatch.setattr(reading, "checked", counted)
        watched = Watched(copied)
        watched.status()
        watched.status()
        assert len(read) == 4

    def test_what_comes_and_goes_is_seen(self, copied: Path) -> None:
        path = record_of(copied, "rat_bptt", Trial)
        aside = path.rename(copied / "aside.json")
        watched = Watched(copied)
        assert watched.status().plans[0].counts["done"] == 3
        aside.rename(path)
        assert watched.status().plans[0].counts["done"] == 4
        path.rename(aside)
        assert watched.status().plans[0].counts["done"] == 3

    def test_a_changed_plan_is_read_again(self, copied: Path) -> None:
        watched, plan = Watched(copied), next(copied.glob("plan/*.json"))
        assert watched.status().plans[0].total == 4
        cells = Plan.model_validate_json(plan.read_bytes()).cells
        plan.unlink()
        plan.write_text(Plan(cells=cells[:2]).to_json())
        assert watched.status().plans[0].total == 2


def test_a_store_without_plan(copied: Path) -> None:
    shutil.rmtree(copied / "plan")
    found = status(copied)
    assert found.plans == () and found.over


def test_a_damaged_plan_is_named(copied: Path) -> None:
    next(copied.glob("plan/*.json")).write_text("{")
    with pytest.warns(UserWarning, match="skipped"):
        assert status(copied).plans == ()


def test_json_has_all_of_it(copied: Path) -> None:
    record = failed(copied, "rat_bptt")
    trial = record_of(copied, "random_subset", Trial)
    trial.unlink()
    killed(copied, trial.stem, step=1, steps=4)
    found = status(copied).fields()
    (plan,), (failure,), (running,) = found["plans"], found["failed"], found["running"]
    assert (plan["cells"], plan["done"], plan["running"], plan["failed"]) == (4, 2, 1, 1)
    assert sum(plan["left_device_seconds"].values()) >= 0 and plan["left_without_cost"] <= 2
    assert failure["trace"] == str(Store(copied).traceback(record))
    assert (running["host"], running["pid"], running["step"]) == ("node7", 9, 1)
