"""DD-Ranking's scores as Markdown."""

import pytest

from suite.board.dd_ranking import SCORES
from suite.board.render.dd_ranking import cell, columns, explanation, limits
from suite.board.tables import Table, board
from suite.records.record import Record
from tests.support.board_records import SMALL, STANDARD, evaluated, full_data, pair, relabelled, trial


def table(*records: Record) -> Table:
    return board(records).tables[0]


def shown(found: Table, name: str) -> dict[str, str]:
    (row,) = (row for row in found.rows if row.name == name)
    return {score.title: cell(row, score) for score in columns(found)}


def test_a_board_without_scores_explains_none() -> None:
    assert explanation(board([trial("kip")])) == [] and explanation(board([])) == []


def test_what_scores_mean_is_said_once() -> None:
    listed, source = explanation(board(SMALL))
    assert len(listed.splitlines()) == len(SCORES) and "arxiv.org/abs/2505.13300" in source


def test_scores_of_a_row() -> None:
    """IOR is 60 - 30 points, HLR 85 - 60; a random subset gains nothing over itself."""
    found = table(*pair("random_subset", (0.30,)), *pair("kip", (0.60,)), full_data(0.85))
    assert shown(found, "kip") == {"IOR": "30.0", "HLR": "25.0", "LRS": "0.280"}
    assert limits(found) == [
        "- one random subset: intervals of IOR and LRS leave out variation between random subsets",
        "- one full-data network: intervals of HLR and LRS leave out variation between such networks",
    ]


def test_missing_scores_are_one_sentence_with_what_is_to_be_done() -> None:
    found = table(*pair("kip", (0.60,)), *pair("random_subset", (0.30,)))
    assert shown(found, "kip") == {"IOR": "30.0", "HLR": "", "LRS": ""}
    assert limits(found)[-1] == "- missing: HLR and LRS of `kip`, `random_subset` (`add [reference]`)"
    of = trial("frepo", label_kind="soft")
    soft = table(of, evaluated(of, 0.70), *SMALL)
    assert limits(soft) == ["- missing: HLR and LRS of `frepo` (`add [evaluator.label_robust]`)"]


@pytest.mark.parametrize(("count", "told"), [(3, "of `m0`, `m1`, `m2` ("), (4, "of 4 rows (")])
def test_a_sentence_names_few_rows_and_counts_many(count: int, told: str) -> None:
    rows = [trial(f"m{number}", label_kind="soft") for number in range(count)]
    (line,) = limits(table(*SMALL, *rows, *(evaluated(of, 0.7) for of in rows)))
    assert told in line


def test_both_references_of_soft_labels_have_columns_and_the_teacher_a_note() -> None:
    of = trial("frepo", label_kind="soft")
    hard = [*pair("random_subset", (0.30,)), *pair("kip", (0.60,))]
    made = board([of, evaluated(of, 0.70), *hard, *relabelled((0.45,)), full_data(0.85)])
    assert "**relabelled**" in explanation(made)[0].splitlines()[-1]
    told, without = shown(made.tables[0], "frepo"), shown(made.tables[0], "kip")
    assert (told["IOR"], told["IOR, relabelled"]) == ("40.0", "25.0")
    assert {without[name] for name in without if "relabelled" in name} == {""}
    assert f"labels of {STANDARD} after 20 epochs of dc-300" in "".join(limits(made.tables[0]))


def test_without_relabelled_subsets_there_are_no_such_columns() -> None:
    of = trial("frepo", label_kind="soft")
    made = board([of, evaluated(of, 0.70), *pair("random_subset", (0.30,)), full_data(0.85)])
    assert "relabelled" not in "".join([*explanation(made), *shown(made.tables[0], "frepo")])
