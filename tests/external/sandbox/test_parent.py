"""Bad files: each refused in one sentence, within seconds and a gigabyte, and nothing executed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import pytest
import torch
from PIL import Image

from suite.external.locate import locate
from suite.external.sandbox import landlock, parent
from suite.external.sandbox.confinement import LAYERS
from suite.external.sandbox.parent import read
from suite.external.validate import Wanted
from tests.support import foreign_sets, hostile_files
from tests.support.command_line import ratbench, refused
from tests.support.hostile_files import ATTACKS, MISTAKES, PAYLOADS
from tests.support.hostile_more import MORE

DIGITS = Wanted(10, 2, (1, 8, 8))
HOSTILE = ATTACKS | MORE | PAYLOADS


def is_a_sentence(text: str) -> bool:
    return text.isprintable() and len(text) < 400


class Read(NamedTuple):
    """What came of a file. said: why it was refused, "" if it was read."""

    path: Path
    said: str
    seconds: float
    mib: int
    layers: list[str]


@pytest.fixture(scope="module")
def read_all(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Read]:
    """All hostile files, each read in a confined process."""
    place = tmp_path_factory.mktemp("hostile")
    paths = {}
    for number, (name, (make, _)) in enumerate(HOSTILE.items()):
        (place / str(number)).mkdir()
        paths[name] = make(place / str(number))
    command: list[str | Path] = [
        sys.executable,
        Path(__file__).parents[2] / "support" / "reading.py",
        *paths.values(),
    ]
    environment = {**os.environ, **parent._ENVIRONMENT}
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found = map(json.loads, ran.stdout.splitlines())
    assert not list(place.rglob("ran")), "code was executed"
    return {name: Read(path, **each) for (name, path), each in zip(paths.items(), found, strict=True)}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_or_read_in_seconds_and_a_gigabyte(
    name: str, read_all: dict[str, Read]
) -> None:
    found, reason = read_all[name], HOSTILE[name][1]
    assert found.seconds < 10 and found.mib < 1000
    if reason:
        assert reason in found.said and found.said.startswith(str(found.path))
        assert is_a_sentence(found.said.removeprefix(str(found.path)))
    else:
        assert not found.said and "limits" in found.layers


@pytest.mark.parametrize(("make", "reason"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.usefixtures("read_here")
def test_a_mistake_is_refused_in_one_sentence(
    make: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(ValueError) as caught:
        read(locate(path), DIGITS)
    assert reason in str(caught.value) and is_a_sentence(str(caught.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_would_run(name: str, read_all: dict[str, Read]) -> None:
    """What the sandbox did not run, a careless reader does."""
    path = read_all[name].path
    hostile = path / "labels_best.pt" if path.is_dir() else path
    with suppress(Exception):
        torch.load(hostile, weights_only=False)
    assert (path.parent / "ran").exists(), "the payload is harmless: the test shows nothing"


def test_another_process_reads_and_says_what_confined_it(tmp_path: Path) -> None:
    found = read(locate(foreign_sets.parquet(tmp_path)), foreign_sets.WANTED)
    assert torch.equal(found.synthetic.flat()[0], foreign_sets.pixels() / 255)
    assert found.layers[0] == "limits" and set(found.layers) <= set(LAYERS)
    assert ("landlock" in found.layers) == bool(landlock.version())


@pytest.mark.usefixtures("read_here")
def test_a_file_that_changes_meanwhile_is_read_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, run = foreign_sets.dc(tmp_path), parent._run
    found = locate(path)
    expected = read(found, foreign_sets.WANTED)

    def changing(request: str, output: IO[bytes]) -> None:
        path.write_bytes(b"another file")
        run(request, output)

    monkeypatch.setattr(parent, "_run", changing)
    again = read(found, foreign_sets.WANTED)
    assert again.source == expected.source and torch.equal(again.synthetic.images, expected.synthetic.images)
    with pytest.raises(ValueError, match="is refused"):
        read(found, foreign_sets.WANTED)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "returned nothing"),
        (b"[" * 10**6, "returned nothing"),
        (b'{"tensors": {"images": [20]}, "bytes": []}', "returned nothing"),
        (b'{"tensors": {"images": [-1, -1]}, "bytes": []}', "returned nothing"),
        (b'{"tensors": {"images": [1048576, 1048576]}, "bytes": []}', "returned nothing"),
        (b'{"refused": "no\u001b set"}', "no\x1b set"),
    ],
)
def test_the_answer_is_not_believed(
    answer: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "_run", lambda request, output: output.write(answer + b"\n"))
    with pytest.raises(ValueError) as caught:
        read(locate(foreign_sets.dc(tmp_path)), foreign_sets.WANTED)
    assert said in str(caught.value)


def test_the_command_says_it_and_leaves_nothing(elsewhere: None, tmp_path: Path) -> None:
    path = hostile_files.payload_zip(tmp_path)
    refused(ratbench("evaluate", path, "--task", "digits", "--ipc", "2"), "set.pt is refused", "executed")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("read_here")
def test_one_channel_for_a_colour_task(tmp_path: Path) -> None:
    colour = Wanted(10, 2, (3, 8, 8))
    with pytest.raises(ValueError, match="1 channel, those of the task 3"):
        read(locate(hostile_files.pair(tmp_path / "set", hostile_files.images())), colour)
    made = MISTAKES["folder in colour"][0](tmp_path / "grey")
    for path in made.glob("*/*.png"):
        Image.new("L", (8, 8)).save(path)
    with pytest.raises(ValueError, match="of mode L, the task's images have 3 channels"):
        read(locate(made), colour)
