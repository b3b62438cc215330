"""Average ranks over tables, by hand, and against SciPy."""

import json
from itertools import chain

from scipy.stats import rankdata

from suite.board.files import render
from suite.board.tables import board
from suite.records.record import Record
from tests.support.board_records import evaluated, pair, trial


def averages(*records: list[Record]) -> dict[str, tuple[float, tuple[float, ...]]]:
    found = board(chain(*records)).averages
    return {each.name: (each.rank, each.ranks) for each in found.complete}


def test_the_mean_of_ranks_over_tables_is_that_of_scipy() -> None:
    scores = {"a": (0.9, 0.5), "b": (0.8, 0.7), "c": (0.7, 0.6)}
    records = [
        pair(name, (values[n],), ipc=ipc) for name, values in scores.items() for n, ipc in enumerate((1, 10))
    ]
    by_table = [rankdata([-values[n] for values in scores.values()]) for n in (0, 1)]
    assert averages(*records) == {
        name: ((one + ten) / 2, (one, ten)) for name, one, ten in zip(scores, *by_table, strict=True)
    }


def test_tied_rows_share_the_mean_of_their_places() -> None:
    tied = [pair("a", (0.8,), (0.6,), ipc=1), pair("b", (0.6,), (0.78,), ipc=1)]
    apart = [pair("a", (0.8,), (0.7,)), pair("b", (0.7,), (0.6,))]
    assert averages(*tied, *apart) == {"a": (1.25, (1.5, 1)), "b": (1.75, (1.5, 2))}


def test_only_rows_complete_in_every_table_take_part_and_the_others_move_nobody() -> None:
    everywhere = [
        pair(name, (score,), ipc=ipc) for name, score in (("a", 0.8), ("b", 0.7)) for ipc in (1, 10)
    ]
    best, failed = pair("once", (0.9,)), [*pair("kip", (0.95,)), *pair("kip", (0.95,), ipc=1)]
    unfinished = [trial("kip", seed=1)]  # at ten images per class
    records = [*chain(*everywhere), *best, *failed, *unfinished]
    found = board(records).averages
    assert [(each.name, each.ranks) for each in found.complete] == [("a", (1, 1)), ("b", (2, 2))]
    assert found.rows == 4
    text = render(board(records), "md")
    section = text.split(">Average rank")[1].split("\n\n</details>")[0]
    assert "Over the 2 tables with at least two ranked rows" in section
    assert "Only the 2 of 4 rows that are complete in all of them" in section
    assert " ".join(section.split()).endswith("| `a` | 1.00 | 1, 1 | | `b` | 2.00 | 2, 2 |")


def test_there_is_none_for_one_table_or_one_row() -> None:
    two = [pair("a", (0.8,)), pair("b", (0.7,))]
    assert averages(*two) == {}
    assert averages(*two, pair("a", (0.8,), ipc=1), pair("c", (0.7,), ipc=1)) == {}
    assert "Average rank" not in render(board(chain(*two)), "md")


def test_a_table_of_one_row_compares_nothing_and_hinders_nobody() -> None:
    both = [pair(name, (score,), ipc=ipc) for name, score in (("a", 0.8), ("b", 0.7)) for ipc in (1, 10)]
    assert (
        averages(*both, pair("a", (0.9,), ipc=50)) == averages(*both) == {"a": (1, (1, 1)), "b": (2, (2, 2))}
    )


def test_networks_and_conditions_are_tables_too_and_json_has_the_averages() -> None:
    records = []
    for name, score in (("a", 0.8), ("b", 0.7)):
        of = trial(name)
        records += [of, evaluated(of, score), evaluated(of, 1 - score, epochs=50)]
    content = json.loads(render(board(records), "json"))
    assert content["average_ranks"] == [
        {"name": "a", "rank": 1.5, "ranks": [1, 2]},
        {"name": "b", "rank": 1.5, "ranks": [2, 1]},
    ]
