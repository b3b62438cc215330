"""Rows: their state, their accuracies under each recipe, and what stands beside them."""

import json

import pytest

from suite.board.files import render
from suite.board.render import words
from suite.board.reported import Reported
from suite.board.tables import board
from suite.records.jobs import Planned
from suite.records.record import Status
from tests.support.board_records import (
    REDUCED,
    SMALL,
    STANDARD,
    evaluated,
    pair,
    rows,
    trial,
)


def test_incomplete_rows_are_shown_and_not_ranked() -> None:
    made = rows(board([*SMALL, trial("rat_bptt", seed=2)]))
    assert made["rat_bptt"].state == "incomplete: 2 of 3 seeds"
    assert (made["rat_bptt"].rank, made["random_subset"].rank) == (None, 1)


@pytest.mark.parametrize(("status", "word"), [("diverged", "div."), ("failed", "failed"), ("oom", "oom")])
def test_what_failed_has_its_word_and_its_error(status: Status, word: str) -> None:
    made = board([*SMALL, trial("kip", status=status, error="loss is inf\n at step 3")])
    assert rows(made)["kip"].state == word
    text = render(made, "md")
    assert f"seed 0, {word}: loss is inf at step 3" in text
    part = board([*SMALL, trial("rat_bptt", seed=2, status=status)])
    assert rows(part)["rat_bptt"].state == f"incomplete: 2 of 3 seeds ({word})"


def test_a_failed_evaluation_makes_its_row_incomplete() -> None:
    of = trial("rat_bptt", seed=2)
    made = rows(board([*SMALL, of, evaluated(of, status="oom", error="out of memory")]))
    assert made["rat_bptt"].state == "incomplete: 2 of 3 seeds (oom)"


def test_planned_cells_without_a_record_are_missing() -> None:
    absent = [trial("rat_bptt", seed=2), trial("frepo"), evaluated(trial("frepo"), 0.0)]
    planned = [Planned(label=r.label, task=r.task, ipc=r.ipc, cell=r.cell) for r in [*absent, SMALL[0]]]
    made = rows(board(SMALL, planned=planned))
    assert made["rat_bptt"].state == "incomplete: 2 of 3 seeds"
    assert made["frepo"].state == "incomplete: 0 of 1 seed"
    assert made["random_subset"].state == ""


def test_native_accuracy_stands_beside_and_does_not_rank() -> None:
    of, chance = trial("rat_bptt", recipe="rat-bptt-1000"), trial("random_subset")
    records = [of, evaluated(of, 0.5), evaluated(of, 0.9, recipe="rat-bptt-1000")]
    records += [chance, evaluated(chance, 0.6), evaluated(chance, 0.4, recipe="rat-bptt-1000")]
    made = board(records)
    assert rows(made)["rat_bptt"].rank == 2
    text = render(made, "md")
    assert "90.0 (rat-bptt-1000)" in text
    assert "- `random_subset`: `rat-bptt-1000` 40.0\n" in text.split("under other recipes")[1]


def test_a_chosen_recipe_is_named_and_does_not_rank() -> None:
    first, second = (trial("rat_bptt", seed=seed) for seed in (0, 1))
    found = [evaluated(first, 0.5), evaluated(second, 0.5)]
    for of, name in ((first, "rat-bptt-1000"), (second, "dc-300")):
        chosen = evaluated(of, 0.9, recipe="chosen")
        scores = {**chosen.scores, "holdout/dc-300": (0.3,), f"chosen/{name}": (1.0,)}
        found.append(chosen.model_copy(update={"scores": scores}))
    made = board([first, second, *found])
    row = rows(made)["rat_bptt"]
    assert row.accuracy is not None and row.accuracy.mean == 0.5
    text = render(made, "md").split("under other recipes")[1]
    assert "- `rat_bptt`: `chosen` 90.0 [90.0, 90.0] (dc-300, rat-bptt-1000)\n" in text


def test_native_is_the_same_only_where_the_standard_recipe_was_measured() -> None:
    measured, other, lost = trial("kip"), trial("frepo"), trial("dm", status="diverged")
    found = [measured, evaluated(measured, 0.5), other, evaluated(other, 0.6, recipe="dc-300"), lost]
    shown = {row.name: words.native(row) for row in board(found).tables[0].rows}
    assert shown == {"kip": "same", "frepo": "– (dsa-1000)", "dm": "– (dsa-1000)"}


def test_a_row_without_the_standard_recipe_says_so_and_keeps_its_accuracy() -> None:
    made = [trial("rat_bptt", seed=seed) for seed in (0, 1)]
    found = board([*made, *(evaluated(of, 0.7, 0.8, recipe="dc-300") for of in made)])
    (row,) = found.tables[0].rows
    assert (row.state, row.rank, row.scores["dc-300"].mean) == ("not under dsa-1000", None, 0.75)
    assert "| `rat_bptt` | 75.0 [70.0, 80.0] (dc-300) |" in " ".join(render(found, "md").split())


def test_a_factorised_row_says_how_many_images_its_bytes_decode_to() -> None:
    factorised = pair("rtp", (0.7,), decoded=29)
    text = render(board([*SMALL, *factorised]), "md")
    line = next(line for line in text.splitlines() if "rtp" in line and "25.6" in line)
    assert "25.6 kB ³" in line
    assert "- ³ factorised: decodes to 29 images per class" in text
    assert rows(board(factorised))["rtp"].costs.decoded == 29
    values = json.loads(render(board([*SMALL, *factorised]), "json"))
    found = {row["label"]: row["decoded"] for row in values["rows"]}
    assert found["rtp"] == 29 and found["rat_bptt"] == 0


def test_reported_figures_join_only_where_they_belong() -> None:
    entry = Reported(task="digits", method="rat_bptt", figures=((10, 53.2, 0.7),), source="a paper")
    of = trial("rat_bptt_short", method="rat_bptt", window=20)
    small = evaluated(SMALL[4], 0.7, network=REDUCED)
    made = board([*SMALL, of, evaluated(of, 0.4), small], reported=[entry])
    standard, reduced = made.tables
    assert [row.papers.same_network for row in standard.rows] == [(entry,), (), ()]
    assert all(not row.papers.same_network for row in reduced.rows)
    text = render(made, "md")
    assert "53.2 ± 0.7 ¹" in text and "- ¹ a paper" in text


def test_figures_for_other_networks_stand_apart_beside_the_own_recipes() -> None:
    entry = Reported(task="digits", method="rat_bptt", figures=((10, 53.2, 0.7),), source="a paper")
    made = board([*SMALL, evaluated(SMALL[4], 0.7, network=REDUCED)], reported=[entry])
    standard, reduced = made.tables
    assert not any(row.papers.other_networks for row in standard.rows)
    assert {row.name: row.papers.other_networks for row in reduced.rows} == {"rat_bptt": (entry,)}
    text = render(made, "md")
    (line,) = (line for line in text.splitlines() if line.startswith("| `rat_bptt`") and "a paper" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")][2:] == ["53.2 ± 0.7", STANDARD, "a paper"]
    assert text.count("Accuracies printed in papers for other networks") == 1


def test_a_corrected_native_recipe_takes_the_place_of_the_recorded_one() -> None:
    """Sets that were made before stay; only their evaluations are new."""
    of = trial("rded", recipe="rded-300")
    old, new = evaluated(of, 0.3, recipe="rded-300"), evaluated(of, 0.4, recipe="rded-300-v2")
    assert rows(board([of, evaluated(of, 0.5), old]))["rded"].native == "rded-300"
    assert rows(board([of, evaluated(of, 0.5), old, new]))["rded"].native == "rded-300-v2"
