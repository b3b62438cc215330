"""What the reading process answers; its limits are tested in test_sandbox.py."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from suite.external.child import answer, prepare, wanted_by
from suite.external.locate import locate
from suite.external.validate import ANSWER, TENSORS, Wanted
from tests.support import foreign_sets

WANTED: dict[str, Any] = {"classes": 10, "ipc": 2, "shape": [1, 8, 8], "run": None}


def request(path: Path, output: Path) -> dict[str, Any]:
    found = locate(path)
    files = [str(file) for file in found.content]
    output.mkdir()
    return {
        "kind": found.kind,
        "files": files,
        "manifest": None,
        "view": "",
        "wanted": WANTED,
        "output": str(output),
    }


def test_what_is_wanted_comes_from_json() -> None:
    assert wanted_by({"wanted": WANTED}) == Wanted(10, 2, (1, 8, 8))


@pytest.mark.parametrize(
    ("make", "format", "raw"),
    [
        (foreign_sets.mtt, "mtt", False),
        (foreign_sets.rat_bptt, "h5", False),
        (foreign_sets.safetensors, "safetensors", False),
        (foreign_sets.pictures, "folder", True),
        (foreign_sets.parquet, "huggingface", True),
    ],
    ids=lambda each: getattr(each, "__name__", str(each)),
)
def test_the_answer_and_the_tensors_are_files(make: Any, format: str, raw: bool, tmp_path: Path) -> None:
    asked = request(make(tmp_path), tmp_path / "output")
    answer(asked, prepare(asked))
    found = json.loads((tmp_path / "output" / ANSWER).read_text())
    assert (found["format"], found["raw"]) == (format, raw)
    images = load_file(tmp_path / "output" / TENSORS)["images"].flatten(0, 1)
    expected = foreign_sets.pixels() / 255 if raw else foreign_sets.flat()[0]
    assert torch.equal(images, expected)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("bad\nfile \x1b[31m"), "it cannot be read: bad file [31m"),
        (MemoryError(), "it needs more than 576 MiB of memory"),
        (RuntimeError("cannot allocate 7 bytes"), "it needs more than 576 MiB of memory"),
        (ValueError("x" * 1000), "it cannot be read: " + "x" * 281),
    ],
)
def test_an_error_is_one_printable_sentence(error: Exception, reason: str, tmp_path: Path) -> None:
    def reader() -> Any:
        raise error

    answer({"output": str(tmp_path), "wanted": WANTED}, reader)
    assert json.loads((tmp_path / ANSWER).read_text()) == {"refused": reason}
    assert not (tmp_path / TENSORS).exists()
