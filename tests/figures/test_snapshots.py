"""Snapshots: sets on the way, kept and evaluated, and the curve that is drawn of them."""

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from suite.board import files
from suite.board.anytime.devices import told_apart
from suite.core.sets.artefacts import load_artefact
from suite.experiments import grid
from suite.experiments.resources import Resources
from suite.figures import snapshots
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.board.test_cells import scored, spending
from tests.support.board_records import CPU, STANDARD, evaluated, trial
from tests.support.command_line import ratbench, refused
from tests.support.grids import QUICK
from tests.support.job_runs import complete, done, one
from tests.support.titles import facts


def with_snapshots(path: Path, shares: str = "[0, 0.5]") -> Path:
    path.write_text(QUICK.replace("seeds =", f"snapshots = {shares}\nseeds ="))
    return path


@pytest.fixture
def snapped(tiny: Path) -> list[Job]:
    return grid.jobs(grid.load(with_snapshots(tiny)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a finished trial, its snapshots, and their evaluations."""
    folder = tmp_path_factory.mktemp("run")
    jobs = grid.jobs(grid.load(with_snapshots(folder / "tiny.toml")))
    complete(one(jobs, "rat_bptt"), Store.create(folder / "store"), Resources())
    return folder / "store"


@pytest.fixture
def ran(run: Path, tmp_path: Path) -> Store:
    """A copy of it, to be changed at will."""
    return Store(Path(shutil.copytree(run, tmp_path / "ran")))


def test_a_grid_asks_for_its_snapshots_beside_the_finished_set(jobs: list[Job], tiny: Path) -> None:
    snapped = grid.jobs(grid.load(with_snapshots(tiny)))
    job = one(snapped, "rat_bptt")
    assert [cell.step for cell in job.evaluations] == [None, 0, 2] and job.snapshots == {0, 2}
    assert len({cell.id for cell in job.evaluations}) == 3
    assert one(jobs, "rat_bptt").snapshots == frozenset()
    assert one(snapped, "random_subset").snapshots == frozenset()  # it has no outer steps


def test_what_has_no_step_is_written_as_before_there_were_snapshots(jobs: list[Job]) -> None:
    (cell,) = one(jobs, "rat_bptt").evaluations
    assert "step" not in cell.model_dump_json()


def test_a_snapshot_is_the_set_of_a_shorter_run(
    snapped: list[Job], tiny: Path, ran: Store, tmp_path: Path, resources: Resources
) -> None:
    long, other = ran, Store.create(tmp_path / "short")
    job = one(snapped, "rat_bptt")
    short = one(grid.jobs(grid.load(tiny, ["method.rat_bptt.steps=2"])), "rat_bptt")
    complete(short, other, resources)
    assert long.artefact(job.id, 2).read_bytes() == other.artefact(short.id).read_bytes()
    assert len({long.artefact(job.id, step).read_bytes() for step in (None, 0, 2)}) == 3
    found = [long.record(cell.id) for cell in job.evaluations]
    assert all(record and record.status == "done" and record.test_reads == 1 for record in found)


def test_snapshots_asked_for_later_are_made_and_the_trials_record_stays(
    snapped: list[Job], tmp_path: Path, store: Store, resources: Resources
) -> None:
    job = one(snapped, "rat_bptt")
    plain = job.model_copy(update={"evaluations": job.evaluations[:1]})
    complete(plain, store, resources)
    before = done(job, store)
    assert set(complete(job, store, resources)) == {job.id, *(cell.id for cell in job.evaluations[1:])}
    assert done(job, store) == before
    store.artefact(job.id, 2).unlink()
    assert set(complete(job, store, resources)) == {job.id}  # it is evaluated already
    assert store.artefact(job.id, 2).is_file() and done(job, store) == before


def test_a_curve_over_budgets_has_a_point_for_each(tmp_path: Path) -> None:
    """Seeds belong together by the budget, whatever their steps."""
    records = []
    for seed, steps in enumerate((3, 5)):
        curve = {"step": tuple(range(1, steps + 1)), "seconds": tuple(range(200, 200 * steps + 1, 200))}
        of = spending("slow", seed=seed, curve=curve)
        records += [of, scored(of, 10, 0.1), scored(of, 100, 0.2), scored(of, 600, 0.6)]
    table = snapshots.summary(snapshots.of_records(records))
    assert table["seconds"].to_list() == [10, 100, 600] and table["seeds"].to_list() == [2] * 3
    assert table["step"].to_list() == [1, 2, 4] and table["accuracy"].to_list() == [10, 20, 60]
    assert snapshots.plot(snapshots.of_records(records)).startswith(b"\x89PNG")


def test_what_a_budget_bought_on_two_devices_are_two_lines() -> None:
    gpu = CPU.model_copy(update={"device": "a GPU"})
    curve = {"step": (1, 2), "seconds": (200, 400)}
    records = list[Record]()
    for made, accuracy in ((CPU, 0.2), (gpu, 0.8)):
        of = spending("slow", curve=curve, provenance=made)
        own = told_apart([records, [of, scored(of, 10, accuracy), scored(of, 600, accuracy)]])
        records = [each for store in own for each in store]
    found = snapshots.summary(snapshots.of_records(records))
    assert dict(zip(found["method"], found["accuracy"], strict=True)) == {
        "slow (device=a CPU)": 20,
        "slow (device=a GPU)": 80,
    }


def test_boards_leave_snapshots_out(jobs: list[Job], snapped: list[Job], ran: Store) -> None:
    job = one(snapped, "rat_bptt")
    assert one(jobs, "rat_bptt").id == job.id
    (row,) = files.load([ran.path]).tables[0].rows
    for cell in job.evaluations[1:]:
        next(ran.path.glob(f"records/**/{cell.id}.json")).unlink()
    (expected,) = files.load([ran.path]).tables[0].rows
    assert row.scores == expected.scores and row.state == expected.state


def test_a_curve_has_a_point_for_each_snapshot(snapped: list[Job], run: Path) -> None:
    store = Store(run)
    table = snapshots.summary(snapshots.measured([store.path]))
    assert table["step"].to_list() == [0, 2, 4] and table["networks"].to_list() == [1] * 3
    assert table["seconds"].is_monotonic_increasing and table["seconds"][0] == 0
    record = done(one(snapped, "rat_bptt"), store)
    assert table["seconds"][2] == pytest.approx(record.curve["seconds"][-1])
    for step, accuracy in zip((0, 2, None), table["accuracy"], strict=True):
        cell = next(c for c in one(snapped, "rat_bptt").evaluations if c.step == step)
        scored = store.record(cell.id)
        assert scored and accuracy == pytest.approx(100 * scored.scores["accuracy"][0])


def test_a_curve_is_tabled_and_drawn(run: Path, tmp_path: Path) -> None:
    shown = ratbench("figure", "curve", run, "--output", tmp_path / "made/curve.png")
    assert shown.exit_code == 0 and "| rat_bptt |" in shown.output
    image = Image.open(io.BytesIO((tmp_path / "made/curve.png").read_bytes()))
    assert image.width == 1500 and len(image.convert("RGB").getcolors(1 << 20) or []) > 3
    table = snapshots.measured([run])
    told = facts(lambda: snapshots.plot(table))
    assert told["title"] == "digits, 1 image per class: accuracy during distillation"
    assert told["subtitle"] == (
        "convnet-d1-w8-in; recipe ncfm-40; n = 1 × 1 (sets × networks); points: means; bars: 95% intervals"
    )
    other = pd.concat([table, table.assign(recipe="dsa-1000")], ignore_index=True)
    assert "; recipe beside the name; " in facts(lambda: snapshots.plot(other))["subtitle"]


def test_lines_are_drawn_few_at_a_time() -> None:
    """24 lines in 8 colours cannot be told apart: rows of panels have up to six."""
    rows = {"task": "digits", "ipc": 1, "recipe": "ncfm-40", "network": "n", "seed": 0, "accuracy": 0.5}
    steps = [{"moment": step, "step": step, "seconds": 1.0 * step} for step in (0, 5)]

    def height(count: int) -> int:
        lines = [{**rows, **at, "method": f"m{number}"} for number in range(count) for at in steps]
        return Image.open(io.BytesIO(snapshots.plot(pd.DataFrame(lines)))).height

    heights = {count: height(count) for count in (6, 12, 24)}
    assert heights[12] > heights[6] and heights[24] - heights[12] == 2 * 390


def test_values_of_a_list_are_lines_of_their_own(tiny: Path, store: Store, resources: Resources) -> None:
    jobs = grid.jobs(grid.load(with_snapshots(tiny, "[0.5]"), ["method.rat_bptt.window=[1, 2]"]))
    for job in jobs:
        complete(job, store, resources)
    table = snapshots.summary(snapshots.measured([store.path]))
    assert table["method"].unique().tolist() == ["rat_bptt (window=1)", "rat_bptt (window=2)"]
    assert table["seeds"].to_list() == [1] * 4


def test_a_trial_without_a_curve_is_left_out(snapped: list[Job], ran: Store) -> None:
    job, store = one(snapped, "rat_bptt"), ran
    expected = snapshots.summary(snapshots.measured([store.path]))
    brought = done(job, store).model_copy(update={"curve": {}, "label": "external:x"})
    cell = brought.cell.model_copy(update={"method": "external:x"})
    store.write(brought.model_copy(update={"cell": cell}))
    scored = done(job, store).model_copy(update={"cell": job.evaluations[0], "label": "external:x"})
    moved = job.evaluations[0].model_copy(update={"trial": cell.id})
    store.write(scored.model_copy(update={"cell": moved, "scores": {"accuracy": (0.5,)}}))
    assert snapshots.summary(snapshots.measured([store.path])).equals(expected)


def test_a_store_without_snapshots_has_no_curve(store: Store) -> None:
    for record in (made := trial("dm"), evaluated(made, 0.5)):
        store.write(record)
    refused(ratbench("figure", "curve", store.path), "no evaluated snapshots", "snapshots = [")


@pytest.mark.parametrize("shares", ["[1.0]", "[-0.1]", "0.5"])
def test_shares_outside_the_run_are_refused(tiny: Path, shares: str) -> None:
    refused(ratbench("run", with_snapshots(tiny, shares), "--inline"), "snapshots")


def test_a_grid_chooses_on_a_holdout_without_reading_test(
    tiny: Path, store: Store, resources: Resources
) -> None:
    tiny.write_text(QUICK.replace('"digits"', '"digits:holdout"'))
    job = one(grid.jobs(grid.load(tiny)), "random_subset")
    complete(job, store, resources)
    record = done(job, store)
    assert record.task == "digits:holdout"
    synthetic, manifest = load_artefact(store.artefact(job.id))
    assert synthetic.classes == 10 and manifest["trial"]["task"] == "digits:holdout"


def test_networks_are_counted_once_and_by_their_kind() -> None:
    """Of two evaluations with the same networks the larger counts; other networks are another line."""
    of = trial("dm", data="a")
    other = evaluated(of, 0.1, 0.2, network="mlp-w8")
    records = [of, evaluated(of, 0.5), evaluated(of, 0.5, 0.7), other]
    found = {record.cell.settings["network"]: record for record in snapshots.retrained(records)}
    assert len(found) == 2 and found["mlp-w8"] == other
    assert found[STANDARD].scores["accuracy"] == (0.5, 0.7)
    elsewhere = [each.model_copy(update={"task": "digits (data b)"}) for each in records]
    assert len(snapshots.retrained([*records, *elsewhere])) == 4


def test_a_line_names_an_edited_method() -> None:
    edited, first = (trial("mine", ipc=1) for _ in range(2))
    cell = edited.cell.model_copy(update={"source": "b" * 64})
    names = snapshots.names([first, edited.model_copy(update={"cell": cell})])  # type: ignore[list-item]
    assert sorted(names.values()) == ["mine (source=None)", f"mine (source={'b' * 12})"]
