"""Ranked dot plots: equal rows give equal bytes, and a file knows what it shows."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from suite.board.render.plots import MOST, fingerprint, is_current, plot
from suite.board.tables import Table, board
from suite.records.record import Record
from tests.support.board_records import SMALL, full_data, pair
from tests.support.titles import facts


def table(*records: Record) -> Table:
    return board([*SMALL, *records]).tables[0]


def test_equal_rows_are_equal_bytes_with_their_fingerprint() -> None:
    first, second = plot(table()), plot(table())
    image = Image.open(io.BytesIO(first))
    assert first == second and image.width == 1200 and image.info["Comment"] == fingerprint(table())


def test_a_plot_says_what_it_shows() -> None:
    told = facts(lambda: plot(table()))
    assert told["title"] == "digits, 10 images per class: test accuracy by method"
    assert told["subtitle"] == (
        "convnet-d3-w128-in; recipe dsa-1000; n as in the table; dots: means; bars: 95% intervals; "
        "rows in one band share the rank beside their name; full data (60 epochs): 96.0 %"
    )
    alike = board(pair("kip", (0.6,), (0.7,))).tables[0]
    assert "; n = 2 × 1 (sets × networks); " in facts(lambda: plot(alike))["subtitle"]


def test_each_row_takes_a_line() -> None:
    more = [record for name in "abcdefgh" for record in pair(name, (0.7,), (0.71,))]
    few, many = (Image.open(io.BytesIO(plot(each))) for each in (table(), table(*more)))
    assert many.height - few.height == 8 * 36


def test_of_very_many_rows_the_best_are_drawn() -> None:
    """A picture of two thousand lines would be higher than pictures may be."""
    more = [record for at in range(MOST) for record in pair(f"row{at}", (0.5 + at / 1000,))]
    one, two = table(*more), table(*more, *pair("the last", (0.01,)))
    shown = facts(lambda: plot(one))["subtitle"]
    assert f"the first {MOST} of {MOST + 2} rows; " in shown and fingerprint(one) != fingerprint(two)
    heights = {Image.open(io.BytesIO(plot(each))).height for each in (one, two)}
    assert len(heights) == 1


def test_a_file_is_current_as_long_as_its_rows_are(tmp_path: Path) -> None:
    changed = table(*pair("kip", (0.6,)))
    (path := tmp_path / "plot.png").write_bytes(plot(table()))
    assert is_current(path, table()) and not is_current(path, changed)
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[: len(whole) // 2], whole.replace(b"IDAT", b"IDAU", 1)):
        path.write_bytes(damaged)
        assert not is_current(path, table())
    path.write_bytes(b"no picture")
    assert not is_current(path, table()) and not is_current(tmp_path / "none.png", table())


def test_everything_that_a_plot_shows_is_in_its_fingerprint() -> None:
    rows = pair("kip", (0.6,), (0.7,))
    boards = ([*rows], [*rows, full_data(0.9)], [*rows, full_data(0.95)], pair("dm", (0.6,), (0.7,)))
    small = pair("kip", (0.6,), (0.7,), ipc=1)
    fingerprints = {fingerprint(board(records).tables[0]) for records in (*boards, small)}
    assert len(fingerprints) == 5


def test_rows_that_are_far_behind_do_not_press_the_others_together() -> None:
    """The best row's interval takes as many pixels, whether or not another row is near chance."""
    near = [record for name in "abcdef" for record in pair(name, (0.80,), (0.82,))]
    without, along = board(near).tables[0], board([*near, *pair("far", (0.1,), (0.1,))]).tables[0]
    widths = []
    for each in (without, along):
        image = Image.open(io.BytesIO(plot(each))).convert("RGB")
        pixels = np.asarray(image)[:150]  # the best row
        blue = np.flatnonzero((pixels == (0, 114, 178)).all(axis=2).any(axis=0))
        widths.append(blue.max() - blue.min())
    assert widths[1] > 0.9 * widths[0] > 300


def test_hostile_names_are_drawn_without_a_word() -> None:
    plot(table(*pair("$\\frac{$ _\n猫 שלום " + "x" * 300, (0.6,), (0.7,))))
