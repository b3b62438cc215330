"""Figures of one record: only what cannot be is an error. More in tests/behaviour/test_audit_of_cheats.py."""

from suite.records.audit.figures import wrong, wrong_seed
from suite.records.cells import SUBMITTED, Evaluation
from suite.records.record import Record
from tests.support.audited import HERE, fields
from tests.support.board_records import evaluated, trial


def test_an_accuracy_is_a_share_of_the_test_images() -> None:
    own = evaluated(trial("dm"), 0.5, 100 / 296)
    record = Record.model_validate({**own.model_dump(), **fields("dm", 0), "test_reads": 1})
    assert not [each for each in wrong(record, HERE) if each[1] == "accuracy"]
    off = record.model_copy(update={"scores": {"accuracy": (0.5, 0.501)}})
    assert [each[1] for each in wrong(off, HERE)] == ["accuracy"]
    assert not list(wrong(off, None))  # the number of test images is not known


def test_seeds_of_submissions_are_drawn() -> None:
    of = trial("dm")
    cell = evaluated(of, 0.5).cell
    assert isinstance(cell, Evaluation) and of.cell.kind == "distillation"
    assert wrong_seed(cell, of.cell)
    assert not wrong_seed(cell, of.cell.model_copy(update={"method": f"{SUBMITTED}mine"}))
