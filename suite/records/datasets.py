"""Tell data of one name apart: records are of the same data only if their fingerprints are equal.

A task's name does not say which images were read: those of `folder:data/mine` may change, or be others
elsewhere. Where records of several data meet under one name, each task's name gets the fingerprint, so that
boards and figures treat them as different tasks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from suite.core.names import counted
from suite.records.jobs import Planned
from suite.records.record import Record

DIGITS = 12
"""Digits of a fingerprint that are shown, or as many more as tell two apart."""

Document = TypeVar("Document", Record, Planned)


@dataclass(frozen=True)
class Datasets:
    """The data of each task, and the records of each data. counts: by task and fingerprint."""

    counts: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, records: Iterable[Record], planned: Iterable[Planned] = ()) -> "Datasets":
        """Return the data of `records` and of planned cells.

        Earlier releases left some documents without a fingerprint: they belong to their task's only data.
        """
        counts: dict[str, dict[str, int]] = {}
        every: tuple[Record | Planned, ...] = (*records, *planned)
        for each in every:
            of_task = counts.setdefault(each.task, {})
            of_task[each.data] = of_task.get(each.data, 0) + isinstance(each, Record)
        for of_task in counts.values():
            if len(of_task) == 2 and "" in of_task:
                unknown = of_task.pop("")
                of_task[next(iter(of_task))] += unknown
        return cls(counts)

    @property
    def mixed(self) -> list[str]:
        """A line for each task with records of several data."""
        return [
            f"{task}: records of {len(of_task)} different data under this name, in separate tables: "
            + ", ".join(f"{self._told(task, data)} ({counted(of_task[data], 'record')})" for data in of_task)
            for task, unsorted in sorted(self.counts.items())
            if len(of_task := dict(sorted(unsorted.items()))) > 1
        ]

    def named(self, document: Document) -> Document:
        """Return a record or a planned cell, its task named with its data if the task has several."""
        task = document.task
        if len(self.counts[task]) == 1:
            return document
        return document.model_copy(update={"task": f"{task} ({self._told(task, document.data)})"})

    def _told(self, task: str, data: str) -> str:
        every, digits = self.counts[task], DIGITS
        while len({each[:digits] for each in every}) < len(every):
            digits += 1
        return told(data, digits)


def tell_apart(
    records: Sequence[Record], planned: Sequence[Planned] = ()
) -> tuple[list[Record], list[Planned], tuple[str, ...]]:
    """Return records and planned cells, their tasks named with the data where these differ, and warnings.

    A planned cell of unknown data that has a record is left out: it is not missing.
    """
    found = Datasets.of(records, [each for each in planned if each.data])
    several = {task for task, of_task in found.counts.items() if len(of_task) > 1}
    known = {record.cell.id for record in records}
    kept = [each for each in planned if each.data or each.task not in several or each.cell.id not in known]
    found = Datasets.of(records, kept)
    return (
        [found.named(each) for each in records],
        [found.named(each) for each in kept],
        tuple(found.mixed),
    )


def told(data: str, digits: int = DIGITS) -> str:
    """Return a fingerprint in words: `data 0a1b2c3d4e5f`, or `unknown data`."""
    return f"data {data[:digits]}" if data else "unknown data"
