"""Leave out records that read the test split too often.

The board warns of such a record, as of a damaged file: its row becomes incomplete, and other rows are not
affected. With an error, one bad record would stop the whole board.
"""

from collections.abc import Iterable, Sequence

from suite.core.names import counted
from suite.records.cells import Evaluation, Study, Trial
from suite.records.record import Record


def drop_overread(records: Sequence[Record]) -> tuple[list[Record], tuple[str, ...]]:
    """Return the records that follow the rule, and a warning for each of the others.

    Distillations and studies never read the test split; evaluations and references read it at most once per
    trained network. Evaluations of a refused distillation are left out, too.
    """
    refused = {(record.cell.id, record.task): reason for record in records if (reason := overread(record))}
    kept = [
        record
        for record in records
        if (record.cell.id, record.task) not in refused
        and not (isinstance(record.cell, Evaluation) and (record.cell.trial, record.task) in refused)
    ]
    return kept, tuple(refused[key] for key in sorted(refused))


def distinct_reads(records: Iterable[Record], kind: str) -> tuple[int, ...]:
    """Return the distinct numbers of reads of finished records of one kind."""
    done = [record for record in records if record.cell.kind == kind and record.status == "done"]
    return tuple(sorted({record.test_reads for record in done}))


def overread(record: Record) -> str:
    """Return why a record is left out, "" if it follows the rule."""
    who = f"{record.cell.kind} {record.cell.id[:12]} of {record.label} on {record.task} left out"
    read = f"it read the test split {counted(record.test_reads, 'time')}"
    if isinstance(record.cell, Trial | Study):
        return f"{who}: {read}; a {record.cell.kind} must not read it" if record.test_reads else ""
    networks = max((len(values) for values in record.scores.values()), default=0)
    many = record.status == "done" and record.test_reads > networks
    return f"{who}: {read} for {counted(networks, 'network')}" if many else ""
