"""What docs/ says was measured is what the committed records and measurements say."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import pytest

from docs import generate
from suite.board import files
from suite.board.render import words
from suite.figures import budget_curve, gradient_study, snapshots
from suite.records.cells import Evaluation, Trial
from suite.records.record import is_of
from tests.benchmarks.cells import LIMITS, ROWS, milliseconds

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "results" / "studies"
TEXT = "".join((ROOT / "docs" / name).read_text() for name in ("engine.md", "studies.md"))
AGAINST = "against the official scheme"


def spread(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.1f} [{ratio['min']:.1f}, {ratio['max']:.1f}]"


def measurement(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / "measurements" / f"{name}.json").read_text())
    return found


def test_the_page_of_differences_is_made_from_the_files_beside_the_methods() -> None:
    """`make papers` writes it."""
    page = (ROOT / "docs" / "faithfulness.md").read_text()
    assert page == generate.with_papers(page)
    assert "| real batches |" in page


def shown(table: pd.DataFrame) -> bool:
    lines = table.to_markdown(index=False, floatfmt=".3g").splitlines()
    return all(line in TEXT for line in lines[2:])


def test_the_study_of_gradients_is_the_records() -> None:
    assert shown(gradient_study.summary(gradient_study.measured([STUDIES / "gradient-study"])))


@pytest.mark.parametrize("name", ["equal-seconds", "standard-width", "saturation", "cut-short"])
def test_curves_are_the_records(name: str) -> None:
    assert shown(snapshots.summary(snapshots.measured([STUDIES / name])))


def test_which_rates_suit_rat_bptt_is_the_records() -> None:
    store = STUDIES / "rates-w64"
    (table,), records = files.load([store]).tables, files.read([store]).records
    settings = {each.label: each.cell.hyperparameters for each in records if is_of(each, Trial)}
    for row in table.rows:
        own = settings[row.name]
        kind = {"unit-noise": "noise", "real": "real"}[str(own["initial"])]
        rates = f"{kind} | {own['inner_lr']:g} | {own['outer_lr']:g} | {own['unroll']}"
        accuracies = f"{words.accuracy(row)} | {words.under(row, 'rat-bptt-1000')}"
        assert f"| `{row.name}` | {rates} | {accuracies} |" in TEXT.splitlines()


REGIMES = {"hard": "hard", "fixed": "fixed soft", "per_view": "soft per view"}
LOW = ("dm", "frepo", "rtp")


def test_what_kinds_of_labels_and_fewer_bits_change_is_the_records() -> None:
    breakdowns = files.load([ROOT / "results"]).breakdowns
    changes, shown = dict[str, list[float]](), list[list[str]]()
    for table in (each for each in breakdowns if each.evaluator == "label_regimes"):
        random = next(row for row in table.rows if row.name == "random_subset")
        for name, labels in REGIMES.items():
            leads = {row.name: row.leads[name] for row in table.rows if name in row.leads}
            best, lead = max(leads.items(), key=lambda pair: pair[1].mean)
            better, worse = sum(x.low > 0 for x in leads.values()), sum(x.high < 0 for x in leads.values())
            start = f"| {table.key.ipc} | {labels} | {100 * random.scores[name].mean:.1f} | `{best}` |"
            end = f"{words.spanned(lead, 100)} | {better} of {len(leads)} | {worse} |"
            assert f"{start} {end}" in TEXT.splitlines()
        views = {row.name: f"{100 * row.scores['per_view'].mean:.1f}" for row in table.rows if row.scores}
        shown.append([views[name] for name in LOW])
    for table in (each for each in breakdowns if each.evaluator == "quantised"):
        for bits in ("8", "4", "2"):
            found = [row.scores for row in table.rows if row.scores]
            lost = [each[f"accuracy/{bits}"].mean - each["accuracy/32"].mean for each in found]
            changes.setdefault(bits, []).append(100 * mean(lost))
    told, ((dm, frepo, rtp), (*tens,)) = " ".join(TEXT.split()), shown
    assert (
        f"`dm` to {dm} and {tens[0]}, `frepo` to {frepo} and {tens[1]}, `rtp` to {rtp} and {tens[2]}" in told
    )
    assert all(round(abs(change), 1) <= 0.1 for bits in "84" for change in changes[bits])
    assert "with 8 and with 4 bits the mean over all rows changes by at most 0.1 points" in told
    falls = "with 2 bits it falls by {:.1f} points at one image and by {:.1f} at ten"
    assert falls.format(*(-change for change in changes["2"])) in told


def test_the_first_seconds_at_standard_width_are_the_records() -> None:
    records = files.read([ROOT / "results" / "gpu" / "equal-compute-h100"]).records
    assert {each.provenance.device for each in records} == {"NVIDIA H100 80GB HBM3"}
    (moment,) = next(each for each in records if is_of(each, Trial) and each.label == "dm").moments
    each_step = f"{1000 * moment.device_seconds / moment.step:.0f} ms each"
    assert f"there {moment.step} steps took 10 s with the start, {each_step}" in " ".join(TEXT.split())
    scores = {
        (each.label, each.cell.device_seconds or 30.0, each.cell.settings["recipe"]): each.scores["accuracy"]
        for each in records
        if is_of(each, Evaluation)
    }
    for label, native in (("rat_bptt", "rat-bptt-1000"), ("dsa", "dsa-1000"), ("dm", "dsa-1000")):
        pairs = [(budget, recipe) for budget in (10.0, 30.0) for recipe in ("dsa-1000", native)]
        shown = " | ".join(f"{100 * mean(scores[label, *pair]):.1f}" for pair in pairs)
        assert f"| `{label}` | {shown} |" in TEXT.splitlines()


def test_what_a_wider_network_gives_frepo() -> None:
    narrow, wide = files.load([STUDIES / "frepo-width"]).tables
    assert ["w16" in narrow.network, "w64" in wide.network] == [True, True]
    retrained_wide = {row.name: words.accuracy(row) for row in wide.rows}
    for row in narrow.rows:
        (width,) = re.findall(r"-w(\d+)-", row.name)
        accuracies = f"{words.accuracy(row)} | {retrained_wide[row.name]}"
        assert f"| `{row.label}` | width {width} | {accuracies} |" in TEXT


def test_every_picture_is_there() -> None:
    for name in ("gradient-study", "equal-seconds", "standard-width", "saturation", "cut-short"):
        assert f"../results/studies/{name}/figure.png" in TEXT
        assert (STUDIES / name / "figure.png").is_file()


def test_speeds_are_the_measured_ones() -> None:
    machines = {
        "outer-step-xeon": "Xeon",
        "outer-step-cpu": "EPYC, earlier",
        "outer-step-shared": "EPYC, shared, whole steps",
    }
    rows = [(machine, *row) for file, machine in machines.items() for row in measured_rows(file)]
    assert len(rows) == 15
    for machine, name, row in rows:
        ratio, (shape, precision) = row["ratio"], name.split()
        cell = f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]"
        ends = f"| {precision} | {machine} | {cell} |"
        assert any(line.startswith(f"| {shape} |") and line.endswith(ends) for line in TEXT.splitlines())


@pytest.mark.parametrize(("gpu", "count"), [("H200", 5), ("H100", 3)])
def test_speeds_on_a_gpu_are_the_measured_ones(gpu: str, count: int) -> None:
    parts = measurement(f"gpu-{gpu.lower()}")
    compared = {tuple(name.split()): part for name, part in parts.items() if AGAINST in part}
    assert len(compared) == count
    for (_, _, shape, precision), part in compared.items():
        found, memory = part[AGAINST], part["memory beside the data: bytes"]
        theirs = found["peak_bytes"]["official"]["reserved"]
        seconds = [found[f"{side}_seconds"]["median"] for side in ("official", "engine")]
        times = f"{found['repeats']} | {seconds[0]:.2f} | {seconds[1]:.3f} | {spread(found['ratio'])}"
        row = f"| {shape} | {precision} | {gpu} | {times} | {theirs / 1e9:.1f} | {memory / 1e9:.1f} |"
        assert row in TEXT.splitlines()
        assert memory < theirs / 5  # as README says
    ratios = [part[AGAINST]["ratio"]["median"] for part in compared.values()]
    fast = f"{min(ratios):.1f} to {max(ratios):.1f} times as fast"
    assert gpu == "H100" or f"is {fast}" in (ROOT / "README.md").read_text()


def test_other_steps_on_a_gpu_are_as_fast_as_measured() -> None:
    found, whole, loops = measurement("gpu-h100"), list[float](), list[float]()
    for ipc in (1, 10):
        sides = found[f"evaluator ipc{ipc}"]["all sides"]
        rows = [(f"20 networks under `dsa-1000`, {sides['epochs']} epochs", sides["times as fast"])]
        for part, method in (("authors dc dm", "dc"), ("authors dc dm", "dm"), ("authors mtt", "mtt")):
            rows += [(f"a step of {method.upper()}", found[part][f"{method} ipc {ipc}"]["ratio"])]
        for what, ratio in rows:
            assert f"| {what} | {ipc} | {spread(ratio)} |" in TEXT.splitlines()
        whole.append(found[f"evaluator ipc{ipc}"]["the whole recipe: seconds"])
        loops.append(1000 * sides["plain_seconds"]["median"] / sides["epochs"])
    told = " ".join(TEXT.split())
    assert f"take {whole[0]:.1f} s at one image and {whole[1]:.1f} s at ten" in told
    assert f"takes {loops[0]:.1f} ms and {loops[1]:.1f} ms for a step of one network" in told
    times = [20 * loop / seconds for loop, seconds in zip(loops, whole, strict=True)]
    assert f"so {times[0]:.0f} and {times[1]:.1f} times as long for all twenty" in told
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"epochs {times[0]:.0f} times as fast as in a plain loop on one image per class" in readme
    assert f"and {times[1]:.1f} times as fast on ten" in readme


def test_what_else_a_gpu_showed_is_what_it_measured() -> None:
    first, second = measurement("gpu-h200-first"), measurement("gpu-h200")
    assert not [key for key in first["smokes"] if "failed" in key] and len(first["smokes"]) >= 30
    for kind in ("compiled", "uncompiled"):
        assert first["smokes"][f"meta-gradient {kind}"]["difference in float64, third step"] < 3e-16
    sides = second["evaluator ipc1"]["all sides"]
    plain, grouped = (sides[f"{name}_seconds"]["median"] / sides["epochs"] for name in ("plain", "grouped"))
    step = plain / sides["plain networks"]
    whole = second["evaluator ipc1"]["the whole recipe: seconds"]
    assert f"in {whole:.1f} s side by side" in TEXT and f"takes {1000 * step:.1f} ms for a step" in TEXT
    assert round(20_000 * step / whole) == 21 and f"{1000 * grouped:.1f} ms for a step of all" in TEXT


def test_the_board_of_a_gpu_is_the_records() -> None:
    records = files.read([ROOT / "results" / "gpu" / "standard-width-h200"]).records
    for ipc in (1, 10):
        own = {record.cell.id: record for record in records if record.ipc == ipc}
        assert len(own) == 3 and {record.provenance.device for record in own.values()} == {"NVIDIA H200"}
        (trial,) = (record for record in own.values() if is_of(record, Trial))
        scores = {
            record.cell.settings["recipe"]: f"{100 * mean(record.scores['accuracy']):.1f}"
            for record in own.values()
            if is_of(record, Evaluation)
        }
        shown = f"{trial.cell.hyperparameters['steps']} | {trial.seconds:.0f}"
        assert f"| {ipc} | {shown} | {scores['dsa-1000']} | {scores['rat-bptt-1000']} |" in TEXT


def test_the_engine_is_as_fast_as_was_asked() -> None:
    reached = {name.split()[0]: row["ratio"]["median"] for name, row in measured_rows("outer-step-xeon")}
    assert reached["S"] >= 2.5 and reached["M"] >= 2.5 and reached["L"] >= 2


def test_steps_are_compiled_from_about_when_it_saves_time() -> None:
    rows = [row for _, row in measured_rows("compiling-xeon")]
    found = sorted(row["compiled_from"] / row["worth_from"] for row in rows)
    assert len(found) == 10 and f"between {found[0]:.2f} and {found[-1]:.2f} times" in TEXT
    seconds = sorted(row["compiling_seconds"] for row in rows)
    assert f"{seconds[0]:.0f} to {seconds[-1]:.0f} seconds per part" in TEXT


def test_speeds_of_other_steps_are_the_measured_ones() -> None:
    rows = list(other_speeds())
    assert len(rows) == 14
    for what, shape, ratio in rows:
        cell = f"{ratio['median']:.2f} [{ratio['min']:.2f}, {ratio['max']:.2f}]"
        assert f"| {what} | {shape} | {cell} |" in TEXT.splitlines()


def other_speeds() -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield what was measured, its shape and the ratio to a plain loop."""
    for what, key in (("DC", "dc"), ("DM", "dm")):
        for name, row in measured_rows("matching-cpu"):
            yield what, name, row[key]["ratio"]
    for name, row in measured_rows("trajectory-cpu"):
        yield "MTT", name, row["ratio"]
    for name, row in measured_rows("retraining-cpu"):
        yield "retraining", f"w{row['width']}, {name}", row["ratio_to_plain"]


def measured_rows(name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(key, row) for key, row in measurement(name).items() if key != "provenance"]


def test_memory_is_the_measured_one() -> None:
    engine, official = measurement("memory-cpu"), measurement("memory-official-cpu")
    assert engine["bytes_per_window_step"] <= 8e6
    longest = engine["peak_bytes"]["200"]
    assert longest < 4e9 and f"200 steps peaks at {longest / 2**20:.0f} MiB" in TEXT
    for found in (engine, official):
        assert f"{found['bytes_per_window_step'] / 2**20:.1f} MiB" in TEXT


def test_the_board_of_budgets_is_the_records() -> None:
    folder = STUDIES / "budget-curve"
    table = budget_curve.summary(budget_curve.measured([folder])).to_markdown(index=False).splitlines()
    assert set(table[2:]) <= set((folder / "figure.md").read_text().splitlines())


def test_times_of_large_stores_and_grids_are_the_measured_ones() -> None:
    page = (ROOT / "docs" / "stores.md").read_text()
    records, runs = measurement("stores-cpu")["records"], measurement("cells-cpu")["runs"]
    for command in records["100000"]:
        cells = [
            f"{found['seconds']:.1f} s, {found['peak_bytes'] / 1e9:.1f} GB"
            for found in (each[command] for each in records.values())
        ]
        assert f"| {command} | {' | '.join(cells)} |" in page
    for (form, rows), sizes in ((tuple(key.split(", ")), each) for key, each in runs.items()):
        shown = [f"{milliseconds(runs, form, rows, int(cells)):.0f} ms" for cells in sizes if cells != "2"]
        assert f"| {form} | {rows} | {' | '.join(shown)} |" in page
    for found in (records["100000"][command] for command in ("status", "leaderboard")):
        assert found["processor_seconds"] < 20 and found["peak_bytes"] < 2e9
    assert all(milliseconds(runs, "inline", rows, 10_000) < LIMITS["inline"] for rows in ROWS)
    assert all(milliseconds(runs, "ray", rows, 10_000) < LIMITS["ray"] for rows in ROWS)
