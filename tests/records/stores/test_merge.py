"""The union of real stores: everything once, conflicts before anything is written, damage named."""

import json
import shutil
from pathlib import Path

import pytest

from suite.board import files
from suite.core.sets import sealing
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Plan
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import merge as merging
from suite.records.stores.merge import Merge, united
from suite.records.stores.reading import Report
from tests.support.stores import change, content, kept, record_of, renamed


@pytest.fixture
def other(copied: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(copied, tmp_path / "other"))


def merge(*stores: Path, output: Path) -> Report:
    with Merge(stores, output) as union:
        union.read()
        union.write()
    return union.report


def conflicts(*stores: Path, output: Path) -> list[merging.Conflict]:
    with Merge(stores, output) as union:
        union.read()
        return list(union.conflicts())


def split(copied: Path, other: Path) -> None:
    """Leave one row in each of two equal stores."""
    shutil.rmtree(record_of(copied, "rat_bptt", Trial).parent)
    shutil.rmtree(record_of(other, "random_subset", Trial).parent)


def test_a_store_is_copied(copied: Path, tmp_path: Path) -> None:
    report = merge(copied, output=tmp_path / "all")
    assert kept(tmp_path / "all") == kept(copied)
    assert report.done == {"set": 2, "record": 4, "plan": 1} and report.left == []


def test_the_union_of_parts_is_the_whole(
    copied: Path, other: Path, finished: tuple[Path, Path, object], tmp_path: Path
) -> None:
    split(copied, other)
    merge(copied, other, output=tmp_path / "all")
    assert kept(tmp_path / "all") == kept(finished[1])
    (board,) = files.load([tmp_path / "all"]).tables
    assert {row.state for row in board.rows} == {"not under dsa-1000"}


def test_merging_again_changes_nothing(copied: Path, other: Path, tmp_path: Path) -> None:
    split(copied, other)
    merge(copied, other, output=tmp_path / "all")
    before = content(tmp_path / "all")
    again = merge(copied, other, output=tmp_path / "all")
    assert content(tmp_path / "all") == before and not +again.done
    assert again.present["record"] == 4 and again.present["set"] == 4 and again.present["plan"] == 2


def test_into_a_store_that_has_some(copied: Path, other: Path) -> None:
    split(copied, other)
    report = merge(other, output=copied)
    assert report.done["record"] == 2
    assert len(files.read([copied]).records) == 4


def test_sources_do_not_change(copied: Path, other: Path, tmp_path: Path) -> None:
    before = content(copied), content(other)
    merge(copied, other, output=tmp_path / "all")
    assert (content(copied), content(other)) == before


def test_a_store_that_is_named_twice_is_read_once(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(copied)
    report = merge(copied, tmp_path / "link", copied, output=tmp_path / "all")
    assert report.done["record"] == 4 and report.present["record"] == 0


class TestConflicts:
    @pytest.fixture(autouse=True)
    def clash(self, copied: Path, other: Path) -> None:
        change(record_of(other, "rat_bptt", Evaluation), scores={"accuracy": (0.25,)})

    def test_they_say_both_results_and_stores(self, copied: Path, other: Path, tmp_path: Path) -> None:
        (found,) = conflicts(copied, other, output=tmp_path / "all")
        assert "rat_bptt on digits ipc 1, retrain ncfm-40, cell " in found.what
        assert found.first.startswith(f"{copied}: ") and found.second.startswith(f"{other}: 25.00; ")
        for words in (found.first, found.second):
            assert "device-seconds on CPU" in words and "commit " in words and "torch " in words
        assert not found.same and not (tmp_path / "all").exists()

    def test_other_costs_of_the_same_result_are_told_apart(
        self, copied: Path, other: Path, tmp_path: Path
    ) -> None:
        change(record_of(other, "random_subset", Trial), seconds=9.0)
        evaluation = record_of(other, "random_subset", Evaluation)
        scores = Record.model_validate_json(evaluation.read_bytes()).scores
        change(evaluation, scores={**scores, "seconds": (9.0,)})
        found = conflicts(copied, other, output=tmp_path / "all")
        assert sorted(each.same for each in found) == [False, True, True]

    def test_the_first_store_is_kept(self, copied: Path, other: Path, tmp_path: Path) -> None:
        report = merge(other, copied, output=tmp_path / "all")
        assert kept(tmp_path / "all") == kept(other) and report.superseded["record"] == 1
        before = content(tmp_path / "all")
        merge(copied, other, output=tmp_path / "all")
        assert content(tmp_path / "all") == before  # the output comes before all

    def test_scores_of_a_set_that_is_left_out_are_left_out(
        self, copied: Path, other: Path, tmp_path: Path
    ) -> None:
        """As on GPUs: the same trial, another set."""
        change(record_of(other, "random_subset", Trial), artefact="0" * 64)
        record_of(copied, "random_subset", Evaluation).unlink()
        report = merge(copied, other, output=tmp_path / "all")
        assert report.superseded["evaluation"] == 1
        labels = [each.label for each in files.read([tmp_path / "all"]).records]
        assert sorted(labels) == ["random_subset", "rat_bptt", "rat_bptt"]

    def test_one_row_under_two_names_is_a_conflict(self, copied: Path, other: Path, tmp_path: Path) -> None:
        renamed(record_of(other, "random_subset", Trial), "by-hand")
        assert len(conflicts(copied, other, output=tmp_path / "all")) == 2


def test_records_of_other_data_stand_beside_each_other(copied: Path, other: Path, tmp_path: Path) -> None:
    for path in other.glob("records/*/*/*.json"):
        change(path, data="f" * 64)
    for path in other.glob("artefacts/*.json"):
        path.write_text(sealing.to_json({**json.loads(path.read_text()), "data": "f" * 64}))
    merge(copied, other, output=tmp_path / "all")
    store, trial = Store(tmp_path / "all"), record_of(copied, "rat_bptt", Trial).stem
    assert len(list(store.records(trial))) == 2
    path = store.artefact(trial, data="f" * 64)
    assert path.name == f"{trial}-{'f' * 16}.safetensors" and store.data_of(path) == "f" * 64
    assert f'"{path.stem}"' in json.loads(path.with_suffix(".json").read_text())["loader"]
    before = content(tmp_path / "all")
    merge(copied, other, output=tmp_path / "all")
    assert content(tmp_path / "all") == before


class TestDamage:
    def test_a_damaged_record_is_named_and_not_copied(self, copied: Path, tmp_path: Path) -> None:
        path = record_of(copied, "rat_bptt", Evaluation)
        path.write_text(path.read_text().replace('"status": "done"', '"status": "oom"'))
        report = merge(copied, output=tmp_path / "all")
        (line,) = report.left
        assert line.startswith(f"{path}: ") and "does not match its sha256" in line
        assert report.done["record"] == 3 and path.is_file()

    def test_the_record_of_another_store_takes_its_place(
        self, copied: Path, other: Path, tmp_path: Path
    ) -> None:
        path = record_of(copied, "rat_bptt", Evaluation)
        path.write_text("{")
        assert merge(copied, other, output=tmp_path / "all").done["record"] == 4

    def test_one_of_the_output_is_set_aside_and_replaced(self, copied: Path, other: Path) -> None:
        path = record_of(copied, "rat_bptt", Evaluation)
        path.write_text("{")
        with pytest.warns(UserWarning, match="is damaged"):
            report = merge(other, output=copied)
        assert report.done["record"] == 1 and path.read_text() != "{"
        assert len(list((copied / "quarantine").iterdir())) == 1

    @pytest.mark.parametrize("ending", [".safetensors", ".json"])
    def test_a_damaged_set_is_named_and_not_copied(self, copied: Path, tmp_path: Path, ending: str) -> None:
        path = next(copied.glob("artefacts/*.safetensors"))
        path.with_suffix(ending).write_bytes(b"{}")
        report = merge(copied, output=tmp_path / "all")
        (line,) = report.left
        assert line.startswith(f"{path}: ") and report.done["set"] == 1
        assert not (tmp_path / "all" / "artefacts" / path.name).exists()

    @pytest.mark.parametrize("folder", ["plan", "jobs"])
    def test_damaged_plans_and_jobs_are_named(self, copied: Path, tmp_path: Path, folder: str) -> None:
        path = copied / folder / "bad.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
        report = merge(copied, output=tmp_path / "all")
        assert [line.partition(": ")[0] for line in report.left] == [str(path)]


def test_a_label_cannot_lead_out_of_the_store(copied: Path, tmp_path: Path) -> None:
    for path in sorted(copied.glob("records/*/rat_bptt/*.json")):
        change(path, label="../../../../evil", task="../../evil")
    merge(copied, output=tmp_path / "deep" / "all")
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"all"}
    assert {path.name for path in tmp_path.iterdir()} <= {"deep", "copy", "data"}
    assert len(files.read([tmp_path / "deep" / "all"]).records) == 4


def test_failures_are_copied_of_cells_without_a_record(copied: Path, other: Path, tmp_path: Path) -> None:
    path = record_of(copied, "rat_bptt", Evaluation)
    failed = change(path, status="failed", error="no", scores={})
    path.unlink()
    Store(copied).write(failed, "Traceback: no")
    merge(copied, output=tmp_path / "all")
    assert Store(tmp_path / "all").traceback(failed).read_text() == "Traceback: no"
    merge(other, output=tmp_path / "all")  # which has the record
    assert list((tmp_path / "all").glob("failures/*/*/*")) == []
    assert merge(copied, output=tmp_path / "all").done["failure"] == 0


def test_plans_of_one_name_are_united(copied: Path, other: Path, tmp_path: Path) -> None:
    paths = [next(store.glob("plan/*.json")) for store in (copied, other)]
    whole = Plan.model_validate_json(paths[0].read_bytes())
    for path, cells in zip(paths, (whole.cells[:2], whole.cells[1:]), strict=True):
        path.write_text(Plan(cells=cells).to_json())
    merge(copied, other, output=tmp_path / "all")
    assert (tmp_path / "all" / "plan" / paths[0].name).read_text() == whole.to_json()
    assert united([whole, whole]) == whole


def test_an_interrupted_merge_goes_on(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add, written = Store.add, list[object]()

    def interrupted(*args: object, **options: object) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(args)
        add(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "add", interrupted)
        merge(copied, output=tmp_path / "all")
    assert len(list((tmp_path / "all").glob("records/*/*/*.json"))) == 2
    merge(copied, output=tmp_path / "all")
    assert kept(tmp_path / "all") == kept(copied)


class TestRefusals:
    @pytest.mark.parametrize("where", ["", "deep/in"])
    def test_an_output_in_a_source(self, copied: Path, other: Path, where: str) -> None:
        if where:
            with pytest.raises(ValueError, match="which is only read"):
                Merge([copied], copied / where)
        else:
            with pytest.raises(ValueError, match="nothing to merge"):
                Merge([copied, copied], copied)

    def test_an_output_that_is_no_store(self, copied: Path, tmp_path: Path) -> None:
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "file").touch()
        with pytest.raises(ValueError, match="is not a store"):
            Merge([copied], tmp_path / "full")
        with pytest.raises(ValueError, match="is a file"):
            Merge([copied], tmp_path / "full" / "file")
        with pytest.raises(ValueError, match="cannot be written"):
            Merge([copied], tmp_path / "full" / "file" / "below")

    def test_an_output_in_use(self, copied: Path, other: Path) -> None:
        with Store(copied).locked(), pytest.raises(ValueError, match="in use"), Merge([other], copied):
            pass

    def test_an_empty_folder_is_an_output(self, copied: Path, tmp_path: Path) -> None:
        (tmp_path / "all").mkdir()
        assert merge(copied, output=tmp_path / "all").done["record"] == 4
