"""Write a site into a folder."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from suite.site.rendering import File


def write(files: Iterable[File], folder: Path) -> list[Path]:
    """Write `files` below `folder`, each whole or not at all; return their paths."""
    written = []
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, file.content)
        written.append(path)
    return written


def _write_whole(path: Path, content: bytes) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)
