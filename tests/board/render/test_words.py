"""Units by hand."""

import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.board.columns.costs import Costs
from suite.board.render.words import (
    address,
    bits,
    decoded,
    drawn,
    duration,
    kept,
    memory,
    picture,
    score,
    slugged,
)
from suite.board.statistics.intervals import interval
from suite.board.tables import board
from tests.support.board_records import SMALL, rows


def test_pictures_of_different_tasks_have_different_paths() -> None:
    tasks = ["folder:/d/猫", "folder:/d/犬", "folder:/d/a+b", "folder:/d/a-b", "folder-d-a-b", "digits"]
    row = rows(board(SMALL))["rat_bptt"]
    paths = [picture(task, row, 0) for task in tasks]
    assert len(set(paths)) == len(tasks) and paths[-1] == "pictures/digits/rat_bptt-ipc10-seed0.png"
    assert all(path.isascii() and ":" not in path and "+" not in path for path in paths)


def test_pictures_stay_in_their_folder_and_apart_where_case_is_ignored() -> None:
    row = rows(board(SMALL))["rat_bptt"]
    for name in ("..", ".", "", "../..", "-", ".hidden"):
        path = picture(name, replace(row, name=name), 0)
        assert Path(path).parts[0] == "pictures" and len(Path(path).parts) == 3
        assert all(part.strip("-.") == part for part in Path(path).parts)
    names = [picture("digits", replace(row, name=name), 0).casefold() for name in ("DM", "dm", "Dm")]
    assert len(set(names)) == 3 and names[1] == "pictures/digits/dm-ipc10-seed0.png"


@given(st.text(max_size=300))
def test_a_slug_is_a_short_safe_name(text: str) -> None:
    found = slugged(text)
    assert 0 < len(found) <= 70 and {*found} <= {*string.ascii_lowercase, *string.digits, *"_.-"}
    assert not found.startswith((".", "-")) and found == slugged(text)


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_texts_have_two_slugs(first: str, second: str) -> None:
    assert (slugged(first) == slugged(second)) == (first == second)


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, ""), (10, ""), (40, "decodes to 40 images per class"), (1, "decodes to 1 image per class")],
)
def test_only_a_set_that_decodes_to_other_numbers_of_images_is_told(count: int, told: str) -> None:
    assert decoded(replace(rows(board(SMALL))["rat_bptt"], costs=Costs(decoded=count))) == told


def test_units() -> None:
    assert [duration(s) for s in (0.2, 45, 150, 9000, 500_000)] == [
        "< 1 s",
        "45 s",
        "2.5 min",
        "2.5 h",
        "5.8 d",
    ]
    assert [memory(n) for n in (0, 512, 25_600, 10**9)] == ["", "512 B", "25.6 kB", "1.0 GB"]


def test_scores_are_shown_in_their_unit() -> None:
    value = interval([(0.25, 0.35)])
    assert score(value, "percent") == score(value, "points") == "30.0 [25.0, 35.0]"
    assert score(value, "fraction") == "0.300 [0.250, 0.350]"
    assert score(value, "number") == "0.3 [0.25, 0.35]"
    assert score(interval([(150.0,)]), "seconds") == "2.5 min"
    assert score(interval([(-0.05,)]), "points") == "−5.0"


def test_bits() -> None:
    assert [bits(n) for n in (None, 512, 25_088, 10**9)] == ["", "512 bit", "25.1 kbit", "1.0 Gbit"]


@pytest.mark.parametrize(
    ("paper", "found"),
    [
        ("arXiv 2505.13300", "https://arxiv.org/abs/2505.13300"),
        ("arXiv cs/9901001", "https://arxiv.org/abs/cs/9901001"),
        ("https://openreview.net/forum?id=a_b-C", "https://openreview.net/forum?id=a_b-C"),
        ("PLoS 1", ""),
        ("arXiv x) <script>", ""),
        ("javascript:alert(1)", ""),
        ("https://a.b/) [x](https://c", ""),
        ("https://a.b\n# c", ""),
        ("https://a.b/|c", ""),
    ],
)
def test_a_paper_has_an_address_if_it_is_one(paper: str, found: str) -> None:
    assert address(paper) == found


def test_only_files_that_are_there_are_linked(tmp_path: Path) -> None:
    table = board(SMALL).tables[0]
    row = table.rows[0]
    assert drawn(table, row, tmp_path) == [] == drawn(table, row, None) == kept(row, tmp_path)
    own = f"artefacts/{SMALL[4].cell.id}.safetensors"
    for path in (own, picture("digits", row, 1)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    assert drawn(table, row, tmp_path) == [(1, "pictures/digits/rat_bptt-ipc10-seed1.png")]
    assert kept(row, tmp_path) == [(0, own)]
