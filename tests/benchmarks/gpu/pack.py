"""Collects what a machine without a network needs to run gpu.sh, in one folder that git ignores.

    python -m tests.benchmarks.gpu.pack --tasks fashion-mnist --stores gpu-out/*.tgz

Wheels for its Python, the files of the tasks, stores of an earlier session that are to go on, and the commit.
The working tree travels beside it, without .git.
"""

import argparse
import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from suite.core.data.tasks import data_folder, describe
from suite.experiments.provenance import commit

ROOT = Path(__file__).parents[3]
PYTHON, PLATFORMS = "3.12", [f"manylinux{kind}_x86_64" for kind in ("_2_28", "_2_17", "2014", "_2_5", "1")]
TASKS = ("fashion-mnist", "cifar10-jpeg")
MIB = 2**20

WHEELS = (
    *("pydantic", "pydantic-core", "annotated-types", "typing-inspection", "typing-extensions"),
    *("tomli-w", "higher"),
)
"""Distributions that the code imports, or that these need, and that the machine lacks."""

PRESENT = {
    *("torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "tabulate", "rich", "typer", "pillow"),
    *("scikit-learn", "safetensors", "filelock", "h5py", "matplotlib", "huggingface_hub"),
}
"""Distributions that the machine has."""

LEFT_OUT = {
    "ray": "runs are inline",
    "datasets": "only exports in Hugging Face's format need it",
    "fsspec": "only stores on an object store need it",
    "psutil": "only work on a CPU that starts processes needs it",
    "jinja2": "only sites are made by it",
    "markupsafe": "only sites are made by it",
    "wandb": "only --log wandb needs it",
    "mlflow-skinny": "only --log mlflow needs it",
}
"""Distributions that the code imports, and that no part of a session needs."""


def main() -> None:
    """Collect, and say how much it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    parser.add_argument("--stores", nargs="*", type=Path, default=[], help="archives from an earlier $OUT")
    parser.add_argument("--output", type=Path, default=ROOT / "gpu-pack")
    parser.add_argument("--limit", type=float, default=60, help="MiB")
    given = parser.parse_args()
    shutil.rmtree(given.output, ignore_errors=True)
    fetch_wheels(given.output / "wheels")
    for task in given.tasks:
        copy_task(task, given.output / "data")
    (given.output / "stores").mkdir()
    for store in given.stores:
        shutil.copy(store, given.output / "stores")
    facts = {"commit": commit(), "tasks": given.tasks}
    (given.output / "pack.json").write_text(json.dumps(facts, indent=1) + "\n")
    size, tree = size_of(given.output), tree_size()
    print(f"{given.output}: {size / MIB:.1f} MiB; the tree {tree / MIB:.1f} MiB more")  # noqa: T201
    if size > given.limit * MIB:
        sys.exit(f"that is more than {given.limit:.0f} MiB; give fewer --tasks or --stores")


def fetch_wheels(folder: Path) -> None:
    """Download the wheels in the versions that are installed here."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    words = ["--python-version", PYTHON, "--implementation", "cp", *platforms, "--dest", str(folder)]
    wanted = [f"{name}=={version(name)}" for name in WHEELS]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), *words, *wanted], check=True)


def copy_task(task: str, data: Path) -> None:
    """Copy the folder of a task to where the first of its folders is below `data`."""
    info = describe(task)
    found = next((path for name in info.folders if (path := data_folder() / name).is_dir()), None)
    if found is None:
        raise FileNotFoundError(f"{task} is in none of {', '.join(info.folders)} below {data_folder()}")
    shutil.copytree(found, data / info.folders[0])


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tree_size() -> int:
    """Return the bytes of the files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    main()
