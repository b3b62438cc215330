"""The board of budgets, from records made by hand to a table and a picture."""

import io
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from suite.figures import budget_curve
from suite.figures.budget_curve import Line
from suite.records.cells import Evaluation, Part
from suite.records.record import Record
from tests.support.board_records import CPU, STANDARD, evaluated, save, trial
from tests.support.command_line import ratbench, refused
from tests.support.titles import facts


def part(of: Record, how: Any, ipc: int, index: int, *accuracy: float) -> Record:
    """Return the evaluation of a part of a trial's set."""
    whole = evaluated(of, *accuracy)
    assert isinstance(whole.cell, Evaluation)
    cell = whole.cell.model_copy(update={"part": Part(how=how, ipc=ipc, index=index)})
    return whole.model_copy(update={"cell": cell, "ipc": ipc})


def store(path: Path, records: list[Record]) -> Path:
    save(records, path)
    return path


def direct(seed: int, one: float, four: float) -> list[Record]:
    made = [trial("rat_bptt", seed=seed, ipc=ipc, device_seconds=100.0 * ipc) for ipc in (1, 4)]
    random = [
        part(made[1], "random", 1, draw, one - 0.3 + step, one - 0.2 + step)
        for draw, step in ((0, 0.0), (1, 0.1))
    ]
    rest = part(made[1], "without", 3, 0, four - 0.05, four - 0.05)
    return [*made, evaluated(made[0], one, one), evaluated(made[1], four, four), *random, rest]


def boosted(seed: int, one: float, four: float) -> list[Record]:
    of = trial("strongly", method="boosted_rat_bptt", seed=seed, ipc=4, device_seconds=500.0)
    return [of, part(of, "prefix", 1, 0, one, one), evaluated(of, four, four)]


def real(seed: int) -> list[Record]:
    made = [trial("random_subset", seed=seed, ipc=ipc, device_seconds=0.0) for ipc in (1, 4)]
    return [*made, evaluated(made[0], 0.2, 0.4), evaluated(made[1], 0.5, 0.5)]


@pytest.fixture
def networks(tmp_path: Path) -> pd.DataFrame:
    records = [
        *direct(0, 0.6, 0.8),
        *direct(1, 0.7, 0.9),
        *boosted(0, 0.5, 0.8),
        *boosted(1, 0.6, 0.9),
        *real(0),
        *real(1),
    ]
    failed = trial("rat_bptt", seed=2, ipc=1, status="failed", error="x")
    snapshot = evaluated(records[0], 0.1)
    early = snapshot.cell.model_copy(update={"step": 3})
    return budget_curve.measured(
        [store(tmp_path / "s", [*records, failed, snapshot.model_copy(update={"cell": early})])]
    )


@pytest.fixture
def lines(networks: pd.DataFrame) -> dict[str, Line]:
    return {line.name: line for line in budget_curve.lines(networks)}


def test_curves_are_of_sets_of_each_size_of_prefixes_and_of_subsets(lines: dict[str, Line]) -> None:
    assert [(name, line.sizes) for name, line in lines.items()] == [
        ("rat_bptt", [1, 4]),
        ("strongly, prefixes of 4", [1, 4]),
        ("rat_bptt, random subsets of 4", [1, 4]),
        ("rat_bptt, 4 without one image", [3]),
        ("random real images", [1, 4]),
    ]
    means = {name: [line.accuracy(size).mean for size in line.sizes] for name, line in lines.items()}
    assert means["rat_bptt"] == pytest.approx([65, 85])
    assert means["strongly, prefixes of 4"] == pytest.approx([55, 85])
    assert means["rat_bptt, random subsets of 4"] == pytest.approx([45, 85])
    assert means["rat_bptt, 4 without one image"] == pytest.approx([80])
    assert means["random real images"] == pytest.approx([30, 50])


def test_random_images_with_a_teachers_labels_are_not_what_others_are_compared_with() -> None:
    columns = ["name", "method", "ipc", "seed", "networks", "accuracy"]
    found = [
        Line(name, "whole", pd.DataFrame([(name, name, 1, 0, 0, accuracy)], columns=columns))
        for name, accuracy in (("dm", 60.0), ("random_relabelled", 70.0), ("random_subset", 50.0))
    ]
    direct = budget_curve.reference([replace(line, rows=line.rows.assign(how="whole")) for line in found])
    assert direct is not None and direct.name == "dm"


def test_a_draw_is_one_unit_the_mean_of_its_networks(lines: dict[str, Line]) -> None:
    drawn = lines["rat_bptt, random subsets of 4"]
    assert drawn.per_seed(1)[0].values == pytest.approx((35.0, 45.0))
    assert drawn.accuracy(1).copies == (2, 2) and lines["rat_bptt"].accuracy(1).seeds == 2


def of_sizes(folder: Path, accuracies: dict[int, tuple[float, ...]]) -> Line:
    """Return the line of one seed's sets of some sizes."""
    made = {ipc: trial("rat_bptt", ipc=ipc) for ipc in accuracies}
    scored = [evaluated(made[ipc], *values) for ipc, values in accuracies.items()]
    (line,) = budget_curve.lines(budget_curve.measured([store(folder, [*made.values(), *scored])]))
    return line


def test_the_area_is_the_mean_accuracy_over_the_logarithm(lines: dict[str, Line], tmp_path: Path) -> None:
    # Two sizes: the mean of both, for each seed 70 and 80.
    area = lines["rat_bptt"].area([1, 4])
    assert area and (area.mean, area.low, area.high) == pytest.approx((75, 70, 80))
    assert lines["rat_bptt, 4 without one image"].area([1, 4]) is None
    # Three sizes by hand: 50 to 70 over log 2, 70 to 60 over log 5.
    expected = (60 * log(2) + 65 * log(5)) / log(10)
    three = of_sizes(tmp_path / "three", {1: (0.5,), 2: (0.7,), 10: (0.6,)}).area([1, 2, 10])
    assert three and three.mean == pytest.approx(expected)
    # Of unequal numbers of networks the means count: 55 and 70.
    unequal = of_sizes(tmp_path / "unequal", {1: (0.5, 0.6), 10: (0.7,)}).area([1, 10])
    assert unequal and unequal.mean == pytest.approx(62.5) and unequal.copies == (1,)


def test_the_largest_gap_is_to_sets_distilled_at_that_size(lines: dict[str, Line]) -> None:
    found = list(lines.values())
    reference = budget_curve.reference(found)
    assert reference is lines["rat_bptt"] and reference.largest_gap(reference) is None
    size, gap = lines["strongly, prefixes of 4"].largest_gap(reference) or (0, None)
    assert gap and (size, gap.paired) == (1, 2) and gap.mean == pytest.approx(10)
    assert lines["rat_bptt, 4 without one image"].largest_gap(reference) is None  # no size in common


def test_direct_distillation_pays_once_per_size_and_boosted_once(lines: dict[str, Line]) -> None:
    costs = {name: line.device_seconds for name, line in lines.items()}
    assert costs["rat_bptt"] == 500 and costs["strongly, prefixes of 4"] == 500
    assert costs["rat_bptt, random subsets of 4"] == 400 and costs["random real images"] == 0


def test_the_table_has_a_row_for_each_curve(networks: pd.DataFrame) -> None:
    table = budget_curve.summary(networks).set_index("curve")
    row = table.loc["strongly, prefixes of 4"]
    assert row["1"] == "55.0 [50.0, 60.0]" and row["3"] == "" and row["distillation"] == "500 s"
    assert row["largest gap"].endswith("at 1") and row["largest gap"].startswith("10.0")
    assert row["area"] == "70.0 [65.0, 75.0]" and table.loc["rat_bptt", "largest gap"] == ""


def test_it_is_tabled_drawn_and_written(networks: pd.DataFrame, tmp_path: Path) -> None:
    shown = ratbench("figure", "budget-curve", tmp_path / "s", "--output", tmp_path / "made/x.png")
    assert shown.exit_code == 0, shown.output
    text = (tmp_path / "made/x.md").read_text()
    assert "| 55.0 [50.0, 60.0] |" in text
    assert text.startswith(shown.output.partition("wrote")[0]) and "![budget-curve](x.png)" in text
    image = Image.open(io.BytesIO((tmp_path / "made/x.png").read_bytes()))
    assert image.width == 1200 and len(image.convert("RGB").getcolors(1 << 20) or []) > 5
    told = facts(lambda: budget_curve.plot(networks))
    assert told["title"] == "digits: test accuracy against images per class"
    assert told["subtitle"].startswith(f"{STANDARD}, recipe dsa-1000; n = 2 × 2 (sets × networks); ")
    assert "95% intervals" in told["subtitle"]


def test_each_recipe_is_a_place_of_its_own(tmp_path: Path) -> None:
    records = direct(0, 0.6, 0.8)
    other = [evaluated(of, 0.5, 0.5, recipe="dc-300") for of in records[:2]]
    table = budget_curve.summary(budget_curve.measured([store(tmp_path / "s", [*records, *other])]))
    assert table["recipe"].to_list() == ["dc-300", "dsa-1000", "dsa-1000", "dsa-1000"]


def test_a_store_of_one_size_has_no_curve(tmp_path: Path) -> None:
    made = trial("rat_bptt", provenance=CPU)
    at = store(tmp_path / "s", [made, evaluated(made, 0.5)])
    refused(ratbench("figure", "budget-curve", at), "retrained at two sizes", "run budget-curve first")
