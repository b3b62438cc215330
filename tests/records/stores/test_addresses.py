"""Sets by readable addresses, in a store that a run wrote."""

import json
import shutil
from pathlib import Path

import pytest

from suite.core.sets import sealing
from suite.records.cells import Trial
from suite.records.store import Store
from suite.records.stores import reading
from suite.records.stores.addresses import Address, find, made_of, readings, sets_of, split, told_apart
from tests.support.stores import change, record_of


@pytest.fixture
def path(copied: Path) -> Path:
    """The file of a set."""
    return copied / "artefacts" / f"{record_of(copied, 'rat_bptt', Trial).stem}.safetensors"


class TestFind:
    @pytest.mark.parametrize(
        "address",
        [
            "rat_bptt/ipc1/seed0",
            "digits/rat_bptt/ipc1/seed0",
            "rat_bptt/ipc1",
            "rat_bptt",
            "digits/rat_bptt",
            "/rat_bptt/ipc1/",
        ],
    )
    def test_a_set_is_found(self, copied: Path, path: Path, address: str) -> None:
        assert find(f"{copied}:{address}") == path

    def test_by_the_beginning_of_its_id_or_sha256(self, copied: Path, path: Path) -> None:
        digest = json.loads(path.with_suffix(".json").read_text())["sha256"]
        for digits in (path.stem[:8], digest[:6], f"rat_bptt/ipc1/seed0/{path.stem[:8]}"):
            assert find(f"{copied}:{digits}") == path

    def test_a_snapshot_is_found(self, copied: Path, path: Path) -> None:
        for ending in (".safetensors", ".json"):
            shutil.copy(path.with_suffix(ending), path.with_name(f"{path.stem}@2{ending}"))
        assert find(f"{copied}:rat_bptt/ipc1/seed0@2").name == f"{path.stem}@2.safetensors"
        with pytest.raises(ValueError, match="no set at"):
            find(f"{copied}:rat_bptt/ipc1/seed0@3")

    def test_several_are_listed(self, copied: Path) -> None:
        with pytest.raises(ValueError, match="several sets at") as error:
            find(f"{copied}:ipc1/seed0")
        assert "digits/random_subset/ipc1/seed0, digits/rat_bptt/ipc1/seed0" in str(error.value)

    def test_configurations_of_one_row_are_told_apart_by_digits(self, copied: Path, path: Path) -> None:
        other = record_of(copied, "random_subset", Trial)
        change(other, label="rat_bptt")
        other.rename(record_of(copied, "rat_bptt", Trial).with_name(other.name))
        with pytest.raises(ValueError, match="several sets") as error:
            find(f"{copied}:rat_bptt/ipc1/seed0")
        assert f"rat_bptt/ipc1/seed0/{path.stem[:8]}" in str(error.value)
        assert find(f"{copied}:rat_bptt/ipc1/seed0/{path.stem[:8]}") == path

    def test_other_data_of_one_trial_are_told_apart(self, copied: Path, path: Path) -> None:
        first = record_of(copied, "rat_bptt", Trial)
        second = first.with_name(f"{first.stem}-{'f' * 16}.json")
        shutil.copy(first, second)
        change(second, data="f" * 64)
        for ending in (".safetensors", ".json"):
            shutil.copy(path.with_suffix(ending), path.with_name(f"{path.stem}-{'f' * 16}{ending}"))
        manifest = path.with_name(f"{path.stem}-{'f' * 16}.json")
        manifest.write_text(sealing.to_json({**json.loads(manifest.read_text()), "data": "f" * 64}))
        with pytest.raises(ValueError, match="several sets"):
            find(f"{copied}:rat_bptt")
        assert find(f"{copied}:rat_bptt/{path.stem}-ffff").stem == f"{path.stem}-{'f' * 16}"

    @pytest.mark.parametrize(
        ("address", "why"),
        [
            ("rat_bpt/ipc1/seed0", "did you mean 'rat_bptt'?"),
            ("rat_bptt/ipc1/seed7", "there is digits/rat_bptt/ipc1/seed0"),
            ("cifar10/rat_bptt/ipc1/seed0", "there is digits/rat_bptt/ipc1/seed0"),
            ("../../etc/ipc1/seed0", "known: random_subset, rat_bptt"),
            ("", "several sets"),
        ],
    )
    def test_what_is_not_there_is_named(self, copied: Path, address: str, why: str) -> None:
        with pytest.raises(ValueError) as error:
            find(f"{copied}:{address}")
        assert why in str(error.value) and f"{copied}:{address}" in str(error.value)

    def test_a_record_without_its_file(self, copied: Path, path: Path) -> None:
        path.unlink()
        with pytest.raises(ValueError, match="none of its sets"):
            find(f"{copied}:rat_bptt/ipc1/seed0")

    def test_a_damaged_record_draws_a_warning(self, copied: Path) -> None:
        record_of(copied, "rat_bptt", Trial).write_text("{")
        with pytest.warns(UserWarning, match="skipped"), pytest.raises(ValueError, match="no set"):
            find(f"{copied}:rat_bptt/ipc1/seed0")


class TestSplit:
    def test_a_path_is_no_address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a:b").touch()
        for text in ("a:b", "set.pt", r"C:\sets\a.pt", "C:/sets/a.pt", "none/set.pt"):
            assert split(text) is None and find(text) == Path(text)

    def test_the_store_may_have_a_colon(self, tmp_path: Path) -> None:
        (tmp_path / "a:b").mkdir()
        assert split(f"{tmp_path}/a:b:dm/ipc1") == (tmp_path / "a:b", "dm/ipc1")
        assert split(f"{tmp_path}:external:mine/ipc1") == (tmp_path, "external:mine/ipc1")

    @pytest.mark.parametrize("text", ["none:dm/ipc1", ":dm"])
    def test_no_store(self, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match="no store at"):
            split(text)

    def test_a_file_is_no_store(self, tmp_path: Path) -> None:
        (tmp_path / "a").touch()
        with pytest.raises(ValueError, match="is a file, not a store"):
            find(f"{tmp_path}/a:dm/ipc1")


class TestReadings:
    def test_tasks_and_rows_may_have_a_slash(self) -> None:
        found = set(readings("folder:/a/b/dm/ipc10/seed1"))
        assert Address("folder:/a/b", "dm", 10, 1) in found
        assert Address("", "folder:/a/b/dm", 10, 1) in found

    def test_a_row_may_look_like_digits(self) -> None:
        assert list(readings("abcdef")) == [Address(label="abcdef"), Address(digits="abcdef")]
        assert list(readings("dm@50")) == [Address(label="dm", step=50)]
        assert list(readings("ipc10")) == [Address(ipc=10)]


class TestMadeOf:
    def test_sets_of_stores_have_readable_names_in_the_working_directory(self, path: Path) -> None:
        assert made_of(path, ".png") == Path(f"rat_bptt-ipc1-seed0-{path.stem[:8]}.png")
        for ending in (".safetensors", ".json"):
            shutil.copy(path.with_suffix(ending), path.with_name(f"{path.stem}@2{ending}"))
        snapshot = path.with_name(f"{path.stem}@2.safetensors")
        assert made_of(snapshot, "-hf") == Path(f"rat_bptt-ipc1-seed0-{path.stem[:8]}-step2-hf")

    def test_other_sets_keep_the_name_of_their_file(self, tmp_path: Path, path: Path) -> None:
        assert made_of(tmp_path / "mine.safetensors", ".png") == tmp_path / "mine.png"
        path.with_suffix(".json").write_text("{}")
        assert made_of(path, ".png") == path.with_suffix(".png")

    def test_a_label_cannot_lead_elsewhere(self, path: Path) -> None:
        facts = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(sealing.to_json({**facts, "label": "../../\x1b[2Jevil"}))
        assert made_of(path, ".png") == Path(f"2Jevil-ipc1-seed0-{path.stem[:8]}.png")


def test_every_set_of_a_store(copied: Path, path: Path) -> None:
    store = Store(copied)
    found = told_apart(made for record in reading.records(store) for made in sets_of(store, record, ()))
    assert [made.address for made in found] == [
        "digits/random_subset/ipc1/seed0",
        "digits/rat_bptt/ipc1/seed0",
    ]
    assert found[1].path == path and found[1].method == "rat_bptt" and found[1].stored_bytes == 2560
