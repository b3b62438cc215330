"""Peak memory of a meta-gradient, measured in fresh processes: `pytest -m benchmark`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def measure(folder: Path, *windows: int) -> dict[str, Any]:
    output = folder / "memory.json"
    words: list[str | Path] = [
        "-m",
        "tests.benchmarks.memory",
        "--windows",
        *map(str, windows),
        "--output",
        output,
    ]
    subprocess.run([sys.executable, *words], check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(output.read_text())
    return found


@pytest.mark.benchmark
def test_a_window_step_adds_at_most_eight_megabytes(tmp_path: Path) -> None:
    assert measure(tmp_path, 8, 40)["bytes_per_window_step"] <= 8e6


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
def test_full_bptt_of_two_hundred_steps_fits_in_four_gigabytes(tmp_path: Path) -> None:
    assert measure(tmp_path, 200)["peak_bytes"]["200"] < 4e9
