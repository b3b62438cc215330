"""Odd environments: closed streams, readers that end, users without a name or a home, few files."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from suite.cli import environment
from suite.records.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store whose name has a letter that ASCII lacks."""
    return Store.create(tmp_path / "digits-ö").path


def ran(command: str, store: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell, in which $R is the command line for the status of a store."""
    words = [sys.executable, "-m", "suite", "status", str(store)]
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "R": " ".join(words)}
    return subprocess.run(
        ["bash", "-c", command], env=given | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command", ["$R >&- 2>&- <&-", "$R | true; exit ${PIPESTATUS[0]}", "$R | head -1; exit ${PIPESTATUS[0]}"]
)
def test_output_that_nobody_reads_stops_nothing(command: str, store: Path) -> None:
    done = ran(command, store)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "odd",
    [
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii", "COLUMNS": "20"},
    ],
)
def test_any_locale_will_do(odd: dict[str, str], store: Path) -> None:
    done = ran("$R", store, **odd)
    assert (done.returncode, done.stderr) == (0, "") and "digits" in done.stdout


def test_a_user_without_a_name_and_a_home_gets_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(*_: object) -> None:
        raise KeyError("uid not found")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr("atexit.register", lambda *_, **__: None)
    environment.prepare()
    assert os.environ["USER"] == f"user-{os.getuid()}" and Path.home() == tmp_path
    monkeypatch.delenv("USER")


def test_as_many_files_as_allowed_may_be_open() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        environment.prepare()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
