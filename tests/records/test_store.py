"""The store: what is written is whole, what is damaged is set aside, and one driver at a time."""

import dataclasses
import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors.torch import load_file, save

from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.parametrisations import Frequencies, Linear, MultiFormation, Parametrisation
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.records.cells import PROTOCOL, Trial
from suite.records.jobs import Job
from suite.records.record import Provenance, Record, Status
from suite.records.store import Store
from suite.records.stores.heartbeat import signs

TRIAL = Trial(task="digits", method="random_subset", hyperparameters={"lr": 0.1}, ipc=1, seed=0)
SET = SyntheticSet(torch.arange(8.0).reshape(2, 1, 1, 2, 2), one_hot(2, 1), Minibatch(per_class=1))


def record(status: Status = "done", accuracy: float = 0.1) -> Record:
    return Record(
        cell=TRIAL,
        label="a row",
        task="digits",
        ipc=1,
        status=status,
        scores={"accuracy": (accuracy, 1 / 3)},
        provenance=Provenance(commit="none", versions={}, device="CPU", threads=1),
    )


def file_of(store: Store, folder: str = "records") -> Path:
    (path,) = store.path.glob(f"{folder}/*/*/{TRIAL.id}.json")
    return path


def partial_files(store: Store) -> list[Path]:
    return list(store.path.rglob(".partial-*"))


class TestRecords:
    def test_a_record_comes_back_sealed_and_equal(self, store: Store) -> None:
        store.write(record())
        found = store.record(TRIAL.id)
        assert found == record().sealed()
        assert file_of(store).parent == store.path / "records" / "digits-ipc1" / "a row"

    def test_a_row_has_its_valid_records(self, store: Store) -> None:
        assert list(store.row("digits", 1, "a row")) == []
        store.write(record())
        file_of(store).with_name("damaged.json").write_text("{")
        assert list(store.row("digits", 1, "a row")) == [record().sealed()]
        assert list(store.row("digits", 10, "a row")) == []

    def test_those_of_another_process_are_found(self, store: Store) -> None:
        assert store.record(TRIAL.id) is None
        Store(store.path).write(record())
        assert store.record(TRIAL.id) == record().sealed()

    def test_for_many_questions_they_are_listed_once(self, store: Store) -> None:
        known = store.as_it_is()
        assert known.record(TRIAL.id) is None
        store.write(record())
        assert known.record(TRIAL.id) is None and store.as_it_is().record(TRIAL.id)

    def test_those_that_another_process_set_aside_are_none(self, store: Store) -> None:
        store.write(record())
        assert store.record(TRIAL.id)
        file_of(store).unlink()
        assert store.record(TRIAL.id) is None
        store.write(record())
        assert store.record(TRIAL.id)

    def test_damaged_ones_stay_where_they_are_for_a_reader(self, store: Store) -> None:
        store.write(record())
        file_of(store).write_text("{")
        with pytest.warns(UserWarning, match="is damaged .*; its cell will run again"):
            assert store.as_it_is().record(TRIAL.id) is None
        assert file_of(store).is_file() and not (store.path / "quarantine").exists()

    def test_an_unknown_cell_has_none(self, store: Store) -> None:
        assert store.record("0" * 64) is None

    def test_the_first_record_wins(self, store: Store) -> None:
        store.write(record(accuracy=0.1))
        store.write(record(accuracy=0.9))
        found = store.record(TRIAL.id)
        assert found is not None and found.scores["accuracy"][0] == 0.1
        assert partial_files(store) == []

    def test_a_divergence_is_a_record_and_a_failure_is_not(self, store: Store) -> None:
        store.write(record("failed"))
        assert store.record(TRIAL.id) is None and store.last_failure(TRIAL.id) == record("failed").sealed()
        store.write(record("diverged"))
        found = store.record(TRIAL.id)
        assert found is not None and found.status == "diverged"

    def test_a_later_failure_replaces_and_success_clears(self, store: Store) -> None:
        store.write(record("failed"))
        store.write(record("oom"))
        found = store.last_failure(TRIAL.id)
        assert found is not None and found.status == "oom"
        store.write(record())
        assert store.last_failure(TRIAL.id) is None

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text[: len(text) // 2],
            lambda text: text.replace('"done"', '"diverged"'),
            lambda text: text.replace('"seed": 0', '"seed": 1'),
            lambda text: "",
            lambda text: "[]",
        ],
        ids=["truncated", "edited", "another cell", "empty", "not a record"],
    )
    def test_a_damaged_record_is_set_aside_and_missing_again(self, store: Store, damage: Any) -> None:
        store.write(record())
        path = file_of(store)
        damaged = damage(path.read_text())
        assert damaged != path.read_text()
        path.write_text(damaged)
        with pytest.warns(UserWarning, match=r"is damaged .*quarantine.*, its cell will run again"):
            assert store.record(TRIAL.id) is None
        assert not path.exists()
        (kept,) = (store.path / "quarantine").iterdir()
        assert kept.read_text() == damaged
        store.write(record())
        assert store.record(TRIAL.id) is not None

    def test_a_damaged_failure_is_set_aside(self, store: Store) -> None:
        store.write(record("failed"))
        file_of(store, "failures").write_text("{")
        with pytest.warns(UserWarning, match="is damaged"):
            assert store.last_failure(TRIAL.id) is None

    def test_a_record_under_another_cells_name_is_refused(self, store: Store) -> None:
        store.write(record())
        other = file_of(store).with_name(f"{'a' * 64}.json")
        shutil.copy(file_of(store), other)
        with pytest.warns(UserWarning, match="its name is that of another cell"):
            assert store.record("a" * 64) is None

    def test_an_odd_task_name_is_one_folder(self, store: Store) -> None:
        odd = record().model_copy(update={"task": "folder:/data/../my pets?size=32"})
        store.write(odd)
        assert file_of(store).parent.parent == store.path / "records" / "folder-data-..-my-pets-size-32-ipc1"

    def test_nan_is_not_written(self, store: Store) -> None:
        with pytest.raises(ValueError, match=r"nan|not JSON compliant"):
            store.write(record().model_copy(update={"seconds": float("nan")}))
        assert store.record(TRIAL.id) is None


class TestSeveralData:
    """Records and sets of one cell on several data stay beside each other."""

    def test_each_data_has_its_record_and_the_first_stays(self, store: Store) -> None:
        made = [
            record(accuracy=0.1 * at).model_copy(update={"data": data * 64}) for at, data in enumerate("aba")
        ]
        for each in made:
            store.write(each)
        assert list(store.records(TRIAL.id)) == [each.sealed() for each in made[:2]]
        assert [store.record(TRIAL.id, data * 64) for data in "abc"] == [*store.records(TRIAL.id), None]
        assert store.record(TRIAL.id) == made[0].sealed()
        names = sorted(path.name for path in file_of(store).parent.iterdir())
        assert names == [f"{TRIAL.id}-{'b' * 16}.json", f"{TRIAL.id}.json"]
        assert [each.data[0] for each in store.row("digits", 1, "a row")] == ["b", "a"]

    def test_two_processes_that_write_at_once_keep_both(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither sees the other's record before it writes its own."""
        first, second = (record().model_copy(update={"data": data * 64}) for data in "ab")
        records, other = store.records, Store(store.path)

        def late(cell: str, written: Sequence[Path]) -> Iterator[Record]:
            found = list(records(cell, written))
            monkeypatch.setattr(store, "records", records)
            other.write(first)
            return iter(found)

        monkeypatch.setattr(store, "records", late)
        store.write(second)
        assert [each.data[0] for each in store.records(TRIAL.id)] == ["a", "b"]

    def test_a_damaged_one_leaves_the_other(self, store: Store) -> None:
        for data in "ab":
            store.write(record().model_copy(update={"data": data * 64}))
        file_of(store).write_text("{")
        with pytest.warns(UserWarning, match="is damaged"):
            assert store.record(TRIAL.id, "a" * 64) is None
        assert store.record(TRIAL.id, "b" * 64) is not None
        store.write(record().model_copy(update={"data": "a" * 64}))
        assert store.record(TRIAL.id, "a" * 64) is not None

    def test_a_set_of_other_data_is_not_overwritten(self, store: Store) -> None:
        first = store.new_artefact("t", None, "a" * 64)
        write_artefact(first, SET, {"data": "a" * 64})
        assert store.new_artefact("t", None, "a" * 64) == first == store.artefact("t")
        assert store.artefact("t", data="b" * 64) == first  # the only one: its reader compares
        second = store.new_artefact("t", None, "b" * 64)
        assert second.name == f"t-{'b' * 16}.safetensors"
        write_artefact(second, SET, {"data": "b" * 64})
        assert [store.artefact("t", data=data * 64) for data in "ab"] == [first, second]
        assert [store.data_of(path) for path in (first, second)] == ["a" * 64, "b" * 64]
        assert store.new_artefact("t", 3, "b" * 64).name == "t@3.safetensors"

    def test_without_a_readable_manifest_there_are_no_data(self, store: Store) -> None:
        path = store.new_artefact("t", None, "a" * 64)
        assert store.data_of(path) is None
        write_artefact(path, SET, {})
        assert store.data_of(path) == ""
        for text in ("{", "[]"):
            path.with_suffix(".json").write_text(text)
            assert store.data_of(path) is None and store.new_artefact("t", None, "b" * 64) == path


class TestJobs:
    def test_a_job_comes_back_by_its_id(self, store: Store) -> None:
        job = Job(label="a row", cell=TRIAL, recipe="dsa-1000")
        store.write_job(job)
        assert store.job(TRIAL.id) == job


class TestArtefacts:
    def test_a_set_comes_back_with_its_minibatch_and_manifest(self, store: Store) -> None:
        sha256 = write_artefact(store.artefact("t"), SET, {"label": "x"})
        found, manifest = load_artefact(store.artefact("t"))
        assert torch.equal(found.images, SET.images) and torch.equal(found.labels, SET.labels)
        assert found.minibatch == Minibatch(per_class=1)
        assert (manifest["label"], manifest["sha256"]) == ("x", sha256)

    def test_a_learned_rate_comes_back(self, store: Store) -> None:
        write_artefact(store.artefact("t"), dataclasses.replace(SET, lr=0.0123), {})
        write_artefact(store.artefact("u"), SET, {})
        found = {name: load_artefact(store.artefact(name)) for name in "tu"}
        assert found["t"][0].lr == found["t"][1]["lr"] == 0.0123
        assert found["u"][0].lr is None and "lr" not in found["u"][1]

    def test_other_bytes_are_refused(self, store: Store) -> None:
        write_artefact(store.artefact("t"), SET, {})
        content = bytearray(store.artefact("t").read_bytes())
        content[-1] ^= 1
        store.artefact("t").write_bytes(content)
        with pytest.raises(ValueError, match="does not match the sha256 in its manifest"):
            load_artefact(store.artefact("t"))

    @pytest.mark.parametrize("suffix", [".json", ".safetensors"])
    def test_a_missing_half_is_refused(self, store: Store, suffix: str) -> None:
        write_artefact(store.artefact("t"), SET, {})
        store.artefact("t").with_suffix(suffix).unlink()
        with pytest.raises(ValueError, match="the file or its manifest cannot be read"):
            load_artefact(store.artefact("t"))

    @pytest.mark.parametrize("text", ["{", "[]", "without minibatch"])
    def test_a_damaged_manifest_is_refused(self, store: Store, text: str) -> None:
        sha256 = write_artefact(store.artefact("t"), SET, {})
        damaged = json.dumps({"sha256": sha256}) if text == "without minibatch" else text
        store.artefact("t").with_suffix(".json").write_text(damaged)
        with pytest.raises(ValueError, match="artefact"):
            load_artefact(store.artefact("t"))


CODES: list[Parametrisation] = [
    Linear(torch.arange(8.0).reshape(2, 1, 2, 2), torch.arange(12.0).reshape(2, 3, 2), 4, 4),
    MultiFormation(torch.arange(32.0).reshape(2, 1, 1, 4, 4), 2),
    Frequencies.of(torch.arange(64.0).reshape(2, 2, 1, 4, 4), 3),
]


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.kind)
class TestFactorisedArtefacts:
    def test_the_file_holds_the_code_and_the_set_is_decoded(
        self, store: Store, code: Parametrisation
    ) -> None:
        made = SyntheticSet.from_parametrisation(code, Minibatch(per_class=1))
        write_artefact(store.artefact("t"), made, {"label": "x"})
        stored = load_file(store.artefact("t"))
        assert set(stored) == {*code.tensors, "labels"}
        found, manifest = load_artefact(store.artefact("t"))
        assert torch.equal(found.images, made.images) and torch.equal(found.labels, made.labels)
        assert found.minibatch == made.minibatch and found.stored_bytes == code.nbytes == made.stored_bytes
        assert manifest["parametrisation"] == {"kind": code.kind, "settings": code.settings}

    def test_learned_labels_come_back(self, store: Store, code: Parametrisation) -> None:
        made = SyntheticSet.from_parametrisation(code)
        soft = dataclasses.replace(made, labels=made.labels * 0.8 + 0.1)
        write_artefact(store.artefact("t"), soft, {})
        found, _ = load_artefact(store.artefact("t"))
        assert torch.equal(found.labels, soft.labels) and found.stored_bytes == soft.stored_bytes

    def test_a_code_that_is_unknown_is_refused(self, store: Store, code: Parametrisation) -> None:
        write_artefact(store.artefact("t"), SyntheticSet.from_parametrisation(code), {})
        path = store.artefact("t").with_suffix(".json")
        path.write_text(path.read_text().replace(f'"{code.kind}"', '"wavelet"'))
        with pytest.raises(ValueError, match="its set cannot be read: unknown parametrisation 'wavelet'"):
            load_artefact(store.artefact("t"))


def test_a_plain_artefacts_bytes_and_manifest_are_as_ever(store: Store) -> None:
    write_artefact(store.artefact("t"), SET, {"label": "x"})
    assert store.artefact("t").read_bytes() == save({"images": SET.images, "labels": SET.labels})
    _, manifest = load_artefact(store.artefact("t"))
    assert set(manifest) == {"label", "minibatch", "seal", "sha256"}


class TestCheckpoints:
    def test_the_newest_two_are_kept(self, store: Store) -> None:
        for step in (9, 10, 100):
            store.save_checkpoint("t", step, {"step": step})
        names = sorted(path.name[:9] for path in (store.path / "checkpoints" / "t").iterdir())
        assert names == ["000000010", "000000100"]
        assert store.load_checkpoint("t") == {"step": 100}

    def test_a_damaged_one_falls_back_to_the_older(self, store: Store) -> None:
        for step in (1, 2):
            store.save_checkpoint("t", step, {"draw": torch.ones(3) * step})
        newest = max((store.path / "checkpoints" / "t").iterdir())
        newest.write_bytes(newest.read_bytes()[:-7])
        with pytest.warns(UserWarning, match="its content does not match its name"):
            found = store.load_checkpoint("t")
        assert found is not None and torch.equal(found["draw"], torch.ones(3))

    def test_without_a_valid_one_the_trial_starts_anew(self, store: Store) -> None:
        assert store.load_checkpoint("t") is None
        store.save_checkpoint("t", 1, {})
        next((store.path / "checkpoints" / "t").iterdir()).write_bytes(b"")
        with pytest.warns(UserWarning):
            assert store.load_checkpoint("t") is None

    def test_one_from_a_gpu_is_loaded_without_a_gpu(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("torch.serialization.location_tag", lambda storage: "cuda:0")
        store.save_checkpoint("t", 1, {"draw": torch.ones(3)})
        found = store.load_checkpoint("t")
        assert found is not None and torch.equal(found["draw"], torch.ones(3))

    def test_its_step_is_told(self, store: Store) -> None:
        assert store.checkpoint_step("t") is None
        for step in (9, 10):
            store.save_checkpoint("t", step, {})
        assert store.checkpoint_step("t") == 10

    def test_they_go_with_the_trials_end(self, store: Store) -> None:
        store.save_checkpoint("t", 1, {})
        store.drop_checkpoints("t")
        assert not (store.path / "checkpoints" / "t").exists()


class TestOpening:
    def test_a_second_opening_keeps_what_is_there(self, store: Store) -> None:
        store.write(record())
        assert Store.create(store.path).record(TRIAL.id) is not None

    def test_another_protocol_is_refused(self, store: Store) -> None:
        (store.path / "store.json").write_text(json.dumps({"protocol": PROTOCOL + 1}))
        with pytest.raises(
            ValueError,
            match=rf"has protocol {PROTOCOL + 1}, this release writes protocol {PROTOCOL}; choose",
        ):
            Store.create(store.path)

    def test_an_old_protocol_names_the_command_that_converts(self, store: Store) -> None:
        (store.path / "store.json").write_text('{"protocol": 1}')
        with pytest.raises(ValueError, match=f"has protocol 1, .*`ratbench migrate {store.path} NEW`"):
            Store.create(store.path)

    @pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense"])
    def test_damaged_facts_are_written_again(self, store: Store, text: str) -> None:
        facts = store.path / "store.json"
        before = facts.read_bytes()
        store.write(record())
        facts.write_text(text)
        store.check_protocol()
        with pytest.warns(UserWarning, match=r"store\.json is damaged; moved to .*, it is written again"):
            Store.create(store.path)
        assert facts.read_bytes() == before

    def test_without_facts_the_records_tell_the_protocol(self, store: Store) -> None:
        (store.path / "store.json").unlink()
        with pytest.raises(ValueError, match=r"is not a store: .*store\.json is missing or damaged"):
            store.check_protocol()
        place = store.path / "records" / "digits-ipc1" / "dm" / f"{TRIAL.id}.json"
        place.parent.mkdir(parents=True)
        place.write_text('{"protocol": 1}')
        with pytest.raises(ValueError, match=r"has protocol 1, .*`ratbench migrate"):
            Store.create(store.path)

    def test_a_path_below_a_file_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(
            ValueError, match=r"file/store cannot be written: Not a directory; choose another"
        ):
            Store.create(tmp_path / "file" / "store")

    def test_a_read_only_disk_cannot_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(**_: object) -> NoReturn:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr("suite.records.store.tempfile.TemporaryFile", refuse)
        with pytest.raises(ValueError, match=r"Read-only file system; choose another --store$"):
            Store.create(tmp_path / "store")
        with pytest.raises(ValueError, match=r"choose another --output$"):
            Store.create(tmp_path / "store", "--output")

    def test_a_full_disk_is_said_before_the_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40 - 2**20, 7 * 2**20))
        with pytest.raises(ValueError, match=r"disk full: 7 MiB are free at .*, 200 MiB are needed"):
            Store.create(tmp_path / "store")


class TestFullDisk:
    @pytest.fixture
    def full(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
        store.write(record("failed"))
        store.save_checkpoint("t", 1, {"step": 1})

        def no_space(*_: object) -> NoReturn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", no_space)
        return store

    def test_a_record_is_not_half_written(self, full: Store) -> None:
        with pytest.raises(OSError, match="No space left"):
            full.write(record())
        assert full.record(TRIAL.id) is None and partial_files(full) == []

    def test_what_was_there_stays(self, full: Store) -> None:
        with pytest.raises(OSError, match="No space left"):
            full.write(record("oom"))
        found = full.last_failure(TRIAL.id)
        assert found is not None and found.status == "failed"

    def test_the_earlier_checkpoint_stays(self, full: Store) -> None:
        with pytest.raises(OSError, match="No space left"):
            full.save_checkpoint("t", 2, {"step": 2})
        assert full.load_checkpoint("t") == {"step": 1} and partial_files(full) == []

    def test_an_artefact_is_not_half_written(self, full: Store) -> None:
        with pytest.raises(OSError, match="No space left"):
            write_artefact(full.artefact("t"), SET, {})
        assert not full.artefact("t").exists() and partial_files(full) == []


class TestLock:
    def test_a_second_driver_is_told_the_first_ones_pid(self, store: Store) -> None:
        code = (
            "import sys; from pathlib import Path; from suite.records.store import Store\n"
            "try:\n"
            "    with Store(Path(sys.argv[1])).locked(): print('locked')\n"
            "except ValueError as error: print(error)"
        )
        command = [sys.executable, "-c", code, str(store.path)]
        with store.locked():
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        assert f"is in use by {owner}; wait until it ends, or end it" in ran.stdout

    def test_it_is_free_again_afterwards(self, store: Store) -> None:
        for _ in range(2):
            with store.locked():
                pass

    def test_the_driver_shows_that_it_lives(self, store: Store) -> None:
        (store.path / "running").mkdir()
        (store.path / "running" / "killed.json").write_text("{}")
        with store.locked("merge"):
            assert signs(store.path)["driver"].doing == "merge"
            assert [path.name for path in (store.path / "running").iterdir()] == ["driver.json"]
        assert list((store.path / "running").iterdir()) == []


class TestPlace:
    @pytest.mark.parametrize(
        "label", ["../../evil", "a/b", "..", "", "a\x1b[2J", "C:\\x", "x" * 300, "ä" * 200]
    )
    def test_a_record_stays_in_the_store(self, store: Store, label: str) -> None:
        """Records of others may have any label."""
        made = record().model_copy(update={"label": label, "task": "../" * 100 + "evil"})
        store.write(made)
        (path,) = store.path.glob("records/*/*/*.json")
        assert path.resolve().is_relative_to(store.path.resolve()) and path.parent.name.isprintable()
        assert store.record(TRIAL.id) == made.sealed()


class TestTraceback:
    def test_it_stands_beside_the_failure(self, store: Store) -> None:
        failed = record("failed")
        store.write(failed, "Traceback: line 1\nValueError: no\n")
        assert store.traceback(failed).read_text().endswith("ValueError: no\n")
        assert (store.traceback(failed).parent / f"{TRIAL.id}.json").is_file()

    def test_a_record_removes_it_with_the_failure(self, store: Store) -> None:
        store.write(record("failed"), "Traceback")
        store.write(record())
        assert not store.traceback(record("failed")).exists() and store.last_failure(TRIAL.id) is None
