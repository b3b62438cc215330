import hashlib
import json
from pathlib import Path

import pytest

from suite.records.jobs import Plan, Planned
from suite.records.record import Record
from suite.site.details.papers import Aids, Look
from suite.site.details.sets import Set, sets
from suite.site.source import load
from tests.support.board_records import evaluated, save, trial

FILE = b"a set"


def stored(store: Path, *, sha256: str = "", file: bytes | None = FILE, manifest: str = "{}") -> Record:
    made = trial("dm", seed=1, artefact=sha256 or hashlib.sha256(FILE).hexdigest())
    save([made, evaluated(made, 0.5, 0.6)], store)
    folder = store / "artefacts"
    folder.mkdir(exist_ok=True)
    if file is not None:
        (folder / f"{made.cell.id}.safetensors").write_bytes(file)
        (folder / f"{made.cell.id}.json").write_text(manifest)
    return made


def only(store: Path, look: Look | None = None) -> Set:
    (found,) = sets(load([store], lambda *_: Aids(look=lambda path, name: look or Look(loader=name))))
    return found


def test_a_set_has_its_page_and_its_files(tmp_path: Path) -> None:
    stored(tmp_path)
    found = only(tmp_path)
    assert found.page == "artefacts/digits/dm-ipc10-seed1.html"
    assert found.title == "dm on digits, 10 images per class, seed 1"
    assert isinstance(found.artefact, Path) and found.look.loader == "dm-ipc10-seed1"


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    stored(tmp_path, file=None)
    found = only(tmp_path)
    assert found.artefact == "the set's file is not in the stores" == found.look.missing
    assert found.manifest == {}


def test_another_file_is_not_handed_out(tmp_path: Path) -> None:
    stored(tmp_path, file=b"a swapped set")
    assert "its sha256 differs" in str(only(tmp_path).artefact)


@pytest.mark.parametrize("manifest", ["{", "[1]", "null"])
def test_a_damaged_manifest_is_none(tmp_path: Path, manifest: str) -> None:
    stored(tmp_path, manifest=manifest)
    assert only(tmp_path).manifest == {}


def test_the_picture_of_a_store_stands_in(tmp_path: Path) -> None:
    stored(tmp_path, file=None)
    picture = tmp_path / "pictures" / "digits" / "dm-ipc10-seed1.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")
    assert only(tmp_path).look.picture == b"a picture"


def test_a_drawn_picture_comes_first(tmp_path: Path) -> None:
    stored(tmp_path, manifest=json.dumps({"preprocessing": {"kind": "normalise"}}))
    assert only(tmp_path, Look(picture=b"drawn")).look.picture == b"drawn"


@pytest.mark.filterwarnings("ignore:digits. records of 2 different data")
def test_a_plan_for_other_data_names_the_set_with_its_own(tmp_path: Path) -> None:
    made = trial("dm", data="a" * 64)
    save([made, evaluated(made, 0.5).model_copy(update={"data": "a" * 64})], tmp_path)
    (tmp_path / "plan").mkdir()
    other = Planned(label="dm", task="digits", ipc=10, cell=made.cell, data="b" * 64)
    (tmp_path / "plan" / "other.json").write_text(Plan(cells=(other,)).to_json())
    (found,) = sets(load([tmp_path]))
    assert found.result and found.table.task == found.result.task == f"digits (data {'a' * 12})"


def test_sets_that_were_not_made_have_no_page(tmp_path: Path) -> None:
    save([trial("dm", status="failed", error="no memory")], tmp_path)
    assert not list(sets(load([tmp_path])))
