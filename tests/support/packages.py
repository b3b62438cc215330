"""Installed packages: RaT-Bench's own, built and installed offline, and small ones that bring plug-ins."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def copy_sources(folder: Path) -> Path:
    """Copy what RaT-Bench's package is built from, so that a build leaves nothing in the repository."""
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("suite", "methods", "evaluators"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    (folder / "results").mkdir()
    for path in (ROOT / "results").glob("*.toml"):  # to which links in the package lead
        shutil.copy(path, folder / "results")
    return folder


def install(project: Path, target: Path, *words: str) -> Path:
    """Install a project into the folder `target`, from this machine alone."""
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), *words, str(project)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


def write_package(folder: Path, name: str, points: Mapping[str, Mapping[str, str]]) -> Path:
    """Write the metadata of an installed package: its entry points by group and name."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = (
        "\n".join([f"[ratbench.{group}]", *(f"{key} = {value}" for key, value in named.items())])
        for group, named in points.items()
    )
    (metadata / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
    return folder
