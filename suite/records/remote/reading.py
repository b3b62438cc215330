"""Stores on object stores for commands that read: local copies, of which only what changed is pulled."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from suite.records.remote.mirror import STORE, Mirror, Scope
from suite.records.remote.place import Place, copies, plain, url_of
from suite.records.remote.working import folder_of
from suite.records.stores import layout

RECORDS = Scope(
    ("store.json", "reported.toml", "records/", "failures/", "plan/", "submissions/", "signatures/")
)
"""What tables need."""

LIVE = Scope(("store.json", "records/", "failures/", "plan/", "running/"))
"""What `status` needs."""

ALL = Scope(STORE.within, tuple(each for each in STORE.without if each not in ("checkpoints/", "running/")))
"""All but the files of one machine."""


def here(path: Path, scope: Scope = STORE) -> Path:
    """Return the folder of a store to read: that of a URL is a copy, into which a scope is pulled.

    It is the same folder each time, and does not exist if there is no store. Raises ValueError for a URL that
    cannot be used, RemoteFault.
    """
    url = url_of(path)
    if url is None:
        return plain(path)
    place, folder = Place(url).impatient(), folder_of(url, "read")
    copies[str(folder)] = url
    _pull(place, folder, scope)
    for sign in layout.listed(folder / "running", ".json"):  # their age tells who is alive
        written = place.modified(f"running/{sign.name}")
        os.utime(sign, (written, written))
    return folder


def all_here(paths: Iterable[Path], scope: Scope = STORE) -> list[Path]:
    """Return the folders of stores to read, as `here` does."""
    return [here(path, scope) for path in paths]


def split(text: Path | str) -> tuple[Path, str] | None:
    """Split an address that begins with a URL; return the copy of its store, with its records, and the rest.

    None for other addresses. Raises ValueError if there is no store.
    """
    url = url_of(text) or ""
    ends = [place for place, letter in enumerate(url) if letter == ":"][1:]
    if not ends:
        return None
    for end in reversed(ends):
        if (folder := here(Path(url[:end]), RECORDS)).is_dir():
            return folder, url[end + 1 :].strip("/")
    raise ValueError(f"no store at {url[: ends[0]]}")


def with_sets(folder: Path, trials: Iterable[str]) -> None:
    """Pull the sets of trials into a copy that `here` returned; do nothing for another folder."""
    if str(folder) in copies and (names := tuple(f"artefacts/{trial}" for trial in trials)):
        _pull(Place(copies[str(folder)]).impatient(), folder, Scope(names))


def _pull(place: Place, folder: Path, scope: Scope) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        mirror = Mirror(place, folder, folder.with_name(f"{folder.name}.json"))
        mirror.pull(scope)
        mirror.save()
        if mirror.is_empty:
            shutil.rmtree(folder, ignore_errors=True)
