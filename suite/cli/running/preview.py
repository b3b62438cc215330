"""What a run would do: its cells, done and to do, and their cost. Nothing runs, nothing is fetched."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from string import ascii_lowercase

from rich.box import SIMPLE_HEAD
from rich.table import Table

from suite.board.atlas.costs import Cost
from suite.cli.console import console, say
from suite.cli.running.announced import say_networks, to_do
from suite.cli.running.cost import Costs, by_device, hours, told
from suite.cli.running.request import Request, check_settings
from suite.core.data import tasks
from suite.core.data.reading.download import nothing_fetched
from suite.core.data.tasks import DataMissing
from suite.experiments import preflight
from suite.experiments.cells.context import load_task
from suite.experiments.job_runner import missing
from suite.records.datasets import told as told_data
from suite.records.former import carried, carrying
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.remote.reading import here
from suite.records.store import Store
from suite.records.stores import reading

LISTED = 50
"""Grids of more cells are summed up by task and row."""


@tasks.located_once()
def dry_run(request: Request) -> None:
    """Show the cells of a grid with their status, and estimate the cost of the missing ones."""
    table, store = request.table(), Store(here(request.folder), read_only=True)
    jobs = request.jobs()
    say_networks(table)
    present, lines = _loaded(jobs)
    preflight.check(present, request.resources)
    check_settings(request, {job.cell.task for job in present})
    for line in lines:
        say(line)
    known, formers = preflight.on_data(present)
    by_id = {job.id: job for job in known}
    jobs = [by_id.get(job.id, job) for job in jobs]
    waiting = carried(store, formers.values())
    for now, former in formers.items():
        if former in waiting:
            names = f"{told_data(now)} as {told_data(former)}"
            say(f"{len(carrying(store, former))} files know {names}; `ratbench run` renews them")
    costs = Costs.known(recorded(store))
    shown = (
        _cells(jobs, store) if sum(len(job.cells) for job in jobs) <= LISTED else _rows(jobs, store, costs)
    )
    console.print(shown)
    for line in (*_wanted(jobs), *to_do(jobs, store), *estimated(jobs, store, costs)):
        say(line)


def recorded(store: Store) -> Sequence[Record]:
    """Return the records of a store, none if it does not exist; raises ValueError for another protocol."""
    if store.path.exists():
        store.check_protocol()
    return list(reading.records(store))


def estimated(jobs: Sequence[Job], store: Store, costs: Costs) -> Iterator[str]:
    """Yield lines on what the missing cells will cost."""
    yield from told([costs.of(job, cell) for job in jobs for cell in missing(job, store)])


def _wanted(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield lines on the resources that the grid wants for its rows."""
    rows = dict[str, list[str]]()
    for job in jobs:
        if wanted := str(job.wanted):
            rows.setdefault(wanted, []).append(job.label)
    for wanted, labels in rows.items():
        yield f"resources of {', '.join(dict.fromkeys(labels))}: {wanted}"


def _loaded(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """Return the jobs whose data are here, and lines on their tasks; say which data are missing."""
    found = dict[str, list[str]]()
    for name in dict.fromkeys(job.cell.task for job in jobs):
        try:
            with nothing_fetched():
                found[name] = tasks.told(load_task(name, "cpu"))
        except DataMissing as error:
            say(f"data missing, task not validated: {error}")
    return [job for job in jobs if job.cell.task in found], list(chain.from_iterable(found.values()))


def _cells(jobs: Sequence[Job], store: Store) -> Table:
    table = Table("task", "ipc", "method", "seed", "cell", "status", box=SIMPLE_HEAD)
    for job in jobs:
        for cell in job.cells:
            record = store.record(cell.id, job.data)
            status = record.status if record else "to do"
            size, seed = str(job.ipc or "full"), str(job.cell.seed)
            table.add_row(job.cell.task, size, job.label, seed, cell.title, status)
    return table


def _rows(jobs: Sequence[Job], store: Store, costs: Costs) -> Table:
    """Return a line for each task and row: its sizes, its cells, and the cost of those to do."""
    rows = dict[str, dict[str, list[Job]]]()
    for job in jobs:
        rows.setdefault(job.cell.task, {}).setdefault(job.label, []).append(job)
    table = Table("task", "method", "ipc", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("cells", "done", "to do", "device-hours"):
        table.add_column(name, justify="right")
    lines, every = list[tuple[list[str], list[Cost | None]]](), list[Cost | None]()
    for task, label, own in ((task, *row) for task, labels in rows.items() for row in labels.items()):
        sizes = ", ".join(str(ipc or "full") for ipc in sorted({job.ipc for job in own}))
        left = [costs.of(job, cell) for job in own for cell in missing(job, store)]
        total = sum(len(job.cells) for job in own)
        lines.append(([task, label, sizes, f"{total}", f"{total - len(left)}", f"{len(left)}"], left))
        every += left
    marks = _marks(every)
    for cells, left in lines:
        table.add_row(*cells, _cost(left, marks))
    if any(marks.values()):
        table.caption = "; ".join(f"{mark.strip()}: {device}" for device, mark in marks.items())
        table.caption_justify = "left"
    return table


def _marks(costs: Iterable[Cost | None]) -> dict[str, str]:
    """Return a letter for each device if there are several."""
    devices = list(by_device(costs))
    return {
        device: f" {letter}" * (len(devices) > 1)
        for device, letter in zip(devices, ascii_lowercase, strict=False)
    }


def _cost(costs: Sequence[Cost | None], marks: Mapping[str, str]) -> str:
    """Return device-hours, those of each device apart, and a question mark for cells of unknown cost."""
    found = [f"{hours(each)}{marks[device]}" for device, each in by_device(costs).items()]
    return " + ".join(found + ["?"] * (None in costs))
