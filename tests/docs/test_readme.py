"""What the README says is run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from suite.experiments import grid
from suite.experiments.job_runner import run
from suite.experiments.resources import Resources
from suite.plugins import registry
from suite.records.cells import Trial
from suite.records.store import Store

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.S) if containing in text]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def method(tmp_path: Path) -> Path:
    path = tmp_path / "nearest_mean.py"
    path.write_text(block("python", "METHOD ="))
    return path


def test_method_has_at_most_20_lines(method: Path) -> None:
    assert len(method.read_text().splitlines()) <= 20


def test_method_keeps_the_contract(method: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "suite", "check", str(method)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_method_runs_in_a_grid_and_its_artefact_loads(
    method: Path, tiny: Path, store: Store, resources: Resources
) -> None:
    with tiny.open("a") as file:
        file.write(f'\n[method.nearest_mean]\nbase = "{method}"\n')
    job = next(job for job in grid.jobs(grid.load(tiny)) if job.label == "nearest_mean")
    list(run(job, store, resources))
    record = store.record(job.id)
    assert record is not None and record.status == "done"
    assert isinstance(record.cell, Trial) and len(record.cell.source) == 64
    snippet = block("python", "load_set").replace(
        "results:rat_bptt/ipc10/seed1", f"{store.path}:nearest_mean/ipc1/seed0"
    )
    names: dict[str, object] = {}
    exec(snippet, names)
    assert getattr(names["images"], "shape", None) == (10, 1, 8, 8)


def test_a_committed_set_loads_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(block("python", "load_set"), names)
    assert getattr(names["images"], "shape", None) == (100, 1, 28, 28)


def test_an_edited_method_is_another_trial(method: Path, tiny: Path) -> None:
    with tiny.open("a") as file:
        file.write(f'\n[method.nearest_mean]\nbase = "{method}"\n')
    before = {job.id for job in grid.jobs(grid.load(tiny))}
    method.write_text(method.read_text().replace("2.0", "2.0 "))
    after = {job.id for job in grid.jobs(grid.load(tiny))}
    assert len(before - after) == len(after - before) == 1


def test_grid_is_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(block("toml", "tasks"))
    assert len(grid.jobs(grid.load(path))) == 3 * 2 * 3  # windows, sizes, seeds


def test_titles_are_the_methods_own() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| \d", README, re.M)
    assert len(rows) == 22
    for name, title in rows:
        assert registry.method(name).title == title
