"""Releases on disk: found, verified, and read."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite.core.files.documents import document, read_json

MANIFEST, SUMS, ROWS = "MANIFEST.json", "SHA256SUMS", "leaderboard.json"
"""What made a release; its checksums, which `sha256sum -c` reads; its rows."""


@dataclass(frozen=True)
class Frozen:
    """A release that was read. rows: as `leaderboard.json` has them."""

    manifest: dict[str, Any]
    rows: list[dict[str, Any]]


def number(name: str) -> tuple[int, ...]:
    """Return the year, the month and a further number of a release's name; raises ValueError for others."""
    if not re.fullmatch(r"20\d\d\.(0[1-9]|1[0-2])(\.[1-9]\d*)?", name):
        raise ValueError(f"{name!r} is not the name of a release; give year and month: 2026.12, or 2026.12.1")
    return tuple(map(int, name.split(".")))


def before(folder: Path, name: str) -> Path | None:
    """Return the last release in `folder` before `name`; raises ValueError if it is damaged."""
    found = [path for path in folder.glob("*/") if (path / MANIFEST).is_file() and _earlier(path.name, name)]
    if not found:
        return None
    last = max(found, key=lambda path: number(path.name))
    for problem in problems(last):
        raise ValueError(f"the previous release {last} is damaged: {problem}; restore it first")
    return last


def read(path: Path) -> Frozen:
    """Return a release that was verified; raises ValueError if another program wrote it."""
    try:
        manifest = read_json(path / MANIFEST)
        rows = [dict(row) for row in read_json(path / ROWS)["rows"]]
        return Frozen(dict(manifest), rows)
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: {MANIFEST} or {ROWS} is not that of a release") from None


def problems(path: Path) -> list[str]:
    """Return in which ways the files of a release are not those that were released; [] if they are.

    Raises ValueError for a folder that is no release.
    """
    try:
        lines = document(path / SUMS).decode().splitlines()
        manifest = read_json(path / MANIFEST)
        name = manifest["release"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is not a release: it has no readable {SUMS} or {MANIFEST}") from None
    sums = dict(_parsed(lines))
    found = [] if name == path.absolute().name else [f"{MANIFEST} is that of release {name!r}"]
    if len(sums) < len(lines):
        found.append(f"{SUMS} has lines that are not checksums")
    found += [f"{own} is missing in {SUMS}" for own in (MANIFEST, ROWS) if own not in sums]
    there = {each.relative_to(path).as_posix() for each in path.rglob("*") if not each.is_dir()}
    there -= {SUMS, f"{SUMS}.sig"}  # who vouches for it signs its checksums
    found += [f"{each} is missing" for each in sorted(sums.keys() - there)]
    found += [f"{each} was added" for each in sorted(there - sums.keys())]
    changed = (
        each for each in sorted(sums.keys() & there) if digest((path / each).read_bytes()) != sums[each]
    )
    return [*found, *(f"{each} was changed" for each in changed)]


def digest(content: bytes) -> str:
    """Return a sha256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _parsed(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield name and checksum of each line."""
    for line in lines:
        if found := re.fullmatch(r"([0-9a-f]{64})  (\w[\w.-]*)", line):
            yield found[2], found[1]


def _earlier(name: str, than: str) -> bool:
    try:
        return number(name) < number(than)
    except ValueError:
        return False
