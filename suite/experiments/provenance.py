"""What made a record: code, versions, device; and the memory it took."""

import platform
import resource
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from suite.core.engine import compiling
from suite.records.record import Provenance

_VERSIONED = ("torch", "torchvision", "numpy", "ray")


def provenance(device: torch.device) -> Provenance:
    """Return where and by what this process measures."""
    versions = {"python": platform.python_version()} | {name: _version(name) for name in _VERSIONED}
    versions["torch.compile"] = "allowed" if compiling.allowed() else "off"
    return Provenance(
        commit=commit(),
        versions=versions,
        device=device_name(device),
        threads=torch.get_num_threads(),
        deterministic=device.type == "cpu" or torch.are_deterministic_algorithms_enabled(),
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"  # ray is not needed with --inline


@cache
def commit() -> str:
    """Return the git commit of this code, with "+changes" where the tree differs; "none" outside git."""
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


@cache
def device_name(device: torch.device) -> str:
    """Return the GPU's or the processor's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"CPU: {models[0] if models else platform.processor() or platform.machine()}"


def reset_peak_memory(device: torch.device) -> None:
    """Start to watch the peak anew, where the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # the peak is then that of the whole process so far


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak since the reset: what was allocated on a GPU, else the resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
