"""What the reading process answers; how it is confined is tested in test_confinement.py."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.core.sets.artefacts import save_set
from suite.external.locate import locate
from suite.external.sandbox.child import answer, prepare, wanted_by
from suite.external.validate import Wanted
from tests.support import foreign_sets

WANTED: dict[str, Any] = {"classes": 10, "ipc": 2, "shape": [1, 8, 8], "run": None}


def request(path: Path) -> dict[str, Any]:
    found = locate(path)
    files = [str(file) for file in found.content]
    return {"kind": found.kind, "files": files, "manifest": None, "view": "", "wanted": WANTED}


def answered(asked: dict[str, Any], reader: Any) -> tuple[dict[str, Any], bytes]:
    output = BytesIO()
    answer(asked, reader, output)
    line, _, numbers = output.getvalue().partition(b"\n")
    return json.loads(line), numbers


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
def test_the_answer_is_a_line_and_the_numbers_of_the_tensors(
    make: Any, format: str, raw: bool, tmp_path: Path
) -> None:
    asked = request(make(tmp_path))
    found, numbers = answered(asked, prepare(asked))
    assert (found["format"], found["raw"]) == (format, raw)
    assert found["tensors"] == {"images": [10, 2, 1, 8, 8], "labels": [10, 2, 10]} and found["bytes"] == []
    images, labels = torch.frombuffer(bytearray(numbers), dtype=torch.float32).split([20 * 64, 20 * 10])
    expected = foreign_sets.pixels() / 255 if raw else foreign_sets.flat()[0]
    assert torch.equal(images.view(20, 1, 8, 8), expected) and labels.sum() == 20


def test_packed_numbers_are_sent_as_bytes(tmp_path: Path) -> None:
    own = foreign_sets.digits().quantised(2)
    save_set(own, tmp_path / "set.safetensors", foreign_sets.task())
    asked = request(tmp_path / "set.safetensors") | {"manifest": str(tmp_path / "set.json")}
    found, numbers = answered(asked, prepare(asked))
    assert found["bytes"] == ["images.packed"] and found["tensors"]["images.packed"] == [20 * 64 // 4]
    assert len(numbers) == 4 * 20 * (64 + 10) + own.stored_bytes


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("bad\nfile \x1b[31m"), "it cannot be read: bad file [31m"),
        (MemoryError(), "it needs more than 576 MiB of memory"),
        (RuntimeError("cannot allocate 7 bytes"), "it needs more than 576 MiB of memory"),
        (ValueError("x" * 1000), "it cannot be read: " + "x" * 281),
    ],
)
def test_an_error_is_one_printable_sentence(error: Exception, reason: str) -> None:
    def reader() -> Any:
        raise error

    assert answered({"wanted": WANTED}, reader) == ({"refused": reason}, b"")
