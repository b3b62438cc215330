"""What differs between two compared rows, or sides, besides their accuracies."""

import json
from collections.abc import Iterable, Iterator, Sequence

from suite.board.rows import BoardRow
from suite.records.cells import canonical_json, differing_keys
from suite.records.datasets import told
from suite.records.record import Record


def differing(first: BoardRow, second: BoardRow) -> Iterator[str]:
    """Yield what differs between two rows; settings only of one method."""
    if first.method == second.method:
        tables = json.loads(first.hyperparameters), json.loads(second.hyperparameters)
        for key in sorted(differing_keys(tables)):
            yield f"{key}: {' → '.join(canonical_json(table.get(key)) for table in tables)}"
    if first.data and second.data and first.data != second.data:
        yield f"data: {told(first.data)} → {told(second.data)}"
    if first.costs.devices != second.costs.devices:
        yield f"device: {_joined(first.costs.devices)} → {_joined(second.costs.devices)}"


def provenance(first: Sequence[Record], second: Sequence[Record]) -> list[str]:
    """Return what differs between the code and the machines of two sides."""
    sides = (first, second)
    found = [("commit", *(_joined({each.provenance.commit[:12] for each in side}) for side in sides))]
    packages = sorted({name for side in sides for each in side for name in each.provenance.versions})
    for name in packages:
        versions = ({each.provenance.versions.get(name, "none") for each in side} for side in sides)
        found.append((name, *map(_joined, versions)))
    protocols = ({str(each.measured_under) for each in side} for side in sides)
    found.append(("measured under protocol", *map(_joined, protocols)))
    return [f"{name}: {one} → {other}" for name, one, other in found if one != other]


def _joined(values: Iterable[str]) -> str:
    listed = sorted(values)
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "") or "none"
