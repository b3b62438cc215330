"""Bring records over whose fingerprint was computed by an earlier release from the same data."""

from pathlib import Path

from suite.core.data.atomic_write import write_bytes
from suite.core.files.documents import document, read_json
from suite.core.sets import sealing
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import layout


def carrying(store: Store, fingerprint: str) -> list[Path]:
    """Return the manifests, then the records, that carry a fingerprint."""
    found = [*layout.listed(store.path / "artefacts", ".json"), *layout.files(store.path / "records")]
    return [path for path in found if fingerprint.encode() in document(path)]


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
