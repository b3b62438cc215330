"""Code, versions and device of a record."""

import os
import platform
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from suite.core.execution import compiling
from suite.experiments.resources import Resources, driver
from suite.records.record import Provenance

_VERSIONED = ("torch", "torchvision", "numpy", "ray")


def provenance(
    resources: Resources, devices: Sequence[str] = (), uncompiled: Sequence[str] = ()
) -> Provenance:
    """Return the code, versions and device of this process.

    devices: all that took part in the work, recorded if there are several; uncompiled: functions that did not
    compile in an earlier attempt.
    """
    versions = {"python": platform.python_version()} | {name: _version(name) for name in _VERSIONED}
    versions["torch.compile"] = "allowed" if compiling.allowed() else "off"
    if failed := sorted({*uncompiled, *compiling.uncompiled()}):
        versions["torch.compile"] += f"; failed for {', '.join(failed)}"
    return Provenance(
        commit=commit(),
        versions=versions,
        device=resources.device_name,
        threads=torch.get_num_threads(),
        deterministic=not resources.gpus or torch.are_deterministic_algorithms_enabled(),
        devices=tuple(devices) if len(devices) > 1 else (),
        gpu=_gpu() if resources.gpus else {},
    )


def _gpu() -> dict[str, str]:
    """Return the versions of a GPU's software, and the settings of this process on which results depend."""
    cudnn = torch.backends.cudnn
    settings = {
        "matmul tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn tf32": cudnn.allow_tf32,
        "cudnn benchmark": cudnn.benchmark,
        "cudnn deterministic": cudnn.deterministic,
    }
    versions = {"driver": driver(), "cuda": torch.version.cuda or "none", "cudnn": str(cudnn.version())}
    return versions | {name: "on" if value else "off" for name, value in settings.items()}


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"  # ray is not needed with --inline


@cache
def commit() -> str:
    """Return $RATBENCH_COMMIT if it is set, as for a copy of the code without git; or else the git commit.

    A git commit has "+changes" if the tree differs, and is "none" outside git.
    """
    if told := os.environ.get("RATBENCH_COMMIT"):
        return told
    folder = Path(__file__).parents[1]
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(
            folder, "status", "--porcelain", "--", folder.as_posix(), "../methods", "../evaluators"
        )
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return head + ("+changes" if changed else "")


def _git(folder: Path, *words: str) -> str:
    ran = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True, timeout=10)
    return ran.stdout.strip()
