"""What cannot work is refused before any compute starts, in the words of its job."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from suite.core.data import cache, tasks
from suite.core.data.tasks import DataMissing
from suite.experiments import preflight
from suite.experiments.resources import Resources
from suite.records.cells import Cell, Evaluation, Reference, Study, Trial
from suite.records.jobs import Job
from tests.support.hugging_face import write_pets

NETWORK = "convnet-d1-w8-in"
DM = {"network": NETWORK, "real_batch": 8, "steps": 1}


def job(cell: Trial | Reference | Study, **settings: object) -> Job:
    evaluation = Evaluation(
        trial=cell.id,
        evaluator="retrain",
        settings={"network": NETWORK, "recipe": "dc-300", "copies": 1, **settings},
        seed=0,
    )
    return Job(label="row", cell=cell, evaluations=(evaluation,) if isinstance(cell, Trial) else ())


def trial(method: str = "dm", ipc: int = 1, task: str = "digits", **values: object) -> Trial:
    hyperparameters = {**DM, **values} if method == "dm" else values
    return Trial(task=task, method=method, hyperparameters=hyperparameters, ipc=ipc, seed=0)


def reference(network: str = NETWORK, recipe: str = "dc-300") -> Reference:
    return Reference(task="digits", network=network, recipe=recipe, epochs=1, copies=1, seed=0)


def study(**settings: object) -> Study:
    values = {"network": NETWORK, "unroll": 4, **settings}
    return Study(task="digits", study="gradient_study", settings=values, ipc=1, seed=0)


def test_jobs_get_the_fingerprint_of_their_data() -> None:
    jobs = [job(trial()), job(reference()), job(trial(task="digits:holdout"))]
    found, formers = preflight.on_data(jobs)
    digits, held = (tasks.load(name) for name in ("digits", "digits:holdout"))
    assert [each.data for each in found] == [tasks.fingerprint(each) for each in (digits, digits, held)]
    assert formers == {tasks.fingerprint(each): tasks.former_fingerprint(each) for each in (digits, held)}
    assert [each.cell for each in found] == [each.cell for each in jobs]


def test_what_works_passes() -> None:
    preflight.check([job(trial()), job(reference()), job(study())], Resources())
    preflight.check([job(trial()), job(reference())], None)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (trial(network="convnet-d9-w8-in"), "row on digits at ipc 1: .*too small for 9 blocks"),
        (trial(steps=0), "row on digits at ipc 1: method dm: steps 0 must be at least 1"),
        (trial(step=1), "method dm: unknown key 'step'; did you mean 'steps'"),
        (trial("random_subset", ipc=1000), "ipc 1000 is larger than the smallest class"),
        (trial(ipc=151, initial="noise"), "the set has 1510 images, more than train .1501.; lower ipc"),
        (reference(network="convnet-d9-w8-in"), "row on digits: .*too small for 9 blocks"),
        (study(share=2.0), "row on digits at ipc 1: study gradient_study: share 2.0"),
    ],
)
def test_a_mistake_is_told_with_its_row_and_task(cell: Cell, message: str) -> None:
    assert isinstance(cell, Trial | Reference | Study)
    for resources in (Resources(), None):
        with pytest.raises(ValueError, match=message):
            preflight.check([job(cell)], resources)


def test_an_evaluators_mistake_is_told_too() -> None:
    for settings, message in (({"copies": 0}, "copies 0 must be"), ({"network": "mlp"}, "unknown network")):
        with pytest.raises(ValueError, match=f"row on digits at ipc 1: .*{message}"):
            preflight.check([job(trial(), **settings)], Resources())


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("evaluator", "settings"),
    [
        ("retrain", {"recipe": "mtt-1000"}),
        ("augmentation_robust", {"native_recipe": "datm-1000:tf32"}),
        ("label_robust", {"native_recipe": "dsa-1000", "recipe": "mtt-1000"}),
    ],
)
def test_a_recipe_for_a_learned_rate_needs_a_method_that_learns_one(
    evaluator: str, settings: dict[str, str]
) -> None:
    """Baselines are compared under every recipe, at the rate that it states."""
    cell = Evaluation(trial="", evaluator=evaluator, settings={"network": NETWORK, **settings}, seed=0)
    made = Job(label="row", cell=trial(), evaluations=(cell,))
    for own in ("dsa-1000", "", "unknown"):
        with pytest.raises(ValueError, match=r"row on digits at ipc 1: recipe '(mtt|datm)-1000.* have none"):
            preflight.check([made.model_copy(update={"recipe": own})], None)
    preflight.check([made.model_copy(update={"recipe": "mtt-1000"})], None)
    preflight.check([made.model_copy(update={"cell": trial("random_subset")})], None)


def test_missing_data_are_told() -> None:
    with pytest.raises(ValueError, match="row on cifar100 at ipc 1") as caught:
        preflight.check([job(trial(task="cifar100"))], Resources())
    assert isinstance(caught.value.__context__, DataMissing)


def test_a_machine_must_have_what_a_job_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="lower --cpus-per-trial"):
        preflight.check([job(trial())], Resources(cpus=(os.cpu_count() or 1) + 1))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="a GPU was requested"):
        preflight.check([job(trial())], Resources(gpus=1.0))
    preflight.check([job(trial())], None)  # a cluster is not asked


def test_precisions_are_those_of_methods_recipes_and_references() -> None:
    wanting = [
        job(trial("rat_bptt", precision="tf32")),
        job(trial(), recipe="dc-300:tf32"),
        job(reference(recipe="dc-300:tf32")),
    ]
    for each in wanting:
        with pytest.raises(ValueError, match="row: precision tf32 needs a GPU"):
            preflight.check_precisions([each], Resources())
    preflight.check_precisions([job(trial(), recipe="chosen"), job(study())], Resources())


def test_data_must_fit_a_trials_share_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    total = SimpleNamespace(total_memory=1501 * 64 * 4)  # just the digits
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: total)
    preflight.check([job(trial())], Resources(gpus=1.0, compile=False))
    with pytest.raises(ValueError, match=r"row on digits at ipc 1: train takes 0\.0 GiB, and a trial's"):
        preflight.check([job(trial())], Resources(gpus=0.5, compile=False))
    preflight.check([job(trial())], None)


def test_images_that_stay_on_the_host_need_no_room_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=10**4))
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    for split in ("train", "test"):
        write_pets(tmp_path / f"pets/{split}.parquet", [0, 1] * 30)
    own = job(trial(task="hf:pets"))
    with pytest.raises(ValueError, match="train takes"):
        preflight.check([own], Resources(gpus=1.0, compile=False))
    monkeypatch.setattr(cache, "LARGE", 10**4)
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / "pets").rename(tmp_path / "other/pets")
    preflight.check([own], Resources(gpus=1.0, compile=False))
