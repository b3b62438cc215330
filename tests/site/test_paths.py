"""Paths of pages."""

import string

from hypothesis import given
from hypothesis import strategies as st

from suite.board.tables import board
from suite.site import paths
from tests.support.board_records import SMALL


def test_plain_names_stay() -> None:
    assert paths.slug("rat_bptt") == "rat_bptt"
    (table,) = board(SMALL).tables
    row = next(row for row in table.rows if row.label == "rat_bptt")
    assert paths.artefact(table.task, row, 0) == "artefacts/digits/rat_bptt-ipc10-seed0.html"
    assert paths.method("rat_bptt") == "methods/rat_bptt.html"
    assert paths.to_root("index.html") == "" and paths.to_root(paths.figures(table)) == "../../"


def test_names_that_differ_in_case_alone_have_different_files() -> None:
    assert paths.slug("DM").casefold() != paths.slug("dm")


@given(st.text(max_size=300))
def test_a_slug_is_a_short_safe_name(text: str) -> None:
    found = paths.slug(text)
    assert 0 < len(found) <= 70 and {*found} <= {*string.ascii_lowercase, *string.digits, *"_.-"}
    assert not found.startswith((".", "-")) and found == paths.slug(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_texts_have_two_slugs(first: str, second: str) -> None:
    assert (paths.slug(first) == paths.slug(second)) == (first == second)
