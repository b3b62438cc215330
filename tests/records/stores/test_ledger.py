"""Which records a union takes, without files."""

from pathlib import Path
from typing import Any

import pytest

from suite.records.record import Record
from suite.records.stores.ledger import Ledger
from tests.support.board_records import evaluated, trial


@pytest.fixture
def ledger() -> Any:
    made = Ledger()
    yield made
    made.close()


def add(ledger: Ledger, store: int, *records: Record) -> None:
    for number, record in enumerate(records):
        sealed = record.sealed()
        ledger.add(store, Path(f"{store}/{number}"), sealed.to_json().encode(), sealed)


def taken(ledger: Ledger, first: int = 0) -> list[str]:
    ledger.decide()
    return sorted(str(entry.path) for entry, _ in ledger.chosen(first))


def test_a_record_of_two_stores_is_taken_once(ledger: Ledger) -> None:
    for store in (1, 2):
        add(ledger, store, trial("dm", data="a"))
    assert taken(ledger) == ["1/0"] and list(ledger.clashes()) == []


def test_records_of_other_data_are_all_taken(ledger: Ledger) -> None:
    add(ledger, 1, trial("dm", data="a"))
    add(ledger, 2, trial("dm", data="b"))
    ledger.decide()
    assert [(entry.data, another) for entry, another in ledger.chosen(0)] == [("a", False), ("b", True)]


@pytest.mark.parametrize("data", ["a", ""])
def test_other_content_on_the_same_or_unknown_data_clashes(ledger: Ledger, data: str) -> None:
    add(ledger, 1, trial("dm", data="a"))
    add(ledger, 2, trial("dm", data=data, device_seconds=7.0))
    assert taken(ledger) == ["1/0"]
    assert [(str(first.path), str(second.path)) for first, second in ledger.clashes()] == [("1/0", "2/0")]


def test_records_that_stand_in_one_store_do_not_clash(ledger: Ledger) -> None:
    """Earlier releases left out what data a record is of."""
    add(ledger, 1, trial("dm", data=""), trial("dm", data="b", device_seconds=7.0))
    assert taken(ledger) == ["1/0", "1/1"] and list(ledger.clashes()) == []


def test_the_output_comes_first(ledger: Ledger) -> None:
    add(ledger, 0, trial("dm"))
    add(ledger, 1, trial("dm"), trial("dc"))
    assert taken(ledger, first=1) == ["1/1"]
    assert ledger.has(trial("dm").cell.id) and ledger.has(trial("dc").cell.id)
    assert not ledger.has(trial("mtt").cell.id)


def test_an_evaluation_stays_with_the_set_that_it_scored(ledger: Ledger) -> None:
    """Two machines distilled another set of one trial: scores of one do not belong to the other."""
    ours, theirs = trial("dm", artefact="1" * 64), trial("dm", artefact="2" * 64)
    add(ledger, 1, ours, evaluated(ours, 0.5))
    add(ledger, 2, theirs, evaluated(theirs, 0.6, recipe="dc-300"))
    assert taken(ledger) == ["1/0", "1/1"]
    assert [str(entry.path) for entry in ledger.left_out()] == ["2/1"]


def test_evaluations_of_the_same_set_come_together(ledger: Ledger) -> None:
    ours, theirs = (trial("dm", artefact="1" * 64, device_seconds=spent) for spent in (1.0, 2.0))
    add(ledger, 1, ours, evaluated(ours, 0.5))
    add(ledger, 2, theirs, evaluated(theirs, 0.6, recipe="dc-300"))
    assert taken(ledger) == ["1/0", "1/1", "2/1"] and list(ledger.left_out()) == []


def test_an_evaluation_without_its_trial_is_taken_if_nobody_has_that(ledger: Ledger) -> None:
    of = trial("dm")
    add(ledger, 1, evaluated(of, 0.5))
    assert taken(ledger) == ["1/0"]


def test_it_counts_by_store(ledger: Ledger) -> None:
    add(ledger, 2, trial("dm"), trial("dc"))
    assert (ledger.count(1), ledger.count(2)) == (0, 2)
