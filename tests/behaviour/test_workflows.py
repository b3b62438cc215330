"""What is in .github/: valid, careful with strangers, and its commands work."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

from tests.support.submissions import packed

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (FOLDER / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def valid(schema: str, *paths: Path) -> None:
    words = ["--builtin-schema", schema, "--no-cache", *map(str, paths)]
    result = CliRunner().invoke(check_jsonschema, words)
    assert result.exit_code == 0, result.output


def test_everything_is_as_github_expects_it() -> None:
    assert len(WORKFLOWS) == 2 and len(FORMS) == 3
    valid("vendor.github-workflows", *WORKFLOWS)
    valid("custom.github-workflows-require-timeout", *WORKFLOWS)
    valid("vendor.github-issue-forms", *FORMS)
    valid("vendor.github-issue-config", FOLDER / "ISSUE_TEMPLATE" / "config.yml")


def workflow(name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load((FOLDER / "workflows" / f"{name}.yml").read_text())
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_stranger_s_pull_request_can_neither_write_nor_read_secrets(path: Path) -> None:
    found, text = workflow(path.stem), path.read_text()
    assert found["permissions"] == {"contents": "read"} and "secrets" not in re.sub("#.*", "", text)
    assert "pull_request_target" not in found[True]  # YAML's `on`
    assert not [job for job in found["jobs"].values() if "permissions" in job]
    for step in (step for job in found["jobs"].values() for step in job["steps"]):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step.get("uses", f"a/b@{'0' * 40}"))
        assert "checkout" not in step.get("uses", "") or step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")  # it would be text of the shell's program


def step(name: str) -> str:
    (job,) = workflow("verify-submission")["jobs"].values()
    (found,) = (step["run"] for step in job["steps"] if step.get("name") == name)
    return str(found)


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A machine of CI: the branch that a pull request goes to in handed-in/, as git has it."""
    repository = tmp_path / "ci" / "handed-in"
    repository.mkdir(parents=True)
    (repository / "README.md").write_text("x")
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "first")):
        git(repository, *words)
    return tmp_path / "ci"


def git(repository: Path, *words: str) -> None:
    person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *person, *words], cwd=repository, check=True, capture_output=True)


def hand_in(runner: Path) -> None:
    """Merge what was written to handed-in/ as GitHub merges a pull request to try it."""
    repository = runner / "handed-in"
    for words in (
        ("checkout", "-qb", "theirs"),
        ("add", "-A"),
        ("commit", "-qm", "theirs"),
        ("checkout", "-q", "main"),
        ("merge", "-q", "--no-ff", "-m", "merge", "theirs"),
    ):
        git(repository, *words)


def run(runner: Path, name: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does; its summary is in summary.md."""
    commands = runner / "bin"
    commands.mkdir(exist_ok=True)
    # Threads of two processes on the same processors wait for each other.
    for command, text in (("ratbench", f'exec "{sys.executable}" -m suite "$@"'), ("nproc", "echo 1")):
        (commands / command).write_text(f"#!/bin/sh\n{text}\n")
        (commands / command).chmod(0o755)
    own = {"GITHUB_STEP_SUMMARY": str(runner / "summary.md"), "PYTHONPATH": str(ROOT), **given}
    own["PATH"] = f"{commands}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", step(name)],
        cwd=runner,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
    )


def write(runner: Path, *names: str) -> None:
    for name in names:
        path = runner / "handed-in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


PLACE = "results/submissions"


@pytest.mark.parametrize(
    ("names", "association", "found"),
    [
        ((f"{PLACE}/b/set.json", f"{PLACE}/a/README.md", f"{PLACE}/a/set.safetensors"), "NONE", "a\nb\n"),
        ((f"{PLACE}/a/README.md", "suite/x.py"), "NONE", ""),
        ((f"{PLACE}/a/README.md", ".github/workflows/x.yml"), "OWNER", ""),
        ((f"{PLACE}/a/setup.py",), "NONE", ""),
        ((f"{PLACE}/a/b/set.json",), "NONE", ""),
        ((f"{PLACE}/README.md",), "NONE", ""),
        ((f"{PLACE}/$(touch ran)/set.json",), "NONE", ""),
        ((f"{PLACE}/a/set.json\n{PLACE}/a/x",), "NONE", ""),
        ((f"{PLACE}/../submissions2/a/set.json",), "NONE", ""),
        ((f"{PLACE}/a/verification/evaluation-1.json",), "CONTRIBUTOR", ""),
        ((f"{PLACE}/a/verification/evaluation-1.json",), "MEMBER", "a\n"),
        ((f"{PLACE}/a/verification/evaluation-1.json.py",), "MEMBER", ""),
    ],
)
def test_only_folders_of_submissions_are_verified(
    names: tuple[str, ...], association: str, found: str, runner: Path
) -> None:
    write(runner, *names)
    hand_in(runner)
    result = run(runner, "Find what is handed in", ASSOCIATION=association)
    assert (result.returncode == 0) == bool(found) and not (runner / "ran").exists()
    if found:
        assert (runner / "names.txt").read_text() == found
    else:
        assert (runner / "summary.md").read_text() == result.stdout
        assert result.stdout.startswith("Refused: a submission changes the four files of its own folder")


@pytest.mark.usefixtures("elsewhere", "read_here")
def test_a_submission_is_verified_and_a_forged_one_refused(runner: Path, tmp_path: Path) -> None:
    """With the code of this tree, in processes of their own."""
    good = packed(tmp_path, claim="60")
    (runner / "handed-in" / PLACE).mkdir(parents=True)
    good.rename(runner / "handed-in" / PLACE / "mine")
    write(runner, f"{PLACE}/forged/submission.toml")
    hand_in(runner)
    assert run(runner, "Find what is handed in", ASSOCIATION="NONE").returncode == 0
    result = run(runner, "Verify")
    assert result.returncode == 1, result.stderr  # since one is refused
    summary = (runner / "summary.md").read_text()
    assert "# Refused: forged\n    error: " in summary and "# Verified: mine" in summary
    report = runner / "reports" / "mine"
    assert (report / "report.md").read_text() in summary
    record = json.loads((report / "evaluation-1.json").read_text())
    assert len(record["scores"]["accuracy"]) == 10 and record["test_reads"] == 2
    assert not (runner / "reports" / "forged").exists()
