"""Bring records over whose fingerprint was computed by an earlier release from the same data."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from suite.core.files.atomic_write import write_bytes
from suite.core.files.documents import document, read_json
from suite.core.sets import sealing
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import layout


def carrying(store: Store, fingerprint: str) -> list[Path]:
    """Return the manifests, then the records, that carry a fingerprint."""
    return [path for path in _files(store) if fingerprint.encode() in document(path)]


def carried(store: Store, fingerprints: Iterable[str]) -> set[str]:
    """Return those of the fingerprints that a store's files carry; each file is read once."""
    known = re.compile("|".join(sorted(map(re.escape, fingerprints))).encode())
    return {each.decode() for path in _files(store) for each in known.findall(document(path))} - {""}


def _files(store: Store) -> Iterator[Path]:
    yield from layout.listed(store.path / "artefacts", ".json")
    yield from layout.files(store.path / "records")


def bring_over(store: Store, former: str, now: str) -> int:
    """Replace the fingerprint `former` in a store by `now`, of the same data; return the number of records.

    Nothing else changes. Damaged files stay for those who read them next.
    """
    count = 0
    for path in carrying(store, former):
        try:
            if path.parent.name == "artefacts":
                facts = read_json(path)
                sealing.check(facts)
                text = sealing.to_json(facts | {"data": now})
            else:
                text = Record.read(document(path)).model_copy(update={"data": now}).to_json()
                count += 1
        except ValueError:
            continue
        write_bytes(path, text.encode(), replace=True)
    return count
