"""Documents of strangers are plain files of bounded size, number of values, and depth."""

import math
from pathlib import Path
from typing import Any

import pytest

from suite.core.files import documents
from suite.core.files.atomic_write import NotAFile
from suite.core.files.documents import document, read_json, read_toml
from tests.support.hostile_documents import DOCUMENTS


def test_a_document_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"b": [1, 2.5, "ü"]}')
    assert document(path) == path.read_bytes() and read_json(path) == {"b": [1, 2.5, "ü"]}
    path.write_text("b = [1, 'ü']")
    assert read_toml(path) == {"b": [1, "ü"]}
    with pytest.raises(FileNotFoundError):
        document(tmp_path / "missing")


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_anything_else_is_a_value_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    DOCUMENTS[kind](path)
    readable: dict[str, Any] = {"null": None, "a list": [], "a text": "text", "a name twice": {"protocol": 2}}
    readable["an endless number"] = {"protocol": math.inf}
    if kind in readable:
        assert read_json(path) == readable[kind]
        return
    with pytest.raises(ValueError) as caught:
        read_json(path)
    assert "\n" not in str(caught.value)
    if kind in ("a pipe", "a link to zeros", "a link to itself", "a folder"):
        assert caught.type is NotAFile


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("[0, 0, 0]")
    monkeypatch.setattr(documents, "VALUES", 2)
    assert read_json(path) == [0, 0, 0]
    monkeypatch.setattr(documents, "VALUES", 1)
    with pytest.raises(ValueError, match="has more than 1 values, which is the limit of a document"):
        document(path)
    monkeypatch.setattr(documents, "LARGEST", 8)
    with pytest.raises(ValueError, match="has more than 0 MiB, which is the limit"):
        document(path)


def test_deep_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_toml(path)
