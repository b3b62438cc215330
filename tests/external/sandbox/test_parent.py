"""Bad files: each refused in one sentence, within seconds and a gigabyte, and nothing executed."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from PIL import Image

from suite.external.locate import locate
from suite.external.sandbox.parent import read
from suite.external.validate import Wanted
from tests.support import hostile_files
from tests.support.command_line import ratbench, refused
from tests.support.hostile_files import ATTACKS, MISTAKES, PAYLOADS

DIGITS = Wanted(10, 2, (1, 8, 8))


def is_a_sentence(text: str) -> bool:
    return text.isprintable() and len(text) < 400


@pytest.mark.parametrize(("make", "reason"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused_in_one_sentence(
    make: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    path, started = make(tmp_path), time.perf_counter()
    with pytest.raises(ValueError) as caught:
        read(locate(path), DIGITS)
    assert time.perf_counter() - started < 60  # on a busy machine; the child may take 5 s of its own
    assert reason in str(caught.value) and is_a_sentence(str(caught.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize(("make", "reason"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.usefixtures("read_here")
def test_a_mistake_is_refused_in_one_sentence(
    make: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(ValueError) as caught:
        read(locate(path), DIGITS)
    assert reason in str(caught.value) and is_a_sentence(str(caught.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize("make", PAYLOADS.values(), ids=PAYLOADS)
def test_a_payload_does_not_run(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(ValueError, match=r"none of it was executed|not a file of tensors"):
        read(locate(path), DIGITS)
    assert not (tmp_path / "ran").exists()
    hostile = path / "labels_best.pt" if path.is_dir() else path
    with suppress(Exception):
        torch.load(hostile, weights_only=False)  # what a careless reader does
    assert (tmp_path / "ran").exists(), "the payload is harmless: the test shows nothing"


def test_a_reader_takes_no_gigabyte(tmp_path: Path) -> None:
    """Measured from a small process: a child's peak starts at that of its parent."""
    path = ATTACKS["parquet bomb"][0](tmp_path)
    script = Path(__file__).parents[1] / "support" / "peak_of_reading.py"
    ran = subprocess.run([sys.executable, script, path], capture_output=True, text=True, check=True)
    assert 100 < int(ran.stdout) < 1000  # MiB


def test_the_command_says_it_and_leaves_nothing(elsewhere: None, tmp_path: Path) -> None:
    path = hostile_files.payload_zip(tmp_path)
    refused(ratbench("evaluate", path, "--task", "digits", "--ipc", "2"), "set.pt is refused", "executed")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "runs").exists()


def test_one_channel_for_a_colour_task(tmp_path: Path) -> None:
    colour = Wanted(10, 2, (3, 8, 8))
    with pytest.raises(ValueError, match="1 channel, those of the task 3"):
        read(locate(hostile_files.pair(tmp_path / "set", hostile_files.images())), colour)
    made = MISTAKES["folder in colour"][0](tmp_path / "grey")
    for path in made.glob("*/*.png"):
        Image.new("L", (8, 8)).save(path)
    with pytest.raises(ValueError, match="of mode L, the task's images have 3 channels"):
        read(locate(made), colour)
