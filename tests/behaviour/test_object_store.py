"""Runs with their store on an object store: the same results as in a folder, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from suite.experiments import grid
from suite.experiments.resources import Resources
from suite.records.cells import Evaluation, Trial
from suite.records.record import Record
from suite.records.remote import place, reading, working
from suite.records.remote.mirror import Mirror
from suite.records.remote.place import Place
from suite.records.store import Store
from tests.support import broken_files
from tests.support.command_line import ratbench, refused
from tests.support.job_runs import complete
from tests.support.ray_nodes import cluster, until
from tests.support.s3_server import KEY, SECRET, S3Server
from tests.support.stores import record_of

Finished = tuple[Path, Path, Result]


def key(url: str) -> str:
    return url.removeprefix("s3://bucket/")


def facts(record: bytes) -> dict[str, Any]:
    """Return what a record says, times and memory aside."""
    found: dict[str, Any] = json.loads(record)
    for name in ("sha256", "seconds", "device_seconds", "peak_memory_bytes", "curve"):
        found.pop(name, None)
    found["scores"].pop("seconds", None)
    return found


def stripped(contents: dict[str, bytes]) -> dict[str, Any]:
    """Return the sets, bit for bit, and the records, times aside."""
    sets = {name: content for name, content in contents.items() if name.startswith("artefacts/")}
    records = {name: content for name, content in contents.items() if name.startswith("records/")}
    return sets | {name: facts(content) for name, content in records.items()}


def in_folder(store: Path) -> dict[str, Any]:
    files = [path for path in store.rglob("*") if path.is_file()]
    return stripped({path.relative_to(store).as_posix(): path.read_bytes() for path in files})


def at(url: str, s3: S3Server) -> dict[str, Any]:
    return stripped(s3.contents(f"{key(url)}/"))


@pytest.fixture
def filled(url: str, copied: Path) -> str:
    """The URL of a finished store."""
    Mirror(Place(url), copied).push()
    return url


def test_a_run_is_what_it_is_in_a_folder(finished: Finished, url: str, s3: S3Server) -> None:
    ran = ratbench("run", finished[0], "--store", url, "--inline")
    assert ran.exit_code == 0, ran.output
    assert f"4 cells, 0 done, 4 to do ({url})" in ran.output
    assert f"leaderboard: {url}/leaderboard.md" in ran.output
    found = s3.contents(f"{key(url)}/")
    assert stripped(found) == in_folder(finished[1])
    folders = {Path(name).parts[0] for name in found}
    assert folders == {"records", "artefacts", "plan", "pictures", "store.json", "leaderboard.md"}
    assert not any(secret.encode() in content for content in found.values() for secret in (KEY, SECRET))
    assert KEY not in ran.output and SECRET not in ran.output

    again = ratbench("run", finished[0], "--store", url, "--inline")
    assert again.exit_code == 0 and f"4 cells, 4 done, 0 to do ({url})" in again.output
    assert s3.contents(f"{key(url)}/") == found


def test_commands_read_it_by_its_url(finished: Finished, filled: str, tmp_path: Path) -> None:
    status = json.loads(ratbench("status", filled, "--format", "json").stdout)
    assert status["store"] == filled and status["plans"][0]["done"] == 4
    boards = [ratbench("leaderboard", store, "--format", "json").stdout for store in (filled, finished[1])]
    assert boards[0] == boards[1]
    listed = json.loads(ratbench("list", "artefacts", filled, "--format", "json").stdout)
    assert {each["address"] for each in listed} == {
        f"{filled}:digits/{row}/ipc1/seed0" for row in ("random_subset", "rat_bptt")
    }
    for words in (
        ("audit", filled),
        ("compare", filled, finished[1]),
        ("picture", f"{filled}:rat_bptt/ipc1/seed0", "--output", tmp_path / "set.png"),
        ("export", f"{filled}:rat_bptt", "--format", "folder", "--output", tmp_path / "set"),
        ("site", filled, "--output", tmp_path / "site"),
        ("merge", filled, "--output", tmp_path / "merged"),
        ("run", finished[0], "--store", filled, "--dry-run"),
    ):
        result = ratbench(*words)
        assert result.exit_code == 0, (words, result.output)
        assert "/cache/" not in result.output, "a copy has the store's name"
    assert in_folder(tmp_path / "merged") == in_folder(finished[1])


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("status", "URL"), ["URL does not exist"]),
        (("run", "GRID", "--store", "s3://missing/x"), ["s3://missing/x cannot be written", "bucket"]),
        (("run", "GRID", "--store", "nothing://x/y"), ["fsspec knows no nothing://"]),
        (("run", "GRID", "--store", "s3://"), ["names no bucket"]),
        (("run", "GRID", "--store", "s3://me:word@bucket/x"), ["s3://… has a name or a password in it"]),
        (
            ("tune", "GRID", "--tries", "1", "--store", "URL"),
            ["a settings file cannot be written to URL", "--output"],
        ),
        (("forget", "URL"), ["changes only local folders", "merge URL"]),
        (("sign", "URL", "--key", "none"), ["changes only local folders"]),
        (("migrate", "URL", "new"), ["changes only local folders"]),
        (("leaderboard", "--output", "URL"), ["--output URL: output must be local"]),
        (("merge", "results", "--output", "URL"), ["--output URL: output must be local"]),
    ],
)
def test_what_is_refused(words: tuple[str, ...], parts: list[str], finished: Finished, url: str) -> None:
    given = {"GRID": str(finished[0]), "URL": url}
    refused(
        ratbench(*(given.get(word, word) for word in words)), *(each.replace("URL", url) for each in parts)
    )


def test_a_second_driver_is_refused(finished: Finished, url: str, s3: S3Server, tmp_path: Path) -> None:
    elsewhere = working.RemoteStore(Place(url), tmp_path / "elsewhere").prepared()
    with elsewhere.locked():
        said = f"store {url} is in use by process {os.getpid()} on "
        refused(ratbench("run", finished[0], "--store", url, "--inline"), said)
    assert ratbench("run", finished[0], "--store", url, "--inline").exit_code == 0


def test_a_server_that_is_away_for_a_while_costs_only_time(
    finished: Finished, url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = list[float]()

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) % 3 == 0:
            s3.up()

    monkeypatch.setattr(place, "sleep", wait)
    _down_at_each(monkeypatch, s3, {2, 5})
    ran = ratbench("run", finished[0], "--store", url, "--inline")
    assert ran.exit_code == 0, ran.output
    assert len(waits) == 6 and at(url, s3) == in_folder(finished[1])


def test_a_server_that_stays_away_stops_the_run_like_a_full_disk(
    finished: Finished, url: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(place, "PATIENCE_SECONDS", 0.1)
        _down_at_each(patch, s3, {3})
        result = ratbench("run", finished[0], "--store", url, "--inline")
    s3.up()
    refused(result, f"{url} does not answer as it should", "run the same command again")
    assert not s3.names(f"{key(url)}/failures"), "the work was not at fault"
    sets = {Path(name).stem for name in s3.names(f"{key(url)}/artefacts")}
    recorded = {Path(name).stem for name in s3.names(f"{key(url)}/records")}
    assert sets == recorded & sets and recorded, "what was sent before is there"
    # The lock could not be removed, and its process, this one, is alive.
    monkeypatch.setattr(working, "DEAD_SECONDS", -1.0)
    again = ratbench("run", finished[0], "--store", url, "--inline")
    assert again.exit_code == 0 and at(url, s3) == in_folder(finished[1])


def _down_at_each(patch: pytest.MonkeyPatch, s3: S3Server, calls: set[int]) -> None:
    """Let the server go down before files of a job are sent, each time that has one of these numbers."""
    push, count = Mirror.push, 0

    def pushed(mirror: Mirror, *scope: Any) -> None:
        nonlocal count
        count += bool(scope) and len(scope[0].within) > 2
        if count in calls:
            calls.remove(count)
            s3.down()
        push(mirror, *scope)

    patch.setattr(Mirror, "push", pushed)


def _truncate(s3: S3Server, name: str) -> None:
    s3.write(name, s3.read(name)[:9])


def _replace(s3: S3Server, name: str) -> None:
    s3.write(name, b'["another"]')


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_truncate, "record"),
        (_replace, "record"),
        (_truncate, "set"),
        (_replace, "manifest"),
        (_truncate, "store.json"),
        (_replace, "plan"),
    ],
)
def test_damaged_objects_are_made_again(
    damage: Callable[[S3Server, str], None],
    what: str,
    finished: Finished,
    filled: str,
    copied: Path,
    s3: S3Server,
) -> None:
    trial = record_of(copied, "random_subset", Trial).stem
    name = {
        "record": record_of(copied, "random_subset", Evaluation).relative_to(copied).as_posix(),
        "set": f"artefacts/{trial}.safetensors",
        "manifest": f"artefacts/{trial}.json",
        "store.json": "store.json",
        "plan": next(copied.glob("plan/*")).relative_to(copied).as_posix(),
    }[what]
    before = s3.contents(f"{key(filled)}/")
    damage(s3, f"{key(filled)}/{name}")
    damaged = s3.read(f"{key(filled)}/{name}")
    ran = ratbench("run", finished[0], "--store", filled, "--inline")
    assert ran.exit_code == 0, ran.output
    after = s3.contents(f"{key(filled)}/")
    assert stripped(after) == stripped(before)
    assert after["store.json"] == before["store.json"]
    if what in ("record", "store.json"):
        assert damaged in [each for kept, each in after.items() if kept.startswith("quarantine/")]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.benchmark)]
)
def test_another_machine_goes_on_after_a_driver_was_killed(
    number: signal.Signals,
    tiny: Path,
    url: str,
    s3: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tiny.with_name("slow.py")
    path.write_text(broken_files.SLOW_WITH_MARKERS)
    head, _, _ = tiny.read_text().partition("[method")
    tiny.write_text(f'{head}[method.slow]\nbase = "{path}"\nsteps = 3\n')
    (job,) = grid.jobs(grid.load(tiny))
    command = [sys.executable, "-m", "suite", "run", str(tiny), "--store", url, "--inline"]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    until(lambda: process.poll() is not None or path.with_suffix(".2").exists())
    process.send_signal(number)
    assert process.wait(60) == (75 if number == signal.SIGTERM else -9), (tmp_path / "out").read_text()
    assert bool(s3.names(f"{key(url)}/checkpoints")) == (number == signal.SIGTERM)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-machine"))
    ran = ratbench("run", tiny, "--store", url, "--inline")
    assert ran.exit_code == 0, ran.output
    record = Store(reading.here(Path(url))).record(job.id)
    assert record is not None and record.attempts == (2 if number == signal.SIGTERM else 1)
    undisturbed = Store.create(tmp_path / "undisturbed")
    assert complete(job, undisturbed, Resources())
    assert at(url, s3)[f"artefacts/{job.id}.safetensors"] == undisturbed.artefact(job.id).read_bytes()
    assert not s3.names(f"{key(url)}/checkpoints") and not s3.names(f"{key(url)}/running")


@pytest.mark.benchmark
def test_nodes_that_share_no_folder(tiny: Path, url: str, s3: S3Server, tmp_path: Path) -> None:
    """Two raylets with folders of their own; a worker of each is killed. All cells are done, none twice."""
    path = tiny.with_name("killed.py")
    path.write_text(broken_files.KILLED_ONCE)
    head, _, _ = tiny.read_text().partition("[method")
    rows = f'[method.random_subset]\n[method.killed]\nbase = "{path}"\n'
    tail = '[evaluator.retrain]\nrecipe = "ncfm-40"\ncopies = 1\n'
    tiny.write_text(head.replace("seeds = [0]", "seeds = [0, 1, 2, 3, 4]") + rows + tail)
    jobs = grid.jobs(grid.load(tiny))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as first:
        patch.setenv("TMPDIR", first)
        patch.setenv("OMP_NUM_THREADS", "1")
        with cluster() as two, tempfile.TemporaryDirectory() as second:
            patch.setenv("TMPDIR", second)
            two.join()
            used = set[str]()

            def over() -> bool:
                used.update(name for name in (first, second) if list(Path(name).glob("ratbench-store-*")))
                return process.poll() is not None

            command = [sys.executable, "-m", "suite", "run", str(tiny), "--store", url]
            with (tmp_path / "out").open("wb") as out:
                process = subprocess.Popen(
                    [*command, "--address", two.address],
                    stdout=out,
                    stderr=out,
                    env={**os.environ, "RAY_AUTH_MODE": "disabled", "TMPDIR": str(tmp_path)},
                )
            until(over, 280, every=0.05)
    assert process.returncode == 0, (tmp_path / "out").read_text()
    assert used == {first, second}
    records = [Record.model_validate_json(s3.read(name)) for name in s3.names(f"{key(url)}/records")]
    cells = [cell.id for job in jobs for cell in job.cells]
    assert len(cells) == 20 and sorted(record.cell.id for record in records) == sorted(cells)
    assert {record.status for record in records} == {"done"} and path.with_suffix(".killed").exists()
    assert not s3.names(f"{key(url)}/checkpoints") and not s3.names(f"{key(url)}/running")
