"""Boards read from stores and written in every format."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from suite.board.dd_ranking import TRAININGS
from suite.board.files import check, leaderboard, read, render, sets, write
from suite.board.tables import board
from suite.records.jobs import Plan
from tests.support.board_records import (
    SMALL,
    STANDARD,
    pair,
    save,
    trial,
)


@pytest.mark.parametrize("format", ["md", "csv", "json"])
def test_the_order_of_records_does_not_change_a_byte(format: Any) -> None:
    records = [*SMALL, *pair("rat_bptt", (0.7,), window=60), trial("kip", status="oom")]
    texts = set()
    for seed in range(5):
        random.Random(seed).shuffle(records)
        texts.add(render(board(records), format))
    assert len(texts) == 1


def test_formats_agree() -> None:
    made = board([*SMALL, trial("kip", status="diverged")])
    content = json.loads(render(made, "json"))
    assert [line["rank"] for line in content["rows"]] == [1, 2, None, None]
    assert content["rows"][0]["accuracy"] == 0.82
    assert content["rows"][0]["hyperparameters"] == {"window": 40}
    assert render(made, "csv").splitlines()[1].startswith(f"retrain,digits,10,{STANDARD},,,1,rat_bptt,")
    with pytest.raises(ValueError, match="unknown format 'xml'; known: md, csv, json"):
        render(made, "xml")  # type: ignore[arg-type]


def test_damaged_files_are_skipped_with_a_warning(tmp_path: Path) -> None:
    save([*SMALL, trial("kip", status="oom")], tmp_path)
    files = sorted(tmp_path.glob("records/**/*.json"))
    files[0].write_text(files[0].read_text().replace("abc1234", "abc9999"))
    files[1].write_bytes(b'{"cut')
    files[2].write_text("{}")
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "a.json").write_text(Plan(cells=()).to_json())
    (tmp_path / "plan" / "b.json").write_text('{"cells": 3}')
    found = read([tmp_path])
    assert len(found.warnings) == 4 and len(found.records) == len(SMALL) - 3 + 1
    assert "does not match its sha256" in found.warnings[0]
    board(found.records, planned=found.planned)  # joins what is left


def test_check_says_whether_the_files_are_current(tmp_path: Path) -> None:
    made, later = board(SMALL), board([*SMALL, *pair("k_means", (0.6,), (0.61,))])
    target, table = tmp_path / "out" / "leaderboard.md", tmp_path / "leaderboard.csv"
    assert "leaderboard.md from the records" in check(made, target)
    paths = write(made, target)
    before = [path.read_bytes() for path in paths]
    assert check(made, target) == ""
    assert [path.read_bytes() for path in write(made, target)] == before
    assert "k_means" in check(later, target)
    assert f"plots/digits-{STANDARD}-ipc10.png is missing or shows other records" in check(later, target)
    with Image.open(paths[1]) as image:
        assert image.width == 1200
    assert write(made, table, "csv") == [table] and check(made, table, "csv") == ""
    table.write_text(table.read_text() + "edited by hand\n")
    assert "-edited by hand" in check(made, table, "csv")


def test_pictures_that_exist_are_linked(tmp_path: Path) -> None:
    made = board(SMALL)
    path = "pictures/digits/rat_bptt-ipc10-seed1.png"
    assert {path: trial for path, trial, _ in sets(made)}[path] == SMALL[5].cell.id
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    write(made, tmp_path / "leaderboard.md")
    text = (tmp_path / "leaderboard.md").read_text()
    assert f"[1]({path})" in text and "seed0" not in text
    assert "- pictures are missing (`rat_bptt`, `random_subset`): their sets are not in the stores" in text
    assert "no picture" not in render(made, "md")  # on a terminal there are none


def test_the_leaderboard_is_a_frame_of_what_the_stores_hold(tmp_path: Path) -> None:
    save([*SMALL, trial("kip", status="diverged")], tmp_path)
    frame = leaderboard([str(tmp_path)])
    assert frame["name"].to_list() == ["rat_bptt", "random_subset", "kip", "full data (60 epochs)"]
    assert frame["rank"].dropna().to_list() == [1, 2]
    assert frame["accuracy"].to_list()[:2] == [0.82, 0.53] and frame["ior"][0] == pytest.approx(0.29)
    documented = leaderboard.__doc__ or ""
    plain = {column.removesuffix("_low").removesuffix("_high") for column in frame.columns}
    unsaid = {name for name in plain if not re.search(rf"\b{name}\b", documented)}
    assert unsaid == {training.name for training in TRAININGS} - {"set_hard"}
    with pytest.raises(FileNotFoundError, match="no store at"):
        leaderboard([tmp_path / "absent"])
