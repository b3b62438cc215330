"""Which records count, and which are left out or refused."""

from pathlib import Path

import pytest

from suite.board.dd_ranking import IOR
from suite.board.files import leaderboard, load, read, render
from suite.board.tables import board
from suite.records.cells import PROTOCOL, Trial
from suite.records.jobs import Plan, Planned, Tuned
from suite.records.record import Record
from tests.support.board_records import (
    SMALL,
    evaluated,
    full_data,
    pair,
    rows,
    save,
    trial,
)


def test_of_several_evaluations_the_one_with_most_copies_counts() -> None:
    of = trial("rat_bptt")
    made = board([of, evaluated(of, 0.9), evaluated(of, 0.5, 0.7), full_data(0.8, epochs=5), full_data(0.9)])
    accuracy = rows(made)["rat_bptt"].accuracy
    assert accuracy is not None and (accuracy.mean, accuracy.copies) == (0.6, (2,))
    assert made.tables[0].reference and made.tables[0].reference.name == "full data (60 epochs)"


def test_an_evaluation_without_its_trial_is_left_out_with_a_warning() -> None:
    made = board([*SMALL, evaluated(trial("lost"), 0.99)])
    assert "lost" not in rows(made)
    assert len(made.warnings) == 1 and "of lost left out: no trial" in made.warnings[0]


def test_a_recipe_of_an_edited_plug_in_is_another_recipe() -> None:
    """Trainings under its two versions are neither averaged nor compared with each other."""

    def under(of: Record, source: str, *accuracy: float) -> Record:
        made = evaluated(of, *accuracy, recipe="mine")
        return made.model_copy(update={"cell": made.cell.model_copy(update={"source": source})})

    old, new = "a" * 64, "b" * 64
    random = pair("random_subset", (0.5,), (0.5,))
    first, second = trial("mine", seed=0, recipe="mine"), trial("mine", seed=1, recipe="mine")
    records = [*random, first, second, under(first, new, 0.8), under(second, new, 0.8)]
    records += [under(each, old, 0.1) for each in random[:2]]
    made = rows(board(records))
    assert made["mine"].native == f"mine ({new[:12]})" and IOR not in made["mine"].robustness.scores
    assert set(made["random_subset"].scores) == {"dsa-1000", f"mine ({old[:12]})"}
    made = rows(board([*records, *(under(each, new, 0.6) for each in random[:2])]))
    assert made["mine"].robustness.scores[IOR].mean == pytest.approx(0.2)
    assert made["random_subset"].scores[f"mine ({old[:12]})"].mean == pytest.approx(0.1)
    assert rows(board(records[:8]))["mine"].native == "mine"  # one version needs no name


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    other = SMALL[0].model_copy(update={"protocol": PROTOCOL + 1})
    message = f"has protocol {PROTOCOL + 1}, this release reads protocol {PROTOCOL}"
    with pytest.raises(ValueError, match=message):
        board([other])
    save([other], tmp_path)
    with pytest.raises(ValueError, match="has protocol"):
        read([tmp_path])
    with pytest.raises(FileNotFoundError, match="no store at"):
        read([tmp_path / "absent"])


def test_how_settings_were_chosen_is_known_of_plans_and_stands_beside_the_record(tmp_path: Path) -> None:
    tuned = Tuned(tries=4, device_seconds=320.0)
    plan = [
        Planned(label=each.label, task=each.task, ipc=each.ipc, cell=each.cell, tuned=tuned)
        for each in SMALL
        if each.label == "rat_bptt" and isinstance(each.cell, Trial)
    ]
    save(SMALL, tmp_path)
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "small.json").write_text(Plan(cells=tuple(plan)).to_json())
    found = load([tmp_path])
    assert {name: row.tuned for name, row in rows(found).items()} == {
        "rat_bptt": tuned,
        "random_subset": None,
    }
    assert "| 4 tries, 5.3 min |" in render(found, "md")
    (line,) = leaderboard(tmp_path).query("label == 'rat_bptt'").to_dict("records")
    assert (line["tries"], line["tuning_seconds"]) == (4, 320.0)


def test_a_finished_record_counts_before_a_failure_of_its_cell() -> None:
    again = SMALL[4].model_copy(update={"status": "failed", "error": "killed"})
    assert rows(board([again, *SMALL]))["rat_bptt"].rank == 1
