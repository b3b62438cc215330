"""Plots of boards: equal rows give equal bytes, and a file knows what it shows."""

import io
from pathlib import Path

from PIL import Image

from suite.board.render.plots import fingerprint, groups, is_current, plot
from suite.board.tables import board
from tests.support.board_records import REDUCED, SMALL, evaluated, full_data, pair, trial


def test_a_plot_has_the_tables_of_one_task_and_network() -> None:
    small = [*pair("kip", (0.5,), ipc=1), *pair("kip", (0.7,), ipc=10)]
    reduced = trial("dm")
    found = groups(board([*small, reduced, evaluated(reduced, 0.4, network=REDUCED)]))
    assert {slug: [table.ipc for table in tables] for slug, tables in found.items()} == {
        "digits-convnet-d3-w128-in": [1, 10],
        "digits-convnet-d3-w32-in": [10],
    }


def test_rows_without_a_rank_make_no_plot() -> None:
    assert groups(board([trial("kip", status="oom")])) == {}


def test_equal_rows_are_equal_bytes_with_their_fingerprint() -> None:
    (tables,) = groups(board(SMALL)).values()
    first, second = plot(tables), plot(tables)
    image = Image.open(io.BytesIO(first))
    assert first == second and image.size == (1200, 675)
    assert image.info["Comment"] == fingerprint(tables)


def test_a_file_is_current_as_long_as_its_rows_are(tmp_path: Path) -> None:
    (tables,) = groups(board(SMALL)).values()
    (changed,) = groups(board([*SMALL, *pair("kip", (0.6,))])).values()
    (path := tmp_path / "plot.png").write_bytes(plot(tables))
    assert is_current(path, tables) and not is_current(path, changed)
    assert fingerprint(tables) != fingerprint(changed)
    path.write_bytes(b"no picture")
    assert not is_current(path, tables) and not is_current(tmp_path / "none.png", tables)


def test_the_ceiling_is_part_of_what_a_plot_shows() -> None:
    without = pair("kip", (0.6,))
    fingerprints = {
        fingerprint(groups(board(records))["digits-convnet-d3-w128-in"])
        for records in (without, [*without, full_data(0.9)], [*without, full_data(0.95)])
    }
    assert len(fingerprints) == 3
