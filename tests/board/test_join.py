"""Which records count, and which are left out or refused."""

from pathlib import Path

import pytest

from suite.board.files import read
from suite.board.tables import board
from suite.records.cells import PROTOCOL
from tests.support.board_records import (
    SMALL,
    evaluated,
    full_data,
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


def test_a_finished_record_counts_before_a_failure_of_its_cell() -> None:
    again = SMALL[4].model_copy(update={"status": "failed", "error": "killed"})
    assert rows(board([again, *SMALL]))["rat_bptt"].rank == 1
