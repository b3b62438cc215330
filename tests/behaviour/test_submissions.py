"""Submissions on the board: a claim is shown, what is verified is ranked, and nothing else is believed."""

import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from suite.board import files
from suite.board.render import words
from suite.board.rows import BoardRow
from suite.board.tables import Board
from tests.support import foreign_sets
from tests.support.command_line import ratbench
from tests.support.submissions import know_seeds, packed, retrained, signed

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here", "untrained")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a claimed and a verified submission, both under the recipe that ranks."""
    folder = tmp_path_factory.mktemp("handed-in")
    (folder / "store" / "submissions").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATBENCH_DATA", str(folder / "data"))
        patch.setattr("suite.plugins.evaluators.retrain.retrain", retrained)
        foreign_sets.read_here(patch)
        know_seeds(patch)
        for name in ("told", "tested"):
            (folder / name).mkdir()
            given = ("--recipe", "dsa-1000", "--title", f"A set: {name}")
            packed(folder / name, *given, name=name).rename(folder / "store" / "submissions" / name)
        result = ratbench("verify", folder / "store" / "submissions" / "tested", "--cpu")
    assert result.exit_code == 0, result.output
    return folder / "store"


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed at will."""
    return Path(shutil.copytree(made, tmp_path / "store"))


def rows(board: Board) -> dict[str, BoardRow]:
    return {row.name: row for table in board.tables for row in table.rows}


def test_a_claim_is_shown_and_what_is_verified_is_ranked(store: Path) -> None:
    board = files.load([store])
    assert len(board.tables) == 1
    found = rows(board)
    told, tested = found["submission:told"], found["submission:tested"]
    assert (told.standing, told.rank, told.state) == ("claimed", None, "claimed")
    assert (tested.standing, tested.rank, tested.state) == ("verified", 1, "")
    assert words.count(told) == words.count(tested) == "1 × 5"
    assert told.accuracy and tested.accuracy and told.accuracy.mean == 0.7
    assert tested.accuracy.copies == (5,) and tested.accuracy.mean != 0.7
    assert tested.submission and tested.submission.code == "https://github.com/me/mine"
    assert {(each.label, each.title, each.paper) for each in board.methods} == {
        (f"submission:{name}", f"A set: {name}", "https://arxiv.org/abs/2006.05929")
        for name in ("told", "tested")
    }
    assert board.test_reads == (2,) and board.distillation_reads == (0,)


def test_every_format_tells_the_standing(store: Path) -> None:
    board = files.load([store])
    table = files.leaderboard(store).set_index("name")
    assert table.standing.to_dict() == {"submission:tested": "verified", "submission:told": "claimed"}
    assert pd.isna(table["rank"]["submission:told"]) and table.accuracy["submission:told"] == 0.7
    lines = json.loads(files.render(board, "json"))["rows"]
    assert [line["standing"] for line in lines] == ["verified", "claimed"]
    text = files.render(board, "md")
    (told,) = (
        line
        for line in text.splitlines()
        if "[`submission:told`](https://arxiv.org/abs/2006.05929)" in line and "|" in line
    )
    assert re.match(r"\| +– \|", told) and "70.0 claimed" in told and "one network" not in text
    assert "claimed by its authors and not verified; not ranked" in text
    assert (
        "handed in and verified: distilled elsewhere, networks retrained here with new random seeds" in text
    )
    shown = ratbench("leaderboard", store).stdout
    assert "70.0 claimed" in shown


def test_the_site_tells_the_standing(store: Path, tmp_path: Path) -> None:
    result = ratbench("site", store, "--output", tmp_path / "site")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "site" / "index.html").read_text()
    for part in ("submission:told", "submission:tested", "claimed by its authors", "handed in and verified"):
        assert part in text
    pages = {}
    for name in ("told", "tested"):
        (path,) = (tmp_path / "site" / "artefacts" / "digits").glob(f"submission-{name}-*.html")
        assert f'"artefacts/digits/{path.name}"' in text
        file = store / "submissions" / name / "set.safetensors"
        assert path.with_suffix(".safetensors").read_bytes() == file.read_bytes()
        loader = json.loads(path.with_suffix(".json").read_text())["loader"]
        assert (path.stem in loader) == bool(loader) == (name == "tested")
        pages[name] = path.read_text()
        assert path.with_suffix(".png").is_file() == (name == "tested")
    assert "https://github.com/me/mine" in pages["told"] and "its file is not opened" in pages["told"]
    assert "<h2>Facts</h2>" in pages["tested"] and "<h2>Facts</h2>" not in pages["told"]


def test_other_rows_are_run_here() -> None:
    store = ROOT / "results" / "gpu" / "standard-width-h200"
    assert {row.standing for row in rows(files.load([store])).values()} == {"run here"}
    assert set(files.leaderboard(store).standing.dropna()) == {"run here"}


def test_facts_that_change_after_the_verification_make_it_a_claim_again(store: Path) -> None:
    signed(store / "submissions" / "tested", title="Another title")
    with pytest.warns(UserWarning, match="its verification is of another submission; run `ratbench verify`"):
        assert rows(files.load([store]))["submission:tested"].standing == "claimed"


def test_a_verification_of_another_submission_helps_nobody(store: Path) -> None:
    (store / "submissions" / "tested" / "verification").rename(
        store / "submissions" / "told" / "verification"
    )
    with pytest.warns(UserWarning, match="its verification is of another submission"):
        found = rows(files.load([store]))
    assert {row.standing for row in found.values()} == {"claimed"}


def test_a_submission_whose_set_is_not_the_signed_one_is_left_out(store: Path) -> None:
    path = store / "submissions" / "tested" / "set.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.warns(UserWarning, match="submission left out: .* is not the file that was signed"):
        assert set(rows(files.load([store]))) == {"submission:told"}
    path.unlink()
    os.mkfifo(path)  # which would never end
    with pytest.warns(UserWarning, match="submission left out: .* is a link or not a plain file"):
        assert set(rows(files.load([store]))) == {"submission:told"}


def test_links_and_pipes_are_no_verification(store: Path, tmp_path: Path) -> None:
    place = store / "submissions" / "tested" / "verification"
    os.mkfifo(place / "more.json")
    with pytest.warns(UserWarning, match="tested is shown as a claim: .* has links or special files"):
        assert rows(files.load([store]))["submission:tested"].standing == "claimed"
    (place / "more.json").unlink()
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="tested is shown as a claim: .* has links or special files"):
        assert rows(files.load([store]))["submission:tested"].standing == "claimed"


def test_forged_records_are_left_out(store: Path) -> None:
    path = store / "submissions" / "tested" / "verification" / "evaluation-1.json"
    record = json.loads(path.read_text())
    record["scores"]["accuracy"] = [0.99] * 5
    for sha256 in (record["sha256"], ""):  # an edited record, one without a seal
        path.write_text(json.dumps({**record, "sha256": sha256}))
        with pytest.warns(UserWarning, match="tested is shown as a claim"):
            found = rows(files.load([store]))["submission:tested"]
        assert found.standing == "claimed" and found.accuracy and found.accuracy.mean < 0.9


def test_edited_facts_are_left_out(store: Path) -> None:
    path = store / "submissions" / "told" / "submission.toml"
    path.write_text(path.read_text().replace("accuracy = 0.7", "accuracy = 0.9"))
    with pytest.warns(UserWarning, match="submission left out: .* was edited after it was signed"):
        assert set(rows(files.load([store]))) == {"submission:tested"}


def test_a_claim_under_another_recipe_is_told_with_it(tmp_path: Path) -> None:
    packed(tmp_path)
    board = files.load([tmp_path])
    text = files.render(board, "md")
    assert "70.0 (dc-300) claimed" in text and "Under the other recipes" not in text
    assert ratbench("verify", tmp_path / "submissions" / "mine", "--cpu").exit_code == 0
    (row,) = rows(files.load([tmp_path])).values()
    assert (row.standing, row.rank, row.state) == ("verified", None, "not under dsa-1000")
