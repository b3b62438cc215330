"""Signed lists of files with their sha256, as `sha256sum -c` reads them, in `signatures/`."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from suite.core.files.atomic_write import PARTIAL, write_bytes
from suite.records.audit.documents import sha256 as sha256_of_file
from suite.records.signatures import ssh
from suite.records.store import Store
from suite.records.stores import layout
from suite.records.stores.reading import Report
from suite.records.stores.sets_on_disk import ENDING
from suite.records.submission import FOLDER as SUBMISSIONS
from suite.records.submission import is_plain

FOLDER = "signatures"
LIST, SIGNATURE = ".sums", ".sums.sig"

RECORDS = "records/"
"""The beginning of the paths of records in a list."""

_HEAD = """# RaT-Bench: files that a signature vouches for. Check their content in the folder of the store by
# sha256sum -c signatures/NAME.sums
# and who signed this list by
# ssh-keygen -Y verify -n ratbench -f SIGNERS -I WHO -s signatures/NAME.sums.sig < signatures/NAME.sums
"""
_LARGEST = 256 * 2**20  # bytes of a list
_MOST = 100  # lists of a store that are read


@dataclass(frozen=True)
class Listed:
    """A list that was read. files: the sha256 by path."""

    path: Path
    content: bytes
    files: Mapping[str, str]

    @property
    def signature(self) -> Path:
        """The file of its signature, which may be missing."""
        return self.path.with_name(self.path.name.removesuffix(LIST) + SIGNATURE)


def of(store: Path) -> Iterator[Path]:
    """Yield the files that can be signed: records, sets with their manifests, and submissions."""
    yield from layout.files(store / "records")
    for ending in (".json", ENDING):
        yield from layout.listed(store / "artefacts", ending)
    for path in sorted((store / SUBMISSIONS).rglob("*")):
        if is_plain(path) and PARTIAL not in path.name:
            yield path


def hashed(store: Path) -> dict[str, str]:
    """Return the sha256 of each file that can be signed, by its path; unreadable ones are left out."""
    found = {}
    for path in of(store):
        with suppress(OSError, ValueError):
            found[path.relative_to(store).as_posix()] = sha256_of_file(path)
    return found


def alone(store: Path) -> list[Path]:
    """Return the signatures of a store whose lists are gone."""
    found = layout.listed(store / FOLDER, SIGNATURE)
    return [path for path in found if not path.with_suffix("").is_file()]


def read(store: Path) -> list[Listed]:
    """Return the lists of a store; those that cannot be read are empty."""
    return [_read(path) for path in layout.listed(store / FOLDER, LIST)[:_MOST]]


def _read(path: Path) -> Listed:
    try:
        content = path.read_bytes() if is_plain(path) and path.stat().st_size <= _LARGEST else b""
    except OSError:
        content = b""
    lines = content.decode(errors="replace").split("\n")
    found = (re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in lines)
    return Listed(path, content, {each[2]: each[1] for each in found if each})


def sign(store: Path, key: Path, *, everything: bool = False) -> tuple[Path, int] | None:
    """Sign the files that no list of the store names yet, or all.

    Returns the new list and the number of its files, None if there is nothing to sign. Raises ValueError if
    the key does not sign.
    """
    files = hashed(store)
    lists = [] if everything else read(store)
    named = {name: digest for each in lists for name, digest in each.files.items()}
    lines = [f"{digest}  {name}\n" for name, digest in sorted(files.items()) if named.get(name) != digest]
    if not lines:
        return None
    content = (_HEAD + "".join(lines)).encode()
    signature = ssh.sign(content, key)
    stem = sha256(signature).hexdigest()[:16]
    write_bytes(store / FOLDER / f"{stem}{SIGNATURE}", signature)
    write_bytes(store / FOLDER / f"{stem}{LIST}", content)
    return store / FOLDER / f"{stem}{LIST}", len(lines)


def copy(source: Store, store: Store, report: Report) -> None:
    """Copy the signed lists of `source` that the store lacks."""
    for path in layout.listed(source.path / FOLDER, LIST):
        found = _read(path)
        for each in (found.signature, path):
            target = store.path / FOLDER / each.name
            if is_plain(each) and not target.exists():
                write_bytes(target, each.read_bytes(), sync=False)
                report.done["signature"] += each == path
