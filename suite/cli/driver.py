"""A grid from its name to its board: checks before, display during, tables after."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from suite.board import files
from suite.board.render.terminal import terminal
from suite.cli.cost import estimate
from suite.cli.progress import Display
from suite.core.data.tasks import DataMissing
from suite.experiments import grid, preflight
from suite.experiments import job_runner as running
from suite.experiments.job_runner import Place, Progress
from suite.figures.publish import publish
from suite.records.jobs import Job
from suite.records.store import Store


@dataclass(frozen=True)
class Request:
    """What the user asked for. gpus None: one GPU a trial where torch finds any."""

    grid: str
    settings: tuple[str, ...] = ()
    store: Path | None = None
    inline: bool = False
    address: str | None = None
    cpus: int = 1
    gpus: float | None = None
    compile: bool = True

    @property
    def place(self) -> Place:
        """Where a trial runs."""
        gpus = self.gpus if self.gpus is not None else float(torch.cuda.is_available())
        return Place(torch.device("cuda" if gpus else "cpu"), self.cpus, gpus, self.compile)

    @property
    def folder(self) -> Path:
        """The store's path."""
        return self.store or Path("runs") / Path(self.grid).stem


def dry_run(request: Request, console: Console) -> None:
    """List every cell and whether it is recorded."""
    jobs = grid.jobs(grid.load(grid.locate(request.grid), request.settings))
    try:
        preflight.check(jobs, request.place)
    except DataMissing as error:
        say(console, f"not checked against the images: {error}")
    store = Store(request.folder)
    if store.path.exists():
        store.check_protocol()
    table = Table("task", "ipc", "method", "seed", "cell", "status")
    for job in jobs:
        for cell in job.cells:
            record = store.record(cell.id)
            status = record.status if record else "to do"
            what = cell.title if cell.kind == "evaluation" else cell.kind
            table.add_row(job.cell.task, str(job.ipc or "full"), job.label, str(job.cell.seed), what, status)
    console.print(table)
    say(console, _counts(jobs, store))
    left = [cell for job in jobs for cell in running.missing(job, store)]
    records = files.read([store.path]).records if store.path.exists() else ()
    if line := estimate(jobs, left, records):
        say(console, line)


def run(request: Request, console: Console) -> bool:
    """Run what is missing; return whether every cell is done. Raises ValueError before compute."""
    jobs = grid.jobs(grid.load(grid.locate(request.grid), request.settings))
    if request.inline and request.address:
        raise ValueError("--inline runs without Ray: leave out --address")
    # A cluster's head may have no GPU; its nodes are not asked.
    preflight.check(jobs, request.place if request.address is None else None)
    store = Store.create(request.folder)
    with store.locked():
        store.write_plan(Path(request.grid).stem, grid.plan(jobs).to_json())
        say(console, _counts(jobs, store))
        rest = [job for job in jobs if running.missing(job, store)]
        if rest:
            _run(rest, store, request, console)
        board = publish([store.path], store.path / "leaderboard.md")
    for table in terminal(files.load([store.path])):
        console.print(table)
    left = report(jobs, store, console)
    say(console, f"leaderboard: {board[0]}")
    shown = [str(folder) for name in ("pictures", "plots") if (folder := store.path / name).is_dir()]
    say(console, f"pictures:    {', '.join(shown) or 'none'}")
    return not left


def _run(jobs: Sequence[Job], store: Store, request: Request, console: Console) -> None:
    total = sum(len(running.missing(job, store)) for job in jobs)
    with Display(console, jobs, total) as display:
        if request.inline:
            _inline(jobs, store, request.place, display.observe, display.end)
            return
        from suite.experiments import cluster  # ray takes seconds to import

        resources = cluster.Resources(request.cpus, request.place.gpus, request.compile)
        start = partial(cluster.run_jobs, jobs, store, resources, address=request.address)
        start(observe=display.observe, end=display.end)


def _inline(
    jobs: Sequence[Job],
    store: Store,
    place: Place,
    observe: Callable[[Progress], None],
    end: Callable[[str], None],
) -> None:
    for job in jobs:
        with closing(running.run(job, store, place)) as work:
            for progress in work:
                observe(progress)
        end(job.id)


def _counts(jobs: Sequence[Job], store: Store) -> str:
    total = sum(len(job.cells) for job in jobs)
    left = sum(len(running.missing(job, store)) for job in jobs)
    return f"{total} {'cell' if total == 1 else 'cells'}, {total - left} done, {left} to do ({store.path})"


def report(jobs: Sequence[Job], store: Store, console: Console) -> int:
    """Say what is not done and why; return how many cells."""
    left, again = 0, False
    for job in jobs:
        for cell in job.cells:
            record = store.record(cell.id) or store.last_failure(cell.id)
            if record is None or record.status != "done":
                left += 1
                if record:
                    what = f"{job.label} on {job.cell.task} ipc {job.ipc} seed {job.cell.seed}"
                    say(console, f"{record.status}: {what}: {record.error}")
            again = again or record is None or record.status not in ("done", "diverged")
    if left:
        remedy = "; run the same command again to try the failed ones" if again else ""
        say(console, f"{left} {'cell is' if left == 1 else 'cells are'} not done{remedy}")
    return left


def say(console: Console, line: str) -> None:
    """Print as it stands: no markup, no colours, no folding."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
