"""Disks that refuse files while a run writes them: it stops in a sentence, and loses and fails nothing."""

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from suite.core.execution import compile_cache
from suite.core.files.atomic_write import DiskFault, write_bytes
from suite.experiments import grid, job_runner
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support import broken_files, disks
from tests.support.command_line import ratbench, refused
from tests.support.job_runs import complete, done, one

Disk = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture
def tiny(tiny: Path) -> Path:
    """Retrain under the cheapest recipe, once."""
    tiny.write_text(tiny.read_text().replace("rat-bptt-1000", "ncfm-40").replace("copies = 2", "copies = 1"))
    return tiny


def left(store: Store) -> list[Path]:
    """Return what must not be there: failures, and files that are half written."""
    return [*store.path.glob("failures/*/*/*"), *store.path.rglob(".partial-*")]


@disks.needs_mounts
@pytest.mark.parametrize(
    ("disk", "folder"),
    [(disks.full, each) for each in ("artefacts", "records", "checkpoints", "compiled")]
    + [(disks.without_inodes, "checkpoints"), (disks.read_only, "records")],
)
def test_each_folder_of_a_store_stops_the_run_and_the_same_command_goes_on(
    disk: Disk,
    folder: str,
    jobs: list[Job],
    store: Store,
    resources: Resources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def save(place: Path) -> None:
        write_bytes(place / "code.artifacts", b"code")

    job, other = one(jobs, "rat_bptt"), Store.create(tmp_path / "undisturbed")
    job = job.model_copy(update={"evaluations": ()})
    complete(job, other, resources)
    if folder == "compiled":
        monkeypatch.setattr(compile_cache, "save", save)
    with disk(store.path / folder), pytest.raises(DiskFault) as fault:
        list(job_runner.run(job, store, resources, checkpoint_seconds=0.0))
    assert str(store.path / folder) in str(fault.value) and left(store) == []
    list(job_runner.run(job, store, resources, checkpoint_seconds=0.0))
    assert done(job, store).artefact == done(job, other).artefact and left(store) == []


@disks.needs_mounts
@pytest.mark.parametrize("disk", [disks.full, disks.without_inodes, disks.read_only])
def test_a_failure_that_cannot_be_written_stops_the_run(
    disk: Disk, tiny: Path, store: Store, resources: Resources
) -> None:
    (tiny.parent / "broken.py").write_text(broken_files.RAISES)
    row = f'[method.broken]\nbase = "{tiny.parent / "broken.py"}"\n'
    tiny.write_text(tiny.read_text().replace("[evaluator", row + "[evaluator"))
    job = one(grid.jobs(grid.load(tiny)), "broken")
    with disk(store.path / "failures"), pytest.raises(DiskFault, match="failures"):
        complete(job, store, resources)
    assert complete(job, store, resources) == {job.id: "failed"}


@disks.needs_mounts
def test_a_folder_that_becomes_unwritable_halfway_costs_no_trial(
    jobs: list[Job], store: Store, resources: Resources
) -> None:
    """Eleven trials were once distilled and discarded, one after another."""
    complete(jobs[0], store, resources)
    with disks.read_only(store.path / "artefacts"), pytest.raises(DiskFault, match="Read-only file system"):
        complete(jobs[1], store, resources)
    assert store.last_failure(jobs[1].id) is None
    assert set(complete(jobs[1], store, resources).values()) == {"done"}


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG, errno.EMFILE],
    ids=errno.errorcode.__getitem__,
)
def test_each_error_of_the_system_is_the_stores_and_one_of_a_method_is_the_methods(
    number: int, jobs: list[Job], store: Store, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    job = jobs[0].model_copy(update={"evaluations": ()})
    with monkeypatch.context() as patch, pytest.raises(DiskFault, match=os.strerror(number)):
        patch.setattr(os, "fsync", refuse)
        complete(job, store, resources)
    assert left(store) == [] and store.record(job.id) is None
    with monkeypatch.context() as patch:
        patch.setattr("suite.plugins.methods.random_subset.RandomSubset.choose", refuse)
        assert complete(job, store, resources) == {job.id: "failed"}
    failure = store.last_failure(job.id)
    assert failure and os.strerror(number) in failure.error
    assert set(complete(job, store, resources).values()) == {"done"} and done(job, store).attempts == 2


@disks.needs_mounts
@pytest.mark.parametrize("folder", ["plan", "pictures", "artefacts"])
def test_the_command_says_it_in_a_line_and_goes_on(folder: str, copied: Path, finished: Any) -> None:
    file, *_ = finished
    for path in copied.rglob("*.json" if folder in ("records", "artefacts") else "*.png"):
        if path.parent.name != "plan":
            path.unlink()
    with disks.full(copied / folder):
        result = ratbench("run", file, "--store", copied, "--inline")
    message = result.stderr.splitlines()[-1]
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert message.startswith(f"error: {copied / folder}") and "free some space" in message
    assert message.endswith("and run the same command again")
    assert not list(copied.glob("failures/*/*/*"))
    assert ratbench("run", file, "--store", copied, "--inline").exit_code == 0


def test_a_full_device_as_output(copied: Path) -> None:
    refused(
        ratbench("leaderboard", copied, "--format", "csv", "--output", "/dev/full"), "/dev/full", "No space"
    )


@disks.needs_mounts
def test_exports_and_releases_leave_nothing_behind(copied: Path, tmp_path: Path) -> None:
    with disks.full(tmp_path / "disk"):
        for format in ("pt", "folder", "hf"):
            result = ratbench(
                "export", f"{copied}:rat_bptt", "--format", format, "--output", tmp_path / "disk" / "out"
            )
            refused(result, str(tmp_path / "disk"), "No space left on device", "run the same command again")
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["ballast"]
