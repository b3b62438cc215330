"""The same trials with budgets on two classes of devices: both count, apart, and tell how these relate."""

from pathlib import Path

import pytest

from suite.board.anytime.devices import Calibration, calibrations
from suite.board.files import load, read, render
from suite.records.cells import Trial
from suite.records.jobs import Plan, Planned, Tuned
from suite.records.record import Moment, Record
from tests.board.test_cells import anytime
from tests.board.test_cells import spending as on_a_cpu
from tests.support.board_records import CPU, pair, save

GPU = CPU.model_copy(update={"device": "a GPU"})


def on_a_gpu(label: str, steps: tuple[int, int], seed: int = 0) -> Record:
    moments = [Moment(budget=10.0, step=steps[0], device_seconds=9.0)]
    moments += [Moment(budget=100.0, step=steps[1], device_seconds=99.0)]
    found = on_a_cpu(label, seed=seed)
    return found.model_copy(update={"provenance": GPU, "moments": tuple(moments)})


@pytest.fixture
def stores(tmp_path: Path) -> list[Path]:
    """Two stores: a CPU, on which each budget pays for one more step, and a GPU."""
    ours = [*anytime(on_a_cpu("dm"), 0.1, 0.2, 0.3), *anytime(on_a_cpu("mtt"), 0.2, 0.2, 0.2)]
    theirs = [
        *anytime(on_a_gpu("dm", (8, 80)), 0.4, 0.5, 0.6),
        *anytime(on_a_gpu("mtt", (9, 20)), 0.5, 0.5, 0.5),
    ]
    found = [tmp_path / "cpu", tmp_path / "gpu"]
    for path, records in zip(found, (ours, theirs), strict=True):
        save([*records, *pair("herding", (0.3, 0.4))], path)
    return found


def test_each_class_has_its_tables_and_no_rank_is_shared(stores: list[Path]) -> None:
    made = load(stores)
    assert not made.warnings
    found = {
        (table.within.device, row.name): (row.accuracy.mean, row.rank)
        for table in made.tables
        if table.within and table.within.device_seconds == 600
        for row in table.rows
        if row.accuracy
    }
    assert found == {
        ("a CPU", "dm"): (0.3, 1),
        ("a CPU", "mtt"): (0.2, 2),
        ("a GPU", "dm"): (0.6, 1),
        ("a GPU", "mtt"): (0.5, 2),
    }


def test_settings_that_were_tuned_are_so_on_every_device(stores: list[Path]) -> None:
    plan = [
        Planned(label=each.label, task=each.task, ipc=each.ipc, cell=each.cell, tuned=Tuned(tries=4))
        for each in read(stores[:1]).records
        if each.label == "dm" and isinstance(each.cell, Trial)
    ]
    (stores[0] / "plan").mkdir()
    (stores[0] / "plan" / "equal.json").write_text(Plan(cells=tuple(plan)).to_json())
    rows = [row for table in load(stores).tables if table.within for row in table.rows]
    assert {row.tuned for row in rows if row.label == "dm"} == {Tuned(tries=4)}
    assert {row.tuned for row in rows if row.label == "mtt"} == {None}


def test_the_order_of_stores_changes_no_figure(stores: list[Path]) -> None:
    def told(order: list[Path]) -> str:
        return render(load(order), "csv")

    assert told(stores) == told(stores[::-1])


def test_devices_relate_by_the_steps_until_the_last_budget_that_both_have_left(stores: list[Path]) -> None:
    made = load(stores)
    # Two steps on the CPU within 100 seconds; 80 and 20 on the GPU.
    assert calibrations(made.cells.records) == [
        Calibration("a CPU", "a GPU", ratio=(2 / 80 + 2 / 20) / 2, low=2 / 80, high=2 / 20, trials=2)
    ]
    assert "| a CPU | a GPU | 0.0625 | 0.025–0.1 | 2 |" in render(made, "md")


def test_one_device_has_no_calibration_and_other_results_of_a_cell_are_refused(
    stores: list[Path], tmp_path: Path
) -> None:
    made = load(stores[:1])
    assert calibrations(made.cells.records) == [] and "**Devices**" not in render(made, "md")
    save(anytime(on_a_cpu("dm", spent=580.0), 0.1, 0.2, 0.4), tmp_path / "again")
    assert any(
        "another result of the same cell" in line for line in read([stores[0], tmp_path / "again"]).warnings
    )
