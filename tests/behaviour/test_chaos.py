"""A small grid under faults drawn at random: nothing is lost, repeated or wrong, compared byte for byte."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.chaos.proof import LIES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def proof() -> dict[str, Any]:
    """Six faults, and lies, in a process without other threads: it forks."""
    command = [sys.executable, "-m", "tests.support.chaos.proof", "0", "6"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_six_faults_cost_nothing_but_time(proof: dict[str, Any]) -> None:
    assert not proof["problems"], "\n".join([*proof["told"], *proof["problems"]])
    assert proof["faults"] == 6


@pytest.mark.parametrize("lie", LIES)
def test_what_would_be_lost_repeated_or_wrong_is_noticed(proof: dict[str, Any], lie: str) -> None:
    assert any(each.startswith(lie) for each in proof["noticed"][lie]), proof["noticed"][lie]


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("flags", [["--faults", "100", "--seed", "1000"], ["--faults", "4", "--ray"]])
def test_many_faults_and_some_of_ray(flags: list[str]) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.chaos", *flags]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
