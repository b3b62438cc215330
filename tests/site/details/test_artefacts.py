import hashlib
import json
from pathlib import Path

from suite.records.cells import Trial, canonical_json
from suite.records.jobs import Plan, Planned
from suite.site import paths
from suite.site.details import artefacts
from suite.site.details.papers import Aids, Look
from suite.site.details.sets import Set, sets
from suite.site.source import load
from tests.support.board_records import evaluated, save, trial
from tests.support.charts import words_of

FILE = b"a set"
SHA = hashlib.sha256(FILE).hexdigest()


def found(store: Path, look: Look, label: str = "dm", *, file: bool = True) -> Set:
    made = trial(label, artefact=SHA, data="f" * 64)
    save([made, evaluated(made, 0.5, 0.6)], store)
    if file:
        (store / "artefacts").mkdir()
        (store / "artefacts" / f"{made.cell.id}.safetensors").write_bytes(FILE)
        (store / "artefacts" / f"{made.cell.id}.json").write_text('{"class_names": ["a"], "loader": "old"}')
    (each,) = sets(load([store], lambda *_: Aids(look=lambda path, name: look)))
    return each


def test_a_set_is_handed_out_with_its_manifest_and_picture(tmp_path: Path) -> None:
    each = found(tmp_path, Look("print('<loaded>')", b"png", "Contrast is stretched.", stretched=True))
    files = {file.path: file.content for file in artefacts.files(each, {})}
    stem = "artefacts/digits/dm-ipc10-seed0"
    assert set(files) == {f"{stem}.html", f"{stem}.png", f"{stem}.safetensors", f"{stem}.json"}
    assert files[f"{stem}.safetensors"] == FILE
    assert json.loads(files[f"{stem}.json"]) == {"class_names": ["a"], "loader": "print('<loaded>')"}
    page = files[f"{stem}.html"].decode()
    assert (
        "print(&#39;&lt;loaded&gt;&#39;)" in page
        and 'href="../../artefacts/digits/dm-ipc10-seed0.png"' in page
    )
    told = words_of(page)
    for text in (
        "Contrast is stretched.",
        "55.0 [50.0, 60.0]",
        SHA,
        "f" * 64,
        "abc1234",
        "torch 2.13.0",
        "25.6 kB",
    ):
        assert text in told


def test_what_is_missing_is_said_and_not_linked(tmp_path: Path) -> None:
    each = found(tmp_path, Look(), file=False)
    (page,) = artefacts.files(each, {})
    text = page.content.decode()
    assert "<img" not in text and "download>" not in text
    assert "There is no picture: the set's file is not in the stores." in words_of(text)


def test_grids_of_a_set_are_told(tmp_path: Path) -> None:
    each = found(tmp_path, Look())
    assert each.result
    cell = each.result.trial
    (tmp_path / "plan").mkdir()
    plan = Plan(cells=(Planned(label="dm", task="digits", ipc=10, cell=cell),))
    (tmp_path / "plan" / "my-grid.json").write_text(plan.to_json())
    for name, content in (("damaged", "{"), ("other", '{"cells": [1]}'), ("list", "[]")):
        (tmp_path / "plan" / f"{name}.json").write_text(content)
    grids = artefacts.planned([tmp_path])
    assert grids[canonical_json(Trial.model_validate(cell).model_dump(mode="json"))] == ["my-grid"]
    page = next(iter(artefacts.files(each, grids))).content.decode()
    assert "grids my-grid" in words_of(page)


def test_the_gallery_shows_every_set_and_says_what_lacks_a_picture(tmp_path: Path) -> None:
    with_picture = artefacts.card(found(tmp_path / "a", Look("", b"png", stretched=True)))
    without = artefacts.card(found(tmp_path / "b", Look(), "dc", file=False))
    page = artefacts.gallery([with_picture, without])
    text = page.content.decode()
    assert page.path == paths.GALLERY and text.count("<img") == 1 and "no picture" in text
    assert "contrast stretched" in text and 'loading="lazy"' in text
    assert "No sets yet." in words_of(artefacts.gallery([]).content.decode())


def test_hostile_labels_stay_in_the_folder_and_are_text(tmp_path: Path) -> None:
    label = "../../<script>alert(1)</script>"
    made = trial("x")
    records = [
        made.model_copy(update={"label": label}),
        evaluated(made, 0.5).model_copy(update={"label": label}),
    ]
    (tmp_path / "records" / "x" / "y").mkdir(parents=True)
    for record in records:
        (tmp_path / "records" / "x" / "y" / f"{record.cell.id}.json").write_text(record.to_json())
    (each,) = sets(load([tmp_path]))
    files = list(artefacts.files(each, {}))
    assert all(".." not in file.path and file.path.startswith("artefacts/digits/") for file in files)
    assert b"<script>alert" not in files[0].content
