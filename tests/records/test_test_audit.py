"""Records that read the test split too often are left out, and what hangs on them."""

from pathlib import Path
from typing import Any

import pytest

from suite.board.files import finished, render
from suite.board.tables import board
from suite.records.jobs import Planned
from suite.records.record import Record
from suite.records.test_audit import distinct_reads, drop_overread
from tests.support.board_records import SMALL, evaluated, full_data, pair, rows, save, trial


def with_reads(record: Record, reads: int) -> Record:
    return record.model_copy(update={"test_reads": reads})


def test_one_read_per_trained_network_is_the_limit() -> None:
    of = trial("kip")
    three = evaluated(of, 0.5, 0.6, 0.7)
    assert drop_overread([of, with_reads(three, 3), with_reads(full_data(0.9, 0.8), 2)])[1] == ()
    kept, warnings = drop_overread([of, with_reads(three, 4)])
    assert kept == [of]
    assert warnings == (
        f"evaluation {three.cell.id[:12]} of kip on digits left out: "
        "it read the test split 4 times for 3 networks",
    )
    assert drop_overread([with_reads(full_data(0.9, 0.8), 3)])[0] == []


@pytest.mark.parametrize("status", ["done", "diverged", "failed"])
def test_a_distillation_reads_nothing_and_takes_its_evaluations_along(status: Any) -> None:
    of, other = trial("kip", status=status, test_reads=1), pair("herding", (0.5,))
    kept, warnings = drop_overread([of, evaluated(of, 0.9), *other])
    assert kept == other and len(warnings) == 1
    assert warnings[0].endswith(
        "of kip on digits left out: it read the test split 1 time; a distillation must not read it"
    )


def test_a_failed_evaluation_shows_no_score_and_may_stay() -> None:
    failed = with_reads(evaluated(trial("kip"), status="failed"), 1)
    assert drop_overread([failed]) == ([failed], ())


def test_the_row_is_incomplete_and_the_others_stand() -> None:
    peeked = with_reads(SMALL[7], 2)  # a seed of rat_bptt, one network
    assert peeked.label == "rat_bptt"
    made = board([*SMALL[:7], peeked, *SMALL[8:]])
    assert rows(made)["rat_bptt"].state == "incomplete: 1 of 2 seeds"
    assert rows(made)["random_subset"].rank == 1
    assert len(made.warnings) == 1 and made.test_reads == (1,)


def test_a_refused_distillation_that_was_planned_is_missing() -> None:
    of = trial("kip", test_reads=1)
    records = [of, evaluated(of, 0.99)]
    planned = [Planned(label="kip", task="digits", ipc=10, cell=record.cell) for record in records]
    made = board([*SMALL, *records], planned=planned)
    assert (rows(made)["kip"].state, rows(made)["kip"].scores) == ("incomplete: 0 of 1 seed", {})
    assert "99.0" not in render(made, "md")


def test_counts_are_those_of_finished_records() -> None:
    of = trial("kip")
    records = [of, evaluated(of, 0.5), with_reads(evaluated(of, 0.5, 0.6), 2)]
    records.append(with_reads(evaluated(of, status="oom"), 9))
    assert distinct_reads(records, "evaluation") == (1, 2) and distinct_reads(records, "distillation") == (0,)


def test_figures_too_are_drawn_without_them(tmp_path: Path) -> None:
    peeked = with_reads(SMALL[7], 2)
    for store in ("one", "other"):  # a record that two stores hold counts once
        save([*SMALL[:7], peeked], tmp_path / store)
    with pytest.warns(UserWarning, match="left out: it read the test split 2 times"):
        found = finished([tmp_path / "one", tmp_path / "other"])
    assert {record.cell.id for record in found} == {record.cell.id for record in SMALL[:7]}
    assert len(found) == 7
