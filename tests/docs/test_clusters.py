"""The files of docs/clusters.md: linted, checked, and run as far as that needs no cluster."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from typer.testing import CliRunner

from suite.__main__ import app
from suite.experiments.tables.resources import ResourcesTable
from tests.support.packages import ROOT

FILES = ROOT / "examples" / "clusters"
SCRIPTS = ("slurm.sbatch", "one-machine.sh")
SCHEMA = ROOT / "tests" / "support" / "rayjob.schema.json"


def understood(command: str) -> None:
    """Expect that `ratbench run` has all options of a command."""
    program, *words = shlex.split(command)
    ran = CliRunner().invoke(app, [*words, "--help"])
    assert program == "ratbench" and ran.exit_code == 0, ran.output
    assert all(word in ran.stdout for word in words if word.startswith("--"))


@pytest.mark.parametrize("command", [["hadolint", "Dockerfile"], *(["shellcheck", name] for name in SCRIPTS)])
def test_linters_find_nothing(command: list[str]) -> None:
    own = str(Path(sys.executable).with_name(command[0]))
    ran = subprocess.run([own, *command[1:]], cwd=FILES, capture_output=True, text=True)
    assert ran.returncode == 0 and not ran.stdout, ran.stdout


@pytest.mark.skipif(
    not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True).returncode != 0,
    reason="no docker",
)
@pytest.mark.benchmark
def test_the_image_is_built_and_runs_the_command() -> None:
    build = ["docker", "build", "-q", "-f", str(FILES / "Dockerfile"), str(ROOT)]
    image = subprocess.run(build, check=True, capture_output=True, text=True).stdout.strip()
    shown = subprocess.run(["docker", "run", "--rm", image, "ratbench", "list", "grids"], capture_output=True)
    assert b"paper" in shown.stdout


@pytest.fixture
def job() -> dict[str, Any]:
    return dict(yaml.safe_load((FILES / "rayjob.yaml").read_text()))


def test_the_job_is_what_kuberay_takes(job: dict[str, Any]) -> None:
    check = Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert [error.message for error in check.iter_errors(job)] == []
    group = job["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    understood(job["spec"]["entrypoint"])
    assert ResourcesTable(labels=group["labels"]).labels == {"gpu": "h100"}
    group["replica"] = 2
    assert len(list(check.iter_errors(job))) == 1, "it knows keys that do not exist"


FAKES = {
    "scontrol": 'case "$1" in show) echo node-a; echo node-b;; *) echo "$@" >> "$SAID";; esac',
    "srun": 'exec "$@"',
    "ray": """
echo "ray $*" >> "$SAID"; stat -c %a "$RAY_AUTH_TOKEN_PATH" >> "$SAID"
cat "$RAY_AUTH_TOKEN_PATH" > "$SAID.token"
while [ "$1" != -- ]; do shift; done
shift; exec "$@" """,
    "ratbench": """
echo "ratbench $*" >> "$SAID"
trap 'exit 75' USR1
touch "$SAID.runs"
if [ "$CODE" = wait ]; then while true; do sleep 0.1; done; fi
exit "$CODE" """,
}


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a job on two nodes, whose programs only note how they are called."""
    for name, text in FAKES.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "said").touch()
    return {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "SAID": str(tmp_path / "said"),
        "GRID": "paper",
        "STORE": str(tmp_path / "my store"),
        "DATA": "/shared/data",
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_JOB_NUM_NODES": "2",
    }


@pytest.mark.parametrize(("code", "again"), [("0", False), ("1", False), ("2", False), ("75", True)])
def test_the_slurm_script_ends_as_the_run_and_goes_back_into_the_queue_if_it_was_stopped(
    slurm: dict[str, str], code: str, again: bool
) -> None:
    ran = subprocess.run(["bash", FILES / "slurm.sbatch"], env={**slurm, "CODE": code}, timeout=60)
    said = Path(slurm["SAID"]).read_text().splitlines()
    assert ran.returncode == int(code) and ("requeue 77" in said) is again
    assert "ray symmetric-run --address node-a:20077 --min-nodes 2 -- bash" in said[0] and said[1] == "600"
    assert len(Path(slurm["SAID"] + ".token").read_text()) == 64
    store = slurm["STORE"]
    call = f"ratbench run paper --store {store} --data /shared/data --address auto --time-limit 3h55m"
    assert call in said
    understood(call.replace(store, "store"))
    assert not list(Path(store).iterdir()), "the token is gone"


def test_the_slurm_script_passes_its_signal_on(slurm: dict[str, str]) -> None:
    with subprocess.Popen(["bash", FILES / "slurm.sbatch"], env={**slurm, "CODE": "wait"}) as script:
        while not Path(slurm["SAID"] + ".runs").exists():
            assert script.poll() is None
            sleep(0.05)
        script.send_signal(signal.SIGUSR1)
        assert script.wait(timeout=60) == 75
    assert "requeue 77" in Path(slurm["SAID"]).read_text()


def test_the_script_for_one_machine_runs_what_it_says(slurm: dict[str, str]) -> None:
    environment = {**slurm, "CODE": "75"}
    ran = subprocess.run([FILES / "one-machine.sh", "--time-limit", "1h"], env=environment, timeout=60)
    assert ran.returncode == 75
    call = f"ratbench run paper --store {slurm['STORE']} --data /shared/data --time-limit 1h"
    assert call in Path(slurm["SAID"]).read_text()


def test_the_page_names_each_file() -> None:
    page = (ROOT / "docs" / "clusters.md").read_text()
    shown = [path.name for path in FILES.iterdir() if path.suffix != ".dockerignore"]
    assert not [name for name in shown if f"examples/clusters/{name}" not in page]
