"""How often records read the test split, and which of them a board refuses for it.

Such a record is left out with a warning, as a damaged file is: its row becomes incomplete and every
other row still stands. An error, as for another protocol, would let one bad record stop a board.
"""

from collections.abc import Iterable, Sequence

from suite.records.cells import Evaluation, Trial
from suite.records.record import Record


def drop_overread(records: Sequence[Record]) -> tuple[list[Record], tuple[str, ...]]:
    """Return the records that keep the rule, and a warning for each that does not.

    A distillation reads the test split never; whatever is scored on it reads it at most once per
    trained network. What was made of a refused distillation goes with it.
    """
    refused = {record.cell.id: reason for record in records if (reason := _reason(record))}
    kept = [
        record
        for record in records
        if record.cell.id not in refused
        and not (isinstance(record.cell, Evaluation) and record.cell.trial in refused)
    ]
    return kept, tuple(refused[key] for key in sorted(refused))


def distinct_reads(records: Iterable[Record], kind: str) -> tuple[int, ...]:
    """Return the distinct numbers of reads by finished records of a kind of cell."""
    done = [record for record in records if record.cell.kind == kind and record.status == "done"]
    return tuple(sorted({record.test_reads for record in done}))


def _reason(record: Record) -> str:
    """Return why a record is refused, "" where it is not."""
    who = f"{record.cell.kind} {record.cell.id[:12]} of {record.label} on {record.task} left out"
    if isinstance(record.cell, Trial):
        many = record.test_reads > 0
        return f"{who}: it read the test split {_times(record.test_reads)}, and none is allowed" * many
    networks = max((len(values) for values in record.scores.values()), default=0)
    many = record.status == "done" and record.test_reads > networks
    return f"{who}: it read the test split {_times(record.test_reads)} for {networks} trained networks" * many


def _times(count: int) -> str:
    return f"{count} time" + "s" * (count != 1)
