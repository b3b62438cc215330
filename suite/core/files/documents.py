"""Read documents that others may have written: plain files of bounded size, JSON and TOML of bounded depth.

Records, plans, manifests and the like are read in the main process, so that their size is bounded here. Who
reads one catches ValueError, and FileNotFoundError where it may be missing.
"""

import tomllib
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from suite.core.files.atomic_write import read_bytes

LARGEST = 64 * 2**20
"""Bytes of a document: those of a plan of 150,000 cells."""

VALUES = 4 * 10**6
"""Values in a document, each of which takes up to 150 bytes of memory."""


def document(path: Path) -> bytes:
    """Return the content of a document; raises ValueError for one that is too large, and as `read_bytes`."""
    content = read_bytes(path, LARGEST)
    if content.count(b",") > VALUES:
        raise ValueError(f"{path} has more than {VALUES} values, which is the limit of a document")
    return content


def read_json(path: Path) -> Any:
    """Return a document of JSON; raises ValueError for anything else, such as NaN."""
    return parse_json(document(path))


def parse_json(content: bytes) -> Any:
    """Return the value of a JSON text; raises ValueError for anything else."""
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return a document of TOML; raises ValueError for anything else."""
    try:
        return tomllib.loads(document(path).decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
