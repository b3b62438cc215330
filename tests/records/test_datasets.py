"""Records of several data under one name never meet: names that tell them apart."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.board.dd_ranking import HLR, IOR
from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import board
from suite.records.cells import Cell
from suite.records.datasets import Datasets, tell_apart, told
from suite.records.jobs import Planned
from suite.records.record import Record
from tests.support.board_records import SMALL, STANDARD, evaluated, full_data, rows, trial

A, B = "a" * 64, "a" * 40 + "b" * 24


def on(data: str, records: Sequence[Record]) -> list[Record]:
    return [record.model_copy(update={"data": data}) for record in records]


def planned(record: Record, data: str = "", cell: Cell | None = None) -> Planned:
    return Planned(label=record.label, task=record.task, ipc=record.ipc, cell=cell or record.cell, data=data)


def test_one_data_has_the_tasks_own_name() -> None:
    found, waiting, warnings = tell_apart(on(A, SMALL), [planned(SMALL[0])])
    assert {each.task for each in found} | {each.task for each in waiting} == {"digits"} and warnings == ()


def test_several_data_are_named_as_far_as_they_differ() -> None:
    found, _, warnings = tell_apart([*on(A, SMALL), *on(B, SMALL[:1])])
    assert {each.task for each in found} == {f"digits (data {A[:41]})", f"digits (data {B[:41]})"}
    assert warnings == (
        "digits: records of 2 different data under this name, in separate tables: "
        f"data {A[:41]} (9 records), data {B[:41]} (1 record)",
    )
    assert told("0123456789abcdef") == "data 0123456789ab" and told("") == "unknown data"


def test_what_earlier_releases_left_without_data_belongs_to_the_only_data() -> None:
    found, waiting, warnings = tell_apart([*on(A, SMALL[1:]), SMALL[0]], [planned(SMALL[0])])
    assert {each.task for each in found} | {each.task for each in waiting} == {"digits"} and warnings == ()
    assert Datasets.of([*on(A, SMALL[1:]), SMALL[0]]).counts == {"digits": {A: len(SMALL)}}


def test_of_several_data_it_belongs_to_none() -> None:
    found, _, (warning,) = tell_apart([*on(A, SMALL), *on(B, SMALL[1:]), SMALL[0]])
    assert found[-1].task == "digits (unknown data)" and "3 different data" in warning


def test_an_old_plan_asks_for_nothing_that_is_recorded_on_any_data() -> None:
    missing = trial("dm")
    plan = [planned(SMALL[0]), planned(missing)]
    _, waiting, _ = tell_apart([*on(A, SMALL), *on(B, SMALL)], plan)
    assert [(each.label, each.task) for each in waiting] == [("dm", "digits (unknown data)")]


def test_a_planned_cell_on_new_data_makes_its_row_wait_in_a_table_of_its_own() -> None:
    new = [planned(each, B) for each in SMALL[:4]]
    old, waiting = board(on(A, SMALL), planned=new).tables
    assert [row.rank for row in old.rows] == [1, 2] and old.task == f"digits (data {A[:41]})"
    assert [row.state for row in waiting.rows] == ["incomplete: 0 of 2 seeds"]


def test_an_evaluation_on_other_data_than_its_trials_is_left_out_with_a_warning() -> None:
    of = trial("dm", data=A)
    made = board([of, evaluated(of, 0.9).model_copy(update={"data": B})])
    assert [row.accuracy for table in made.tables for row in table.rows] == [None]
    assert "of dm left out: no trial" in made.warnings[0] and made.mixed == made.warnings[1:]


def test_a_test_split_read_too_often_on_one_data_is_no_fault_on_another() -> None:
    of = trial("dm", data=A)
    bad = trial("dm", data=B, test_reads=1)
    scored = evaluated(of, 0.9)
    made = board([of, bad, *on(A, [scored]), *on(B, [scored])])
    assert [[row.name for row in table.rows] for table in made.tables] == [["dm"]]


# The accuracy of every network tells its data: 0.1, 0.2, …; `better` is 0.05 above, full data 0.3.
data = st.sampled_from([A, B, "c" * 64, "d" * 64])
cells = st.tuples(data, st.sampled_from(["random_subset", "better", "full data"]), st.integers(0, 3))
SHADE = {A: 0.1, B: 0.2, "c" * 64: 0.3, "d" * 64: 0.4}
ABOVE = {"random_subset": 0.0, "better": 0.05, "full data": 0.3}


def records_of(drawn: Sequence[tuple[str, str, int]]) -> list[Record]:
    found = []
    for of, label, seed in drawn:
        value = SHADE[of] + ABOVE[label]
        if label == "full data":
            found += on(of, [full_data(value)])
        else:
            made = trial(label, seed=seed)
            scored = evaluated(made, value, value)
            hard = {"recipe": "dsa-1000", "native_recipe": "dsa-1000", "network": STANDARD}
            robust = scored.cell.model_copy(update={"evaluator": "label_robust", "settings": hard})
            other = scored.cell.model_copy(update={"evaluator": "cross"})
            more = [scored.model_copy(update={"cell": cell}) for cell in (robust, other)]
            found += on(of, [made, scored, *more])
    return found


@given(st.lists(cells, min_size=1, max_size=16, unique=True))
@settings(max_examples=40, deadline=None)
def test_no_statistic_has_records_of_different_data(drawn: list[tuple[str, str, int]]) -> None:
    made = board(records_of(drawn))
    made_on = {of for of, label, _ in drawn if label != "full data"}
    assert len({table.task for table in made.tables}) == len(made_on)
    for row in (row for table in made.tables for row in table.rows):
        of = SHADE[row.data] + ABOVE[row.label]
        expected = {
            "accuracy": (row.accuracy, of),
            "ior": (row.robustness.scores.get(IOR), ABOVE[row.label]),
            "hlr": (row.robustness.scores.get(HLR), ABOVE["full data"] - ABOVE[row.label]),
            "behind": (row.behind, 0.05),
        }
        for value, right in expected.values():
            _constant(value, right)
        if row.share is not None:
            assert row.share == pytest.approx(of / (SHADE[row.data] + ABOVE["full data"]))
    shown = (row for table in made.breakdowns for row in table.rows)
    assert all(value.low == value.high for row in shown for value in row.scores.values())


def _constant(value: Interval | Difference | None, right: float) -> None:
    if value is not None:
        assert (value.low, value.mean, value.high) == pytest.approx((right, right, right))


def test_the_property_sees_a_mixture() -> None:
    """Without fingerprints the same records make one table, in which nothing is constant."""
    drawn = [(A, "better", 0), (B, "better", 1)]
    mixed = [each.model_copy(update={"data": ""}) for each in records_of(drawn)]
    for records, count, high in ((mixed, 1, 0.25), (records_of(drawn), 2, 0.15)):
        made = board(records)
        accuracy = rows(made)["better"].accuracy
        assert len(made.tables) == count and accuracy and accuracy.high == pytest.approx(high)
