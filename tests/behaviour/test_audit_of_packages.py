"""`make lint` looks up vulnerabilities, and works without a network."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found"}
BAD = {"name": "pillow", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}


def audited(place: Path, output: str, code: int = 0, **exceptions: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines for an output of pip-audit."""
    (place / "output").write_text(output)
    program = place / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat {place}/output\nexit {code}\n")
    program.chmod(0o755)
    lines: list[str] = []
    script: dict[str, Any] = runpy.run_path(str(SCRIPT))
    script["main"].__globals__["say"] = lines.append
    script["EXCEPTIONS"].update(exceptions)
    return script["main"](str(program)), lines


def found(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_known_vulnerability_fails_and_says_what_mends_it(tmp_path: Path) -> None:
    code, lines = audited(tmp_path, found(FINE, BAD, SKIPPED), 1)
    assert code == 1
    assert lines == [
        "pillow 1.0: PYSEC-1, mended in 1.1",
        "pip-audit: 1 known vulnerabilities in 2 of 3 packages",
    ]


def test_an_exception_counts_as_long_as_it_is_needed(tmp_path: Path) -> None:
    assert audited(tmp_path, found(FINE, BAD), 1, **{"PYSEC-1": "not used"})[0] == 0
    code, lines = audited(tmp_path, found(FINE), 0, **{"PYSEC-1": "not used"})
    assert code == 0 and lines[0] == "PYSEC-1: no installed package has it; remove the exception"


@pytest.mark.parametrize(("output", "code"), [("", 1), ("a traceback", 1), (found(SKIPPED), 0), ("{}", 1)])
def test_without_a_network_nothing_fails(output: str, code: int, tmp_path: Path) -> None:
    ended, lines = audited(tmp_path, output, code)
    assert ended == 0 and len(lines) == 1 and "cannot be reached" in lines[0]


def test_bandit_and_zizmor_see_what_they_are_for(tmp_path: Path) -> None:
    """Both pass in `make lint`; here they fail."""
    folder = Path(sys.executable).parent
    (tmp_path / "shell.py").write_text("import os\nos.system(input())\n")
    config = SCRIPT.parents[1] / "pyproject.toml"
    ran = subprocess.run(
        [folder / "bandit", "-q", "-c", config, tmp_path / "shell.py"], capture_output=True, text=True
    )
    assert ran.returncode == 1 and "B605" in ran.stdout
    workflow = tmp_path / ".github" / "workflows" / "ci.yml"
    workflow.parent.mkdir(parents=True)
    step = 'run: echo "${{ github.head_ref }}"'
    workflow.write_text(f"on: pull_request_target\njobs:\n  a:\n    runs-on: x\n    steps:\n      - {step}\n")
    ran = subprocess.run([folder / "zizmor", "--offline", tmp_path], capture_output=True, text=True)
    assert ran.returncode > 10 and "dangerous-triggers" in ran.stdout and "template-injection" in ran.stdout
