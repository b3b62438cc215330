"""A store of protocol 1, brought over: new names and ids, the same numbers, and the old store as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import suite
from suite.core.scores import Score
from suite.experiments import grid
from suite.experiments.job_runner import missing
from suite.records.cells import Evaluation, Reference, Study, Trial
from suite.records.migrate import migrate, renamed_trial
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores.reading import Report
from tests.support import protocol_1

TODAY = """
title = "The migrated cells"
tasks = ["digits"]
ipc = [1]
seeds = [0]
network = "convnet-d1-w8-in"

[method.rtp]
steps = 2
unroll = 2
bases = 8
images = 3
real_per_class = 4

[method.idc_i]
steps = 2
network_images = 64

[method.bptt]
steps = 2
unroll = 6
real_batch = 32
initial = "real"
checkpoint_every = 2
max_nonfinite = 5

[method.tesla]
steps = 2
syn_steps = 3
expert_epochs = 1
max_start_epoch = 1
image_lr = 10.0
experts = 2
trained_epochs = 2
expert_batch = 64

[study.gradients]
base = "gradient_study"
initialisations = 3
unroll = 4
share = 0.5
real_batch = 32
augment = "none"

[evaluator.retrain]
recipe = ["dsa-1000:bf16", "chosen"]
copies = 2

[evaluator.label_robust]
copies = 2

[reference]
epochs = 2
"""


class Titles:
    """Stands for what is declared of methods and evaluators."""

    def method(self, name: str) -> tuple[str, str]:
        return f"title of {name}", f"paper of {name}"

    def evaluator(self, name: str) -> tuple[str, tuple[Score, ...]]:
        return f"title of {name}", (Score("accuracy", "accuracy"),)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return protocol_1.write(tmp_path / "old")


@pytest.fixture
def new(old: Path, tmp_path: Path) -> Store:
    brought(old, tmp_path / "new")
    return Store(tmp_path / "new")


def brought(old: Path, new: Path) -> Report:
    return migrate(old, new, Titles())


def records(store: Store) -> list[Record]:
    paths = [path for kind in ("records", "failures") for path in store.path.glob(f"{kind}/*/*/*.json")]
    return [Record.model_validate_json(path.read_bytes()) for path in paths]


def of_label(store: Store, label: str) -> Record:
    """Return the record of the only trial, reference or study in a row."""
    (found,) = (
        each for each in records(store) if each.label == label and not isinstance(each.cell, Evaluation)
    )
    return found


def evaluations(store: Store) -> dict[str, Record]:
    """Return the records of evaluations by their recipe."""
    return {
        str(each.cell.settings["recipe"]): each
        for each in records(store)
        if isinstance(each.cell, Evaluation) and each.cell.evaluator == "retrain"
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_counted(old: Path, tmp_path: Path) -> None:
    report = brought(old, tmp_path / "new")
    assert report.done == {"record": 9, "plan": 1, "artefact": 2} and report.left == []
    assert json.loads((tmp_path / "new" / "store.json").read_text()) == {"protocol": 2}


def test_methods_have_todays_names_and_settings(new: Store) -> None:
    cells = {label: of_label(new, label).cell for label in ("rtp", "idc_i", "bptt", "tesla")}
    for label, cell in cells.items():
        assert isinstance(cell, Trial) and cell.method == label
    rtp, idc_i, bptt, tesla = (cell for cell in cells.values() if isinstance(cell, Trial))
    assert rtp.hyperparameters == {
        **{key: value for key, value in protocol_1.RTP.items() if key != "segment"},
        "checkpoint_every": None,
    }
    assert idc_i.hyperparameters == protocol_1.IDC
    assert not {"window", "truncation", "segment", "skips"} & bptt.hyperparameters.keys()
    assert (bptt.hyperparameters["checkpoint_every"], bptt.hyperparameters["max_nonfinite"]) == (2, 5)
    assert not {"labels", "label_lr", "threshold", "growth"} & tesla.hyperparameters.keys()
    study = of_label(new, "gradients").cell
    assert isinstance(study, Study) and study.study == "gradient_study"
    assert study.settings == protocol_1.STUDY


def test_recipes_have_todays_names(new: Store) -> None:
    assert of_label(new, "rtp").recipe == "rtp-300" and of_label(new, "idc_i").recipe == "idc-1000"
    assert of_label(new, "bptt").recipe == "rat-bptt-1000" and of_label(new, "gradients").recipe == ""
    reference = of_label(new, "full_data").cell
    assert isinstance(reference, Reference) and reference.recipe == "dsa-1000"
    assert set(evaluations(new)) == {"dsa-1000:bf16", "chosen"}
    (robust,) = (
        each.cell
        for each in records(new)
        if isinstance(each.cell, Evaluation) and each.cell.evaluator == "label_robust"
    )
    assert robust.settings == {
        "native_recipe": "rtp-300",
        "recipe": "dsa-1000",
        "network": protocol_1.NETWORK,
        "copies": 2,
    }


def test_ids_are_todays_and_lead_to_each_other(new: Store) -> None:
    trial = of_label(new, "rtp").cell
    for record in records(new):
        paths = list(new.path.glob(f"*/*/*/{record.cell.id}.json"))
        assert len(paths) == 1 and paths[0].parent.name == record.label
        if isinstance(record.cell, Evaluation):
            assert record.cell.trial == trial.id and record.cell.seed == 66003719745847


def test_numbers_stay(old: Path, new: Store) -> None:
    before = [json.loads(path.read_text()) for path in old.glob("*/*/*/*.json")]
    numbers = ("status", "error", "curve", "seconds", "device_seconds", "peak_memory_bytes", "attempts")
    assert len(before) == len(records(new)) == 9
    for label, key in (("rtp", "linear_bases"), ("idc_i", "idc_i"), ("bptt", "bptt"), ("full_data",) * 2):
        now = json.loads(of_label(new, label).to_json())
        (was,) = (each for each in before if each["label"] == key and each["cell"]["kind"] != "evaluation")
        assert {name: now[name] for name in numbers} == {name: was[name] for name in numbers}
    assert of_label(new, "rtp").curve == {"outer_loss": (2.0, 1.0)}
    assert of_label(new, "rtp").stored_bytes == 512 and of_label(new, "rtp").decoded == 3
    assert of_label(new, "gradients").curve == {"norm": (1.0, 2.0, 3.0)}
    assert of_label(new, "full_data").scores == {"accuracy": (0.9375,)}
    assert evaluations(new)["dsa-1000:bf16"].scores == {"accuracy": (0.5, 0.625)}


def test_scores_that_name_recipes_name_todays(new: Store) -> None:
    assert evaluations(new)["chosen"].scores == {
        "accuracy": (0.5, 0.25),
        "chosen/dsa-1000": (1.0,),
        "holdout/dsa-1000": (0.75, 0.5),
        "seconds": (1.0, 2.0),
    }


def test_records_say_where_they_come_from_and_are_sealed(new: Store) -> None:
    for record in records(new):
        assert record.measured_under == 1 and record.protocol == 2
        assert record == record.sealed() and record.sha256
    rtp = of_label(new, "rtp")
    assert (rtp.method_title, rtp.paper) == ("title of rtp", "paper of rtp")
    chosen = evaluations(new)["chosen"]
    assert chosen.title == "title of retrain" and chosen.described == (Score("accuracy", "accuracy"),)


def test_failures_stay_failures(new: Store) -> None:
    tesla = of_label(new, "tesla")
    assert new.record(tesla.cell.id) is None
    found = new.last_failure(tesla.cell.id)
    assert found is not None and (found.status, found.error) == ("failed", "no memory")


def test_sets_load_and_keep_their_bytes(old: Path, new: Store) -> None:
    trial, own = of_label(new, "rtp"), protocol_1.id_of(protocol_1.TRIALS["rtp"])
    for step, stem in ((None, own), (1, f"{own}@1")):
        path = new.artefact(trial.cell.id, step)
        assert path.read_bytes() == (old / "artefacts" / f"{stem}.safetensors").read_bytes()
        loaded, tensors = suite.load_set(path), protocol_1.factorised()
        sums = torch.einsum("cnk,kxhw->cnxhw", tensors["coefficients"], tensors["bases"])
        bilinear = torch.nn.functional.interpolate(sums.flatten(0, 1), (8, 8), mode="bilinear")
        assert loaded.hard and torch.allclose(loaded.images.flatten(0, 1), bilinear, atol=1e-5)
        manifest = json.loads(path.with_suffix(".json").read_text())
        assert manifest["trial"] == trial.cell.model_dump(mode="json") and manifest["label"] == "rtp"
        assert "code" not in manifest and manifest["parametrisation"]["kind"] == "linear"


def test_the_loader_of_a_manifest_runs(new: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = of_label(new, "rtp").cell
    monkeypatch.chdir(new.path / "artefacts")
    for path in (new.artefact(trial.id), new.artefact(trial.id, 1)):
        names: dict[str, Any] = {}
        exec(json.loads(path.with_suffix(".json").read_text())["loader"], names)
        assert names["name"] == path.stem
        assert torch.allclose(names["images"], suite.load_set(path).images.flatten(0, 1), atol=1e-5)
        assert len(names["loader"].dataset) == 30


def test_a_grid_of_today_finds_its_cells_done(new: Store, tmp_path: Path) -> None:
    (tmp_path / "today.toml").write_text(TODAY)
    jobs = grid.jobs(grid.load(tmp_path / "today.toml"))
    assert len([job for job in jobs if job.label == "tesla" and missing(job, new)]) == 1  # it had failed
    augmented = next(job for job in jobs if job.label == "idc_i")
    assert missing(augmented, new)  # IDC's augmentation was corrected, and has another name
    for job in (job for job in jobs if job.label not in ("tesla", "idc_i")):
        record = new.record(job.id)
        assert record is not None and record.cell == job.cell
    rtp = next(job for job in jobs if job.label == "rtp")
    assert len(rtp.evaluations) == 3 and not missing(rtp, new)


def test_the_plan_has_the_same_cells(new: Store) -> None:
    plan = json.loads((new.path / "plan" / "old.json").read_text())
    done = {record.cell.id for record in records(new)}
    assert len(plan["cells"]) == 9
    for planned in plan["cells"]:
        cell = {key: value for key, value in planned["cell"].items() if value is not None}
        assert protocol_1.sha256({"protocol": 2, **planned["cell"]}) in done, cell


def test_the_old_store_stays_as_it_was(old: Path, tmp_path: Path) -> None:
    before = contents(old)
    brought(old, tmp_path / "new")
    assert contents(old) == before


def test_a_second_migration_into_the_same_folder_is_refused(old: Path, new: Store) -> None:
    before = contents(new.path)
    with pytest.raises(ValueError, match="is not empty; name a new folder"):
        brought(old, new.path)
    assert contents(new.path) == before


def test_only_stores_of_protocol_1_are_taken(old: Path, new: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a store of protocol 1: it has protocol 2"):
        brought(new.path, tmp_path / "newer")
    with pytest.raises(ValueError, match=r"not a store of protocol 1: .*store\.json is missing"):
        brought(tmp_path / "nowhere", tmp_path / "newer")
    assert not (tmp_path / "newer").exists()


def test_an_edited_record_is_left_behind(old: Path, tmp_path: Path) -> None:
    path = next(old.glob("records/digits-full/*/*.json"))
    path.write_text(path.read_text().replace("0.9375", "0.9999"))
    report = brought(old, tmp_path / "new")
    assert report.done["record"] == 8
    assert report.left == [f"{path}: its content does not match its sha256"]
    assert "full_data" not in {record.label for record in records(Store(tmp_path / "new"))}


def test_a_set_without_a_trial_is_left_behind(old: Path, tmp_path: Path) -> None:
    stray = protocol_1.trial("random_subset", {})
    images, labels = torch.zeros(10, 1, 1, 8, 8), torch.eye(10)[:, None].clone()
    protocol_1.write_artefact(old, protocol_1.id_of(stray), stray, {"images": images, "labels": labels})
    report = brought(old, tmp_path / "new")
    assert report.done["artefact"] == 2
    assert [line.partition(": ")[2] for line in report.left] == ["its trial was not converted"]


@pytest.mark.parametrize(
    ("method", "values", "label", "expected"),
    [
        ("multi_formation", {**protocol_1.IDC, "factor": 2}, "idc", "idc"),
        ("trajectory_matching", {**protocol_1.MTT, "labels": "hard"}, "mtt", "mtt"),
        ("trajectory_matching", {**protocol_1.MTT, "labels": "learned"}, "datm", "datm"),
        ("rat_bptt", {**protocol_1.RAT_BPTT, "truncation": "random"}, "rat_bptt", "rat_bptt"),
        ("rat_bptt", {**protocol_1.RAT_BPTT, "truncation": "random-length"}, "r_bptt", "r_bptt"),
        ("rat_bptt", {**protocol_1.RAT_BPTT, "truncation": "fixed"}, "t_bptt", "t_bptt"),
        ("gradient_matching", {}, "dc", "dc"),
        ("herding", {"training": "dc"}, "herding", "herding"),
    ],
)
def test_a_trials_settings_decide_its_name(
    method: str, values: dict[str, Any], label: str, expected: str
) -> None:
    found = renamed_trial(protocol_1.trial(method, values), label)
    assert isinstance(found, Trial) and found.method == expected
    assert found.hyperparameters.get("training", "dc-300") == "dc-300"
    assert ("window" in found.hyperparameters) == (expected in ("rat_bptt", "t_bptt"))
    assert ("label_lr" in found.hyperparameters) == (expected == "datm")


def test_a_store_is_not_migrated_into_itself(old: Path) -> None:
    with pytest.raises(ValueError, match=r"lies in .*, which is only read; name a folder elsewhere"):
        brought(old, old / "new")


def test_what_cannot_be_read_is_left_behind(old: Path, tmp_path: Path) -> None:
    broken = next(old.glob("records/digits-full/*/*.json"))
    broken.write_text("{")
    other = broken.with_name("list.json")
    other.write_text("[]")
    artefact = next(old.glob("artefacts/*.safetensors"))
    artefact.with_suffix(".json").unlink()
    report = brought(old, tmp_path / "new")
    assert report.done == {"record": 8, "plan": 1, "artefact": 1}
    assert {line.partition(": ")[0] for line in report.left} == {
        str(broken),
        str(other),
        str(artefact.with_suffix(".json")),
    }


def test_evaluations_of_a_damaged_trial_are_left_behind_with_it(old: Path, tmp_path: Path) -> None:
    for plan in old.glob("plan/*.json"):
        plan.unlink()
    trials = [path for path in old.glob("records/*/*/*.json") if '"distillation"' in path.read_text()]
    for path in trials:
        path.write_text("{")
    report = brought(old, tmp_path / "new")
    reasons = [line.partition(": ")[2] for line in report.left]
    assert "its trial was not converted" in reasons and len(reasons) > len(trials)
    assert not list((tmp_path / "new").glob("artefacts/*"))


@pytest.mark.parametrize(
    ("changes", "nested", "message"),
    [
        ({"min_start_epoch": 3}, [], "min_start_epoch 3 is a setting of `datm` only"),
        ({"threshold": 1.0}, [], "threshold 1.0 is a setting of `datm` only"),
        ({}, [1], r"nested \[1\]: trials no longer have nested sizes"),
    ],
)
def test_settings_that_would_be_lost_are_refused(
    changes: dict[str, Any], nested: list[int], message: str
) -> None:
    values = {**protocol_1.MTT, "labels": "hard", **changes}
    cell = {**protocol_1.trial("trajectory_matching", values), "nested": nested}
    with pytest.raises(ValueError, match=message):
        renamed_trial(cell, "mtt")
