"""Tables as JSON."""

import json

from suite.board.tables import board
from suite.site.view import data
from suite.site.view.tables import views
from tests.support.board_records import SMALL, pair


def test_rows_have_texts_and_the_numbers_behind_them() -> None:
    (view,) = views(board(SMALL))
    found = json.loads(data.content(view))
    keys = [column.key for column in view.columns]
    first = dict(zip(keys, found["rows"][0][2:], strict=True))
    assert found["methods"][found["rows"][0][0]]["name"] == "rat_bptt"
    assert found["rows"][0][1] == [[seed, path] for seed, path in view.rows[0].sets.items()]
    assert first["rank"] == 1 and first["method"] == "rat_bptt" and first["labels"] == "hard"
    assert first["accuracy"] == ["82.0 [80.0, 84.0]", 0.82, 0.8, 0.84] and first["n"] == ["2 × 1", 2, "1 1"]
    assert first["state"] == "" and found["footer"][0][0] == -1


def test_the_overview_names_every_table_and_its_columns() -> None:
    found = views(board([*SMALL, *pair("dm", (0.5,), ipc=1)]))
    told = json.loads(data.overview(found))
    assert [table["slug"] for table in told["tables"]] == [view.slug for view in found]
    assert [table["size"] for table in told["tables"]] == [1, 10]
    keys = [column["key"] for column in told["columns"][told["tables"][0]["columns"]]]
    assert keys == [column.key for column in found[0].columns]


def test_nothing_in_it_ends_the_block_in_which_it_stands() -> None:
    label = '</script><!--<script>"\u2028\u2029&'
    (view,) = views(board(pair(label, (0.5,), method_title=label)))
    text = str(data.content(view))
    assert not {*"<>&\u2028\u2029"} & {*text} and json.loads(text)["methods"][0]["name"] == label
