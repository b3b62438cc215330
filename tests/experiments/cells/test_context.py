"""The one place that makes a record: what it takes from the job, the resources and the work."""

from pathlib import Path

import pytest
import torch

from suite.experiments.cells.context import Context, load_task
from suite.experiments.resources import Resources
from suite.records.cells import Evaluation, Part, Trial
from suite.records.jobs import Job
from suite.records.store import Store

TRIAL = Trial(task="digits", method="dm", hyperparameters={}, ipc=10, seed=0)
CUT = Evaluation(trial=TRIAL.id, evaluator="retrain", settings={}, seed=0, part=Part(how="prefix", ipc=3))
JOB = Job(label="row", cell=TRIAL, evaluations=(CUT,), recipe="dsa-1000")


def test_a_record_is_of_its_job(store: Store) -> None:
    context = Context(JOB, store, Resources(cpus=2))
    record = context.record(TRIAL, "done", seconds=3.0, scores={"accuracy": (0.5,)})
    assert (record.label, record.task, record.ipc, record.recipe) == ("row", "digits", 10, "dsa-1000")
    assert record.scores == {"accuracy": (0.5,)} and record.status == "done"
    assert record.peak_memory_bytes > 0 and record.provenance.threads == torch.get_num_threads()


def test_a_part_has_its_own_size(store: Store) -> None:
    assert Context(JOB, store, Resources()).record(CUT, "done").ipc == 3


def test_seconds_are_charged_by_thread_or_gpu_and_cached_ones_take_no_time(store: Store) -> None:
    threads = Context(JOB, store, Resources(cpus=3)).record(TRIAL, "done", seconds=2.0, cached_seconds=5.0)
    assert (threads.seconds, threads.device_seconds) == (2.0, 21.0)
    half = Resources(cpus=3, gpus=0.5)
    assert half.charged(7.0) == 3.5


def test_what_was_measured_wins(store: Store) -> None:
    assert Context(JOB, store, Resources()).record(TRIAL, "done", peak_memory_bytes=7).peak_memory_bytes == 7


def test_trials_of_a_worker_share_their_task() -> None:
    assert load_task("digits", "cpu") is load_task("digits", "cpu")


def test_compiled_steps_are_those_of_the_machines_devices(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.experiments.resources._processor", lambda: "AMD EPYC 7B13")
    here = Context(JOB, store, Resources()).compiled
    assert here == store.path / "compiled" / f"torch-{torch.__version__}-CPU-AMD-EPYC-7B13".replace("+", "-")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")
    there = Context(JOB, store, Resources(gpus=1.0)).compiled
    assert there.name.endswith("-NVIDIA-H100-80GB-HBM3-CPU-AMD-EPYC-7B13")


def test_a_checkpoint_goes_with_what_was_compiled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr("suite.core.execution.compile_cache.save", written.append)
    context = Context(JOB, store, Resources())
    context.save_checkpoint("cell", 3, {"state": 1})
    assert store.load_checkpoint("cell") == {"state": 1} and written == [context.compiled]
