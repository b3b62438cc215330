"""Write a site into a folder; nothing of a user's is lost."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from suite.core.files.atomic_write import write_bytes
from suite.site.rendering import File

CONTENTS = "ratbench-site.json"
"""The list of the site's files, by which a folder is known as that of a site."""

_MAY_STAND = ("CNAME",)  # files that a host of pages wants, beside hidden ones such as .git


def write(files: Iterable[File], folder: Path) -> list[Path]:
    """Write `files` into `folder`, each whole or not at all; return their paths.

    Files that an earlier site left are removed, others stay. Give the index last: until it is written, the
    former one stands. Raises ValueError for a folder that holds other files, or cannot be written.
    """
    former = _former(folder)
    names = []
    _put(folder, CONTENTS, _listed(former))  # an interrupted site is known as one
    for file in files:
        _put(folder, file.path, file.content)
        names.append(file.path)
    for name in sorted(former - {*names}):
        _remove(folder, name)
    _put(folder, CONTENTS, _listed(names))
    return [folder / name for name in (*names, CONTENTS)]


def check(folder: Path) -> None:
    """Raise ValueError for a folder that holds other files, or cannot be written."""
    _former(folder)
    try:
        above = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


def _former(folder: Path) -> set[str]:
    """Return the files of the earlier site in `folder`; raises ValueError if it holds others and no site."""
    try:
        listed = json.loads((folder / CONTENTS).read_bytes())["files"]
        return {name for name in listed if isinstance(name, str)}
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(
            f"{folder / CONTENTS} does not list the files of a site; name another --output"
        ) from None
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if others := [name for name in found if not name.startswith(".") and name not in _MAY_STAND]:
        raise ValueError(
            f"{folder} has files of something else, such as {others[0]}; name a new folder as --output"
        )
    return set()


def _listed(names: Iterable[str]) -> bytes:
    return json.dumps({"files": sorted(names)}, indent=1).encode() + b"\n"


def _remove(folder: Path, name: str) -> None:
    """Remove a file that a former site lists, if it is below the folder, and folders that become empty."""
    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        return
    if path.is_file():
        path.unlink()
    for parent in path.relative_to(folder).parents:
        if parent == Path() or not (folder / parent).is_dir() or any((folder / parent).iterdir()):
            return
        (folder / parent).rmdir()


def _put(folder: Path, name: str, content: bytes) -> None:
    try:
        write_bytes(folder / name, content, replace=True, sync=False)
    except OSError as error:
        raise _unwritable(folder / name, error) from None


def _unwritable(path: Path, error: OSError) -> ValueError:
    return ValueError(f"{path} cannot be written: {error.strerror or error}; name another --output")
