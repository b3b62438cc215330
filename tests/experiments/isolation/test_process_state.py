"""What changes in a process is found, and what any code uses up is none."""

# ruff: noqa: NPY002

import json
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.experiments.isolation.process_state import ProcessState, kept_bytes
from suite.plugins import registry
from tests.support import misbehaving
from tests.support.command_line import ratbench

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each deed changes, by its name."""
    file = tmp_path_factory.mktemp("deeds") / "found.json"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.deeds", file], capture_output=True, text=True, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(file.read_text()))


@pytest.mark.parametrize(("deed", "change"), misbehaving.deeds("CHANGES").items())
def test_what_a_method_changes_is_found(found: dict[str, str], deed: str, change: str) -> None:
    assert found[deed].startswith(change)


@pytest.mark.parametrize("deed", misbehaving.deeds("HARMLESS"))
def test_what_is_harmless_is_none(found: dict[str, str], deed: str) -> None:
    assert found[deed] == ""


def test_each_cell_begins_with_the_same_random_numbers_and_warnings() -> None:
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    with warnings.catch_warnings():
        state = ProcessState()

        def numbers(cell: str) -> tuple[float, ...]:
            state.reset(cell)
            return torch.rand(1).item(), np.random.rand(), random.random()

        assert numbers("a") == numbers("a") != numbers("b")
        warnings.simplefilter("error")
        state.reset("a")
        with pytest.warns(UserWarning):
            warnings.warn("shown", stacklevel=1)
    torch.set_rng_state(before[0])
    np.random.set_state(before[1])
    random.setstate(before[2])


def test_memory_that_is_kept_counts() -> None:
    before = kept_bytes()
    held = np.ones(2**24)  # 128 MiB
    assert kept_bytes() - before > 100 * 2**20 and held.any()


@pytest.mark.benchmark
@pytest.mark.usefixtures("jobs_apart")
def test_no_method_and_evaluator_of_ours_changes_anything(tmp_path: Path) -> None:
    rows, shown = 'title = "All"\ntasks = ["digits"]\nipc = [1]\nseeds = [0]\n', json.dumps
    for kind in ("method", "evaluator"):
        for name in registry.names(kind):
            smoke = registry.find(kind, name).smoke
            settings = [f"{key} = {shown(value)}\n" for key, value in smoke.items() if value is not None]
            rows += f"\n[{kind}.{name}]\n{''.join(settings)}"
    (tmp_path / "all.toml").write_text(rows)
    ran = ratbench("run", tmp_path / "all.toml", "--inline", "--store", tmp_path / "store")
    assert "changed" not in ran.output, ran.output
    assert ran.exit_code == 0, ran.output


def test_what_libraries_set_up_when_torch_first_compiles_is_none() -> None:
    """A path of setuptools, a thread of tqdm, a variable and the recursion limit of inductor."""
    code = (
        "import os, sys\n"
        "from suite.experiments.isolation.process_state import ProcessState\n"
        "before, path = ProcessState(), list(sys.path)\n"
        "import setuptools\n"
        "from tqdm import tqdm\n"
        "list(tqdm(range(2), file=open(os.devnull, 'w')))\n"
        "os.environ['_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR'] = '1'\n"
        "sys.setrecursionlimit(2000)\n"
        "print(path != sys.path, before.changes())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout == "True ()\n"
