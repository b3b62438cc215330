"""Runs methods on a task of ImageNet's form that is larger than `cache.LARGE`; measures memory and time.

    python -m tests.benchmarks.large_task --folder /tmp/large --output …/large-task-cpu.json

The task has 1,000 classes with 20 training and 10 test images each, random JPEGs of about 400x350 pixels, at
224x224: 18 GB as floats, 4.5 GB as bytes. `ratbench show` reads it, then `ratbench run` runs two methods.
"""

import argparse
import json
import os
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from subprocess import Popen
from time import perf_counter, sleep
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image

from tests.benchmarks import timing

GRID = """
title = "A task larger than memory"
tasks = ["folder:{folder}/pictures?size={side}"]
ipc = [1]
seeds = [0]
network = "resnet18stem7-w8-bn"

[method.random_subset]

[method.sre2l]
steps = 2
epochs = 1

[evaluator.kernel_regression]
network = "resnet18stem7-w8-ln"
networks = 1
copies = 1
"""


def write_pictures(folder: Path, classes: int, train: int, test: int) -> None:
    """Write random JPEGs in a folder per class: blocks of colour, since noise makes larger files."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", test)):
        for label in range(classes):
            (own := folder / split / f"n{label:08}").mkdir(parents=True, exist_ok=True)
            for index in range(count):
                height, width = int(rng.integers(30, 42)), int(rng.integers(35, 48))
                blocks = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
                picture, file = Image.fromarray(blocks).resize((10 * width, 10 * height)), BytesIO()
                picture.save(file, "JPEG", quality=85)
                (own / f"{index}.JPEG").write_bytes(file.getvalue())


def measured(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Run a command; return its seconds and the largest memory of its processes together, in bytes.

    resident: with pages of files, which the system takes back when it needs them; private: without.
    """
    started, resident, private = perf_counter(), 0, 0
    with Popen(command, env={**os.environ, **environment}) as process:
        while process.poll() is None:
            sizes = _sizes(process.pid)
            resident = max(resident, sum(size.rss for size in sizes))
            private = max(private, sum(size.rss - size.shared for size in sizes))
            sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {"seconds": perf_counter() - started, "resident_bytes": resident, "private_bytes": private}


def _sizes(pid: int) -> list[Any]:
    """Return the memory of a process and of those that it started, as far as they still are."""
    found = list[Any]()
    with suppress(psutil.NoSuchProcess):
        for each in [(main := psutil.Process(pid)), *main.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                found.append(each.memory_info())
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--train", type=int, default=20)
    parser.add_argument("--test", type=int, default=10)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    folder = given.folder.resolve()
    if not (folder / "pictures").is_dir():
        write_pictures(folder / "pictures", given.classes, given.train, given.test)
    (folder / "large.toml").write_text(GRID.format(folder=folder, side=given.side))
    command, environment = [sys.executable, "-m", "suite"], {"RATBENCH_DATA": str(folder / "data")}
    read = measured([*command, "show", f"folder:{folder}/pictures?size={given.side}"], environment)
    own = ["run", str(folder / "large.toml"), "--inline", "--store", str(folder / "store")]
    run = measured([*command, *own], environment)
    images = given.classes * (given.train + given.test)
    found = {
        "provenance": timing.machine(torch.device("cpu")),
        "images": images,
        "float_bytes": 4 * images * 3 * given.side**2,
        "cache_bytes": sum(path.stat().st_size for path in (folder / "data/.ratbench").iterdir()),
        "read": read,
        "run": run,
    }
    given.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
