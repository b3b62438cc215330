"""What a run says before it computes: networks, data, and what there is to do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from suite.cli.console import say
from suite.core.names import counted
from suite.experiments import grid
from suite.experiments.cells import sets
from suite.experiments.job_runner import due, missing
from suite.experiments.schema import Grid
from suite.records.datasets import told
from suite.records.former import bring_over, carried
from suite.records.jobs import Job
from suite.records.store import Store

_SHOWN = 10  # lost sets that are named


def say_networks(table: Grid) -> None:
    """Print the network of each task if the grid names none; then the images' size decides."""
    if table.network is None:
        chosen: dict[str, list[str]] = {}
        for task in table.tasks:
            chosen.setdefault(grid.network(table, task), []).append(task)
        for network, tasks in chosen.items():
            say(f"network: {network} for {', '.join(tasks)}, by image size, because the grid names none")


def bring_over_formers(store: Store, formers: Mapping[str, str]) -> None:
    """Give records of earlier releases the fingerprints of this one. formers: the earlier ones by these."""
    waiting = carried(store, formers.values())
    for now, former in formers.items():
        if former in waiting and (count := bring_over(store, former, now)):
            say(f"{counted(count, 'record')} of earlier releases converted: {told(former)} is {told(now)}")


def to_do(jobs: Sequence[Job], store: Store) -> Iterator[str]:
    """Yield lines on what a run has to do, and why it does some of it again."""
    yield from on_other_data(jobs, store)
    yield from lost_sets(jobs, store)
    total = sum(len(job.cells) for job in jobs)
    left = sum(len(due(job, store)) for job in jobs)
    yield f"{counted(total, 'cell')}, {total - left} done, {left} to do ({store.path})"


def on_other_data(jobs: Sequence[Job], store: Store) -> Iterator[str]:
    """Yield a line for each task whose missing cells are recorded on other data than it has now."""
    found = Counter(
        (job.cell.task, told(other.data), told(job.data))
        for job in jobs
        for cell in missing(job, store)
        for other in store.records(cell.id)
    )
    for (task, before, now), count in sorted(found.items()):
        were = "cell was" if count == 1 else "cells were"
        yield (
            f"{task}: {count} {were} recorded on {before}, and the task has {now} now: to do again; "
            "the old records are kept, in tables apart"
        )


def lost_sets(jobs: Sequence[Job], store: Store) -> Iterator[str]:
    """Yield a line for each finished trial whose set is lost, and what a run does."""
    found = [f"{job.title}: {why}" for job in jobs if (why := sets.lost(job, store))]
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield f"… and {len(found) - _SHOWN} more"
    if found:
        yield (
            f"{counted(len(found), 'finished trial')} without the set of the record: to distil again, and to "
            "evaluate again if another set comes out"
        )
