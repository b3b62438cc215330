"""Paths of pages."""

from suite.board.tables import board
from suite.site import paths
from tests.support.board_records import SMALL


def test_plain_names_stay() -> None:
    (table,) = board(SMALL).tables
    row = next(row for row in table.rows if row.label == "rat_bptt")
    assert paths.artefact(table.task, row, 0) == "artefacts/digits/rat_bptt-ipc10-seed0.html"
    assert paths.method("rat_bptt") == "methods/rat_bptt.html"
    assert paths.to_root("index.html") == "" and paths.to_root(paths.figures(table)) == "../../"
