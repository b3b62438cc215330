"""Stores on object stores for commands that read: a copy on this machine, of which only what changed is pulled."""

import os
from pathlib import Path

from filelock import FileLock

from suite.records.remote.mirror import STORE, Mirror, Scope
from suite.records.remote.place import Place, copies, plain, url_of
from suite.records.remote.working import folder_of
from suite.records.stores import layout

RECORDS = Scope(("store.json", "reported.toml", "records/", "failures/", "plan/", "submissions/", "signatures/"))
"""What boards are made of."""

LIVE = Scope(("store.json", "records/", "failures/", "plan/", "running/"))
"""What the status is made of."""

ALL = Scope(STORE.within, tuple(each for each in STORE.without if each not in ("checkpoints/", "running/")))
"""All that others may see."""


def here(path: Path, scope: Scope = STORE) -> Path:
    """Return the local folder of a store to read: a copy for a URL, of which the files of a scope are pulled.

    Raises ValueError for a URL of which nothing can be read or under which there is no store, RemoteFault.
    """
    url = url_of(path)
    if url is None:
        return plain(path)
    place, folder = Place(url).impatient(), folder_of(url, "read")
    folder.mkdir(parents=True, exist_ok=True)
    copies[str(folder)] = url
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        mirror = Mirror(place, folder, folder.with_name(f"{folder.name}.json"))
        mirror.pull(scope)
        mirror.save()
        for path in layout.listed(folder / "running", ".json"):  # whose age tells who is alive
            written = place.modified(f"running/{path.name}")
            os.utime(path, (written, written))
    return folder
