"""What docs/ says was measured is what the committed records and measurements say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from suite.figures import budget_curve, gradient_study, snapshots

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "results" / "studies"
TEXT = (ROOT / "docs" / "engine.md").read_text()


def measurement(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "results" / "measurements" / f"{name}.json").read_text())
    return found


def shown(table: pd.DataFrame) -> bool:
    lines = table.to_markdown(index=False, floatfmt=".3g").splitlines()
    return all(line in TEXT for line in lines[2:])


def test_the_study_of_gradients_is_the_records() -> None:
    assert shown(gradient_study.summary(gradient_study.measured([STUDIES / "gradient-study"])))


@pytest.mark.parametrize("name", ["equal-seconds", "standard-width"])
def test_curves_are_the_records(name: str) -> None:
    assert shown(snapshots.summary(snapshots.measured([STUDIES / name])))


def test_every_picture_is_there() -> None:
    for name in ("gradient-study", "equal-seconds", "standard-width"):
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
