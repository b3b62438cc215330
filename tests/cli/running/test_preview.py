"""A dry run: cells of a small grid, sums of a large one, and what they will cost."""

import time
from pathlib import Path

import pytest

from suite.cli.console import console
from suite.cli.running import preview
from suite.cli.running.announced import to_do
from suite.cli.running.cost import Costs
from suite.cli.running.request import Request
from suite.core.data import tasks
from suite.records.store import Store
from tests.support.costs import record

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_a_small_grid_is_listed(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preview.dry_run(Request(str(tiny)))
    said = capsys.readouterr().out
    assert said.count("to do") == 5 and "4 cells, 0 done, 4 to do" in said
    assert "unknown cost: 4 cells, since nothing like them was measured" in said


def test_what_the_grid_wants_of_nodes_is_told(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = '\n[resources]\ngpus = 0\n\n[method.rat_bptt.resources]\ncpus = 1\nlabels = {kind = "fast"}\n'
    tiny.write_text(tiny.read_text() + table)
    preview.dry_run(Request(str(tiny)))
    said = capsys.readouterr().out
    assert "resources of random_subset: 0 GPUs\n" in said
    assert "resources of rat_bptt: 1 CPUs, 0 GPUs, nodes with kind = fast\n" in said


def test_a_large_grid_is_summed_up_by_task_and_row(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    tiny.write_text(tiny.read_text().replace("seeds = [0]", f"seeds = {list(range(30))}"))
    request = Request(str(tiny), store=store.path)
    (job, *_) = (job for job in request.jobs() if job.label == "rat_bptt")
    data = tasks.fingerprint(tasks.load("digits"))
    store.write(record(job, job.cell, 3600.0, data=data))
    store.write(record(job, job.evaluations[0], 10.0, data=data))
    preview.dry_run(request)
    rows = {
        cells[1]: cells for line in capsys.readouterr().out.splitlines() if len(cells := line.split()) > 6
    }
    assert rows["rat_bptt"] == ["digits", "rat_bptt", "1", "60", "2", "58", "29"]
    assert rows["random_subset"][:7] == ["digits", "random_subset", "1", "60", "0", "60", "0.083"]
    assert rows["random_subset"][7:] == ["+", "?"]


def test_hours_of_two_devices_are_not_added(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = Request(str(tiny)).jobs()
    one, other = (next(job for job in jobs if job.label == label) for label in ("rat_bptt", "random_subset"))
    costs = Costs([record(one, one.cell, 3600.0), record(other, other.cell, 7200.0, "a GPU")])
    console.print(preview._rows(jobs, Store(Path("store")), costs))
    said = capsys.readouterr().out
    assert "1 a + ?" in said and "2 b + ?" in said and "a: a CPU; b: a GPU" in said


def test_ten_thousand_cells_take_seconds(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_text(tiny.read_text().replace("seeds = [0]", f"seeds = {list(range(2500))}"))
    jobs = Request(str(tiny)).jobs()
    started = time.process_time()
    costs, store = Costs([]), Store(Path("store"))
    console.print(preview._rows(jobs, store, costs))
    assert "10000" in "".join(to_do(jobs, store))
    assert time.process_time() - started < 10 and len(capsys.readouterr().out.splitlines()) < 10


def test_a_store_of_another_protocol_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"protocol": 1}')
    with pytest.raises(ValueError, match="has protocol 1"):
        preview.recorded(Store(tmp_path))
