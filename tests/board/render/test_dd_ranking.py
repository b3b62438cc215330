"""DD-Ranking's scores as Markdown."""

from suite.board.dd_ranking import SCORES
from suite.board.render.dd_ranking import explanation, sections
from suite.board.tables import board
from tests.support.board_records import SMALL, STANDARD, evaluated, full_data, pair, relabelled, trial


def test_a_board_without_scores_explains_none() -> None:
    assert explanation(board([trial("kip")])) == [] and explanation(board([])) == []


def test_what_scores_mean_is_said_once() -> None:
    listed, source = explanation(board(SMALL))
    assert len(listed.splitlines()) == len(SCORES) and "arxiv.org/abs/2505.13300" in source


def test_a_section_shows_accuracies_and_the_scores_of_them() -> None:
    """IOR is 60 - 30 points, HLR 85 - 60; a random subset gains nothing over itself."""
    made = board([*pair("random_subset", (0.30,)), *pair("kip", (0.60,)), full_data(0.85)])
    title, table, notes = sections(made.tables[0])
    assert title.endswith(":")
    rows = {line.split("|")[1].strip(): line for line in table.splitlines()}
    assert [cell.strip() for cell in rows["`kip`"].split("|")[2:-1]][-2:] == ["25.0", "0.280"]
    assert " 30.0 ¹ " in rows["`kip`"] and " 85.0 ² " in rows["`kip`"]
    assert notes.startswith("- ¹ one random subset: intervals of IOR and LRS do not cover")


def test_a_score_without_its_accuracies_says_what_is_missing() -> None:
    made = board([*pair("kip", (0.60,)), *pair("random_subset", (0.30,))])
    _, table, notes = sections(made.tables[0])
    (row,) = (line for line in table.splitlines() if "`kip`" in line)
    assert row.count("missing ²") == 2 and "| – |" in " ".join(row.split())
    assert "- ² no training on full data under dsa-1000: add [reference]" in notes


def test_both_references_of_soft_labels_have_columns_and_the_teacher_a_note() -> None:
    of = trial("frepo", label_kind="soft")
    hard = [*pair("random_subset", (0.30,)), *pair("kip", (0.60,))]
    made = board([of, evaluated(of, 0.70), *hard, *relabelled((0.45,)), full_data(0.85)])
    assert "**relabelled**" in explanation(made)[0].splitlines()[-1]
    _, table, notes = sections(made.tables[0])
    header, _, *lines = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines())
    soft, hard_row = (next(line for line in lines if line[0] == f"`{name}`") for name in ("frepo", "kip"))
    told = dict(zip(header, soft, strict=True))
    assert (told["IOR"], told["IOR, relabelled"]) == ("40.0", "25.0")
    assert told["relabelled random %"].startswith("45.0 ") and told["random %"].startswith("30.0 ")
    without = dict(zip(header, hard_row, strict=True))
    assert {without[name] for name in header if "relabelled" in name} == {"–"}
    assert f" labels of {STANDARD} after 20 epochs of dc-300" in notes


def test_without_relabelled_subsets_there_are_no_such_columns() -> None:
    of = trial("frepo", label_kind="soft")
    made = board([of, evaluated(of, 0.70), *pair("random_subset", (0.30,)), full_data(0.85)])
    assert "relabelled" not in "".join([*explanation(made), *sections(made.tables[0])])
