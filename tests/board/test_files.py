"""The board, from records made by hand to its bytes."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from suite.board.files import board, check, pictures, read, render, terminal, write
from suite.board.reported import Reported
from suite.records.cells import PROTOCOL
from suite.records.jobs import Plan, Planned
from suite.records.record import Status
from tests.support.board_records import (
    REDUCED,
    SMALL,
    STANDARD,
    evaluated,
    full_data,
    pair,
    rows,
    save,
    trial,
)

ROOT = Path(__file__).parents[2]


def test_a_board_by_hand() -> None:
    table = board(SMALL).tables[0]
    first, second = table.rows
    assert (first.name, first.rank, second.name, second.rank) == ("rat_bptt", 1, "random_subset", 2)
    assert first.accuracy is not None and second.accuracy is not None
    assert (first.accuracy.mean, first.accuracy.low, first.accuracy.high) == (0.82, 0.80, 0.84)
    assert second.accuracy.mean == 0.53
    assert first.share == pytest.approx(0.82 / 0.96)
    text = render(board(SMALL), "md")
    line = next(line for line in text.splitlines() if "rat_bptt" in line)
    wanted = "| 1 | `rat_bptt` | 82.0 [80.0, 84.0] | – | 2 × 1 | same | 85.4% | 2.0 min | 1.5 GB |"
    assert " ".join(line.split()) == f"{wanted} 25.6 kB | hard |"
    assert "full data (60 epochs)" in text and "96.0 [95.0, 97.0] |                 – |     2 |" in text
    assert "- measured on a CPU, 2 threads" in text
    assert "Reads of the test split: 1 per evaluation, 0 per distillation." in text


def test_rows_share_a_rank_unless_their_difference_leaves_out_zero() -> None:
    made = rows(board([*SMALL, *pair("k_means", (0.83,), (0.80,)), *pair("herding", (0.79,), (0.83,))]))
    assert {name: row.rank for name, row in made.items()} == {
        "rat_bptt": 1,
        "k_means": 1,
        "herding": 3,  # both seeds are a point below rat_bptt's
        "random_subset": 4,
    }
    assert made["rat_bptt"].behind is None and made["herding"].behind is not None
    text = render(board([*SMALL, *pair("k_means", (0.83,), (0.80,))]), "md")
    line = next(line for line in text.splitlines() if "k_means" in line)
    assert " ".join(line.split()).startswith(
        "| 1 | `k_means` | 81.5 [80.0, 83.0] | 0.5 [−3.0, 4.0] | 2 × 1 |"
    )


def test_copies_from_the_same_networks_are_compared_pairwise() -> None:
    """Each copy gains half a point; networks that start elsewhere would leave the order open."""
    better, worse = pair("frepo", (0.805, 0.905)), pair("kip", (0.80, 0.90))
    assert [row.rank for row in board([*better, *worse]).tables[0].rows] == [1, 2]
    other = worse[1].cell.model_copy(update={"seed": 7})
    apart = [worse[0], worse[1].model_copy(update={"cell": other})]
    assert [row.rank for row in board([*better, *apart]).tables[0].rows] == [1, 1]


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


def test_one_seed_says_what_its_interval_lacks() -> None:
    text = render(board(pair("rat_bptt", (0.8, 0.9))), "md")
    assert "- 1 seed: no interval across distillations" in text and "`rat_bptt` |" in text
    mixed = render(board([*SMALL, *pair("kip", (0.8, 0.9))]), "md")
    assert "`kip` ¹ " in mixed and "- ¹ 1 seed: no interval across distillations" in mixed
    assert "one network: no interval" in render(board(pair("rat_bptt", (0.8,))), "md")


def test_configurations_of_a_label_are_told_apart() -> None:
    both = [*pair("rat_bptt", (0.8,), window=40), *pair("rat_bptt", (0.7,), window=60)]
    other = pair("rat_bptt", (0.5,), window=40, ipc=1)  # one line of the plot with window=40
    made = board([*both, *other, *pair("random_subset", (0.4,))])
    assert list(rows(made, 1)) == ["rat_bptt (window=40)", "rat_bptt (window=60)", "random_subset"]
    assert list(rows(made, 0)) == ["rat_bptt (window=40)"]


def test_networks_and_conditions_are_tables_of_their_own() -> None:
    of = trial("rat_bptt")
    records = [of, evaluated(of, 0.8), evaluated(of, 0.7, network=REDUCED), evaluated(of, 0.6, epochs=50)]
    made = board([*records, full_data(0.9, network=REDUCED)])
    assert [(t.network, t.conditions) for t in made.tables] == [
        *((STANDARD, ""), (STANDARD, "epochs=50"), (REDUCED, ""))
    ]
    shares = [table.rows[0].share for table in made.tables]
    assert shares == [None, None, pytest.approx(0.7 / 0.9)]
    assert f"### digits, {REDUCED} (reduced network): 10 images per class" in render(made, "md")


def test_of_several_evaluations_the_one_with_most_copies_counts() -> None:
    of = trial("rat_bptt")
    made = board([of, evaluated(of, 0.9), evaluated(of, 0.5, 0.7), full_data(0.8, epochs=5), full_data(0.9)])
    accuracy = rows(made)["rat_bptt"].accuracy
    assert accuracy is not None and (accuracy.mean, accuracy.copies) == (0.6, (2,))
    assert made.tables[0].reference and made.tables[0].reference.name == "full data (60 epochs)"


def test_native_accuracy_stands_beside_and_does_not_rank() -> None:
    of, chance = trial("rat_bptt", recipe="rat-bptt-1000"), trial("random_subset")
    records = [of, evaluated(of, 0.5), evaluated(of, 0.9, recipe="rat-bptt-1000")]
    records += [chance, evaluated(chance, 0.6), evaluated(chance, 0.4, recipe="rat-bptt-1000")]
    made = board(records)
    assert rows(made)["rat_bptt"].rank == 2
    text = render(made, "md")
    assert "90.0 (rat-bptt-1000)" in text
    assert "| `random_subset` | 40.0" in text.split("Under the other recipes")[1]


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
    text = render(made, "md").split("Under the other recipes")[1]
    assert "| `rat_bptt` | 90.0 [90.0, 90.0] (dc-300, rat-bptt-1000) |" in text


def test_a_row_without_the_standard_recipe_says_so_and_keeps_its_accuracy() -> None:
    made = [trial("rat_bptt", seed=seed) for seed in (0, 1)]
    found = board([*made, *(evaluated(of, 0.7, 0.8, recipe="dc-300") for of in made)])
    (row,) = found.tables[0].rows
    assert (row.state, row.rank, row.scores["dc-300"].mean) == ("not under dsa-1000", None, 0.75)
    assert "| `rat_bptt` | 75.0 [70.0, 80.0] (dc-300) |" in " ".join(render(found, "md").split())


def test_prefixes_are_rows_at_their_size() -> None:
    of = trial("boosted", ipc=50)
    direct = pair("boosted", (0.6,))
    made = board([of, evaluated(of, 0.8), evaluated(of, 0.7, ipc=10), *direct])
    assert list(rows(made, 0)) == ["boosted (first 10 of 50)", "boosted"]
    prefix = rows(made, 0)["boosted (first 10 of 50)"]
    assert prefix.stored_bytes == 25_600 * 10 // 50
    assert prefix.line == rows(made, 1)["boosted"].line == "boosted (prefixes of 50)"


def test_a_factorised_row_says_how_many_images_its_bytes_decode_to() -> None:
    factorised = pair("rtp", (0.7,), decoded=29)
    text = render(board([*SMALL, *factorised]), "md")
    line = next(line for line in text.splitlines() if "rtp" in line and "25.6" in line)
    assert "25.6 kB ³" in " ".join(line.split())
    assert "- ³ bytes of a code, which decodes to 29 images per class" in text
    assert rows(board(factorised))["rtp"].decoded == 29
    values = json.loads(render(board([*SMALL, *factorised]), "json"))
    found = (
        {row["label"]: row["decoded"] for row in values["rows"]}
        if isinstance(values, dict)
        else {row["label"]: row["decoded"] for row in values}
    )
    assert found["rtp"] == 29 and found["rat_bptt"] == 0


def test_other_records_are_what_they_were() -> None:
    """Their JSON, and so their sha256, has no word of decoded images."""
    assert "decoded" not in trial("rat_bptt").to_json()
    assert '"decoded": 29' in trial("rtp", decoded=29).to_json()


def test_reported_figures_join_only_where_they_belong() -> None:
    entry = Reported(task="digits", method="rat_bptt", figures=((10, 53.2, 0.7),), source="a paper")
    of = trial("rat_bptt_short", method="rat_bptt", window=20)
    small = evaluated(SMALL[4], 0.7, network=REDUCED)
    made = board([*SMALL, of, evaluated(of, 0.4), small], reported=[entry])
    standard, reduced = made.tables
    assert [row.reported for row in standard.rows] == [(entry,), (), ()]
    assert all(not row.reported for row in reduced.rows)
    text = render(made, "md")
    assert "53.2 ± 0.7 ¹" in text and "- ¹ a paper" in text


def test_figures_for_other_networks_stand_apart_beside_the_own_recipes() -> None:
    entry = Reported(task="digits", method="rat_bptt", figures=((10, 53.2, 0.7),), source="a paper")
    made = board([*SMALL, evaluated(SMALL[4], 0.7, network=REDUCED)], reported=[entry])
    standard, reduced = made.tables
    assert not any(row.elsewhere for row in standard.rows)
    assert {row.name: row.elsewhere for row in reduced.rows if row.elsewhere} == {"rat_bptt": (entry,)}
    text = render(made, "md")
    (line,) = (line for line in text.splitlines() if line.startswith("| `rat_bptt`") and "a paper" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")][2:] == ["53.2 ± 0.7", STANDARD, "a paper"]
    assert text.count("Printed for other networks") == 1


@pytest.mark.parametrize("format", ["md", "csv", "json"])
def test_the_order_of_records_does_not_change_a_byte(format: Any) -> None:
    records = [*SMALL, *pair("rat_bptt", (0.7,), window=60), trial("kip", status="oom")]
    texts = set()
    for seed in range(5):
        random.Random(seed).shuffle(records)
        texts.add(render(board(records), format))
    assert len(texts) == 1


def test_formats_agree() -> None:
    made = board([*SMALL, trial("kip", status="diverged")])
    content = json.loads(render(made, "json"))
    assert [line["rank"] for line in content["rows"]] == [1, 2, None, None]
    assert content["rows"][0]["accuracy"] == 0.82
    assert content["rows"][0]["hyperparameters"] == {"window": 40}
    assert render(made, "csv").splitlines()[1].startswith(f"digits,10,{STANDARD},,1,rat_bptt,")
    with pytest.raises(ValueError, match="format 'xml' is none of md, csv, json"):
        render(made, "xml")  # type: ignore[arg-type]


def test_damaged_files_are_skipped_with_a_warning(tmp_path: Path) -> None:
    save([*SMALL, trial("kip", status="oom")], tmp_path)
    files = sorted(tmp_path.glob("records/**/*.json"))
    files[0].write_text(files[0].read_text().replace("abc1234", "abc9999"))
    files[1].write_bytes(b'{"cut')
    files[2].write_text("{}")
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "a.json").write_text(Plan(cells=()).to_json())
    (tmp_path / "plan" / "b.json").write_text('{"cells": 3}')
    found = read([tmp_path])
    assert len(found.warnings) == 4 and len(found.records) == len(SMALL) - 3 + 1
    assert "does not match its sha256" in found.warnings[0]
    board(found.records, planned=found.planned)  # joins what is left


def test_an_evaluation_without_its_trial_is_left_out_with_a_warning() -> None:
    made = board([*SMALL, evaluated(trial("lost"), 0.99)])
    assert "lost" not in rows(made)
    assert len(made.warnings) == 1 and "of lost left out: no trial" in made.warnings[0]


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    other = SMALL[0].model_copy(update={"protocol": PROTOCOL + 1})
    with pytest.raises(ValueError, match=f"has protocol {PROTOCOL + 1}, this release reads"):
        board([other])
    save([other], tmp_path)
    with pytest.raises(ValueError, match="has protocol"):
        read([tmp_path])
    with pytest.raises(FileNotFoundError, match="no store at"):
        read([tmp_path / "absent"])


def test_a_finished_record_counts_before_a_failure_of_its_cell() -> None:
    again = SMALL[4].model_copy(update={"status": "failed", "error": "killed"})
    assert rows(board([again, *SMALL]))["rat_bptt"].rank == 1


def test_check_says_whether_the_files_are_current(tmp_path: Path) -> None:
    made, later = board(SMALL), board([*SMALL, *pair("k_means", (0.6,), (0.61,))])
    target, table = tmp_path / "out" / "leaderboard.md", tmp_path / "leaderboard.csv"
    assert "leaderboard.md from the records" in check(made, target)
    paths = write(made, target)
    before = [path.read_bytes() for path in paths]
    assert check(made, target) == ""
    assert [path.read_bytes() for path in write(made, target)] == before
    assert "k_means" in check(later, target)
    assert f"plots/digits-{STANDARD}.png is missing or shows other records" in check(later, target)
    with Image.open(paths[1]) as image:
        assert image.size == (1200, 675)
    assert write(made, table, "csv") == [table] and check(made, table, "csv") == ""
    table.write_text(table.read_text() + "edited by hand\n")
    assert "-edited by hand" in check(made, table, "csv")


def test_pictures_that_exist_are_linked(tmp_path: Path) -> None:
    made = board(SMALL)
    path = "pictures/digits/rat_bptt-ipc10-seed1.png"
    assert pictures(made)[path] == SMALL[5].cell.id
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    write(made, tmp_path / "leaderboard.md")
    text = (tmp_path / "leaderboard.md").read_text()
    assert f"[1]({path})" in text and "seed0" not in text


def test_the_terminal_shows_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    for table in terminal(board(SMALL)):
        Console(width=80).print(table)
    assert "82.0 [80.0, 84.0]" in capsys.readouterr().out
