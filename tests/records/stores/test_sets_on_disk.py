"""Sets are copied only if their files are what manifests and records say."""

import json
import shutil
from pathlib import Path

import pytest

from suite.core.sets import sealing
from suite.core.sets.artefacts import load_artefact
from suite.records.store import Store
from suite.records.stores.reading import Report
from suite.records.stores.sets_on_disk import Damaged, copy, manifest_of, parts_of

TRIAL = "a" * 64


class Chosen:
    """The same set for every trial: of the union, and of the store that is read."""

    def __init__(self, kept: str | None = None, own: str | None = None) -> None:
        self.kept, self.own = kept, own

    def set(self, trial: str, data: str) -> str | None:
        return self.kept

    def own_set(self, store: int, trial: str, data: str) -> str | None:
        return self.own


def copied_to(store: Store, source: Path, chosen: Chosen) -> Report:
    report = Report()
    copy(Store(source), store, 1, chosen, report)
    return report


def only(source: Path) -> Path:
    """Keep one set of a store, and return it."""
    first, *others = sorted(source.glob("artefacts/*.safetensors"))
    for each in others:
        each.unlink()
    return first


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (f"{TRIAL}.safetensors", (TRIAL, None)),
        (f"{TRIAL}@50.safetensors", (TRIAL, 50)),
        (f"{TRIAL}-0123456789abcdef@7.safetensors", (TRIAL, 7)),
        ("mine.safetensors", ("", None)),
        (f"{TRIAL}-ipc5.safetensors", ("", None)),
    ],
)
def test_names_tell_the_trial_and_the_step(name: str, parts: tuple[str, int | None]) -> None:
    assert parts_of(name) == parts


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": 1}'])
def test_a_manifest_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(Damaged, match="its manifest"):
        manifest_of(tmp_path / "a.safetensors")
    with pytest.raises(Damaged, match="its manifest"):
        manifest_of(tmp_path / "none.safetensors")


class TestCopy:
    def test_a_set_of_no_record_is_copied(self, copied: Path, store: Store) -> None:
        path = only(copied)
        assert copied_to(store, copied, Chosen()).done == {"set": 1}
        load_artefact(store.path / "artefacts" / path.name)
        assert copied_to(store, copied, Chosen()).present == {"set": 1}

    def test_only_the_set_of_the_chosen_record_is(self, copied: Path, store: Store) -> None:
        digest = manifest_of(only(copied))["sha256"]
        assert copied_to(store, copied, Chosen("0" * 64, digest)).superseded == {"set": 1}
        assert copied_to(store, copied, Chosen("0" * 64, None)).superseded == {"set": 1}
        assert copied_to(store, copied, Chosen(digest, None)).done == {"set": 1}

    def test_a_set_that_is_not_that_of_its_record_is_named(self, copied: Path, store: Store) -> None:
        only(copied)
        (line,) = copied_to(store, copied, Chosen("0" * 64, "0" * 64)).left
        assert line.endswith("it is not the set of its record")

    def test_a_half_written_one_is_written_again(self, copied: Path, store: Store) -> None:
        path = only(copied)
        copied_to(store, copied, Chosen())
        (store.path / "artefacts" / path.with_suffix(".json").name).unlink()
        assert copied_to(store, copied, Chosen()).done == {"set": 1}

    def test_another_set_of_the_name_is_not_replaced(self, copied: Path, store: Store) -> None:
        path = only(copied)
        facts = json.loads(path.with_suffix(".json").read_text())
        there = store.path / "artefacts" / path.name
        there.parent.mkdir()
        there.write_bytes(b"other")
        there.with_suffix(".json").write_text(sealing.to_json({**facts, "sha256": "0" * 64}))
        (line,) = copied_to(store, copied, Chosen()).left
        assert line == f"{path}: {there} is another set" and there.read_bytes() == b"other"

    def test_a_set_with_a_name_of_its_own_keeps_it(self, copied: Path, store: Store) -> None:
        path = only(copied)
        for ending in (".safetensors", ".json"):
            shutil.move(path.with_suffix(ending), path.with_name(f"mine{ending}"))
        assert copied_to(store, copied, Chosen("0" * 64, "0" * 64)).done == {"set": 1}
        assert (store.path / "artefacts" / "mine.safetensors").is_file()
