"""Run a grid, or evaluate a foreign set: checks before, progress during, the board after."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from itertools import chain
from pathlib import Path

from suite.board import files
from suite.board.render.terminal import terminal
from suite.board.tables import Board
from suite.cli.console import brief, console, say
from suite.cli.logs.log import Log
from suite.cli.logs.writers import Writer
from suite.cli.running.announced import bring_over_formers, on_other_data, say_networks, to_do
from suite.cli.running.cost import committed
from suite.cli.running.deadline import Deadline, Stopped
from suite.cli.running.progress import Display
from suite.cli.running.request import Request, check_settings
from suite.core.data import tasks
from suite.core.data.tasks import former_fingerprint
from suite.core.names import counted
from suite.experiments import preflight
from suite.experiments.cells.context import load_task
from suite.experiments.isolation.job_process import JobProcess, StepLimit
from suite.experiments.job_runner import due
from suite.experiments.resources import Resources
from suite.external import evaluate as foreign
from suite.external.sandbox.confinement import told
from suite.figures.publish import publish
from suite.records.cells import Cell
from suite.records.jobs import Job, Plan
from suite.records.remote import working
from suite.records.store import Store
from suite.records.stores import reading

BOARD = "leaderboard.md"
"""The file of a store's board."""


def run(request: Request, deadline: Deadline | None = None) -> bool:
    """Run the missing cells; return whether all are done.

    Raises ValueError before compute, and Stopped if cells are left at the deadline.
    """
    deadline = deadline or Deadline()
    with deadline.preparing(), tasks.located_once():
        jobs = request.jobs()
        say_networks(request.table())
        # A cluster's head may have no GPU, and its nodes are not checked.
        preflight.check(jobs, None if request.address else request.resources)
        check_settings(request, request.table().tasks)
        jobs, formers = preflight.on_data(jobs)
        for name in dict.fromkeys(job.cell.task for job in jobs):
            for line in tasks.told(load_task(name, "cpu")):
                say(line)
        store = working.create(request.folder)
        writer = request.writer(store.path)
    stopped = None
    with store.locked(lost=deadline.give_up):
        bring_over_formers(store, formers)
        store.write_plan(request.plan, Plan.of(jobs).to_json())
        store.send()
        known = store.as_it_is()
        for line in to_do(jobs, known):
            say(line)
        known.known.save()
        try:
            work(
                jobs,
                store,
                request.resources,
                deadline,
                name=request.name,
                inline=request.inline,
                address=request.address,
                writer=writer,
                step_limit=request.step_limit,
                known=known,
            )
        except Stopped as error:
            stopped = error
        deadline.rest()
        known = store.as_it_is() if any(due(job, known) for job in jobs) else known
        board = files.load([store.path], memory=known.memory)
        for each in (store.path / BOARD, *_drawn(store.path)):
            store.make_way(each)
        path, *_ = publish([store.path], store.path / BOARD, board=board)
    complete = show(jobs, known, board=board, stopped=stopped is not None)
    say(f"leaderboard: {path}")
    if writer:
        say(f"log:         {writer.where}")
    shown = [str(folder) for name in ("pictures", "plots") if (folder := store.path / name).is_dir()]
    say(f"pictures:    {', '.join(shown) or 'none'}")
    if stopped and not complete:
        raise stopped
    return complete


def read(request: foreign.Request, resources: Resources) -> foreign.ReadSet:
    """Read a foreign set and print what was read; raises ValueError for the set and for the request."""
    resources.check("--cpus")
    load_task.cache_clear()  # files may have changed since an earlier run of this process
    found = foreign.read(request)
    for line in (*found.lines, told(found.layers)):
        say(line)
    preflight.check_precisions([found.job], resources)
    return found


def retrain(found: foreign.ReadSet, folder: Path, resources: Resources) -> bool:
    """Retrain networks on a set that was read, as `evaluate` does; return whether all cells are done."""
    jobs, store = [found.job], working.create(folder)
    with store.locked():
        bring_over_formers(store, {found.job.data: former_fingerprint(found.task)})
        for line in on_other_data(jobs, store):
            say(line)
        foreign.record(found, store, resources)
        work(jobs, store, resources, name=found.job.label)
    return show(jobs, store)


def work(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    deadline: Deadline | None = None,
    *,
    name: str = "",
    inline: bool = True,
    address: str | None = None,
    writer: Writer | None = None,
    step_limit: StepLimit | None = None,
    known: Store | None = None,
) -> None:
    """Run the missing cells of jobs, in one process beside this one or on Ray, and show the progress.

    name: of the grid; writer: of a log; step_limit: as in `Request`; known: the store as it is, if it was
    read. Raises Stopped at the deadline, or ValueError if nothing was done before it.
    """
    known, deadline = known or store.as_it_is(), deadline or Deadline()
    begun = store.begun()
    for job in (job for job in jobs if job.id in begun):
        if job.cell not in due(job, known):  # killed after its record, or the lost set of one, was written
            store.drop_checkpoints(job.id)
    rest = [job for job in jobs if due(job, known)]
    if not rest:
        return
    log = Log(writer, name, jobs) if writer else None
    cells = [(job, cell) for job in rest for cell in due(job, known)]
    display = Display(console, name, jobs, cells, store, log)
    with display, log or nullcontext():
        try:
            if inline:
                _work_inline(rest, store, resources, deadline, display, step_limit)
            else:
                from suite.experiments.cluster import driver  # ray takes seconds to import

                driver.run_jobs(
                    rest,
                    store,
                    resources,
                    address=address,
                    observe=display.observe,
                    end=display.end,
                    stop=deadline.near,
                    step_limit=step_limit,
                    lost=deadline.give_up,
                    records=chain(reading.records(known), committed()),
                )
            if deadline.reason:
                raise Stopped(deadline.reason)
        except KeyboardInterrupt as error:
            # Ray turns every error of a handler of signals into this one.
            if not (isinstance(error, Stopped) or deadline.over):
                raise
            if not display.moved:
                deadline.check_long_enough()
            raise Stopped(deadline.reason) from None
    deadline.moved = True


def _work_inline(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    deadline: Deadline,
    display: Display,
    step_limit: StepLimit | None,
) -> None:
    process = JobProcess(store.path, step_limit=step_limit, said=display.say)
    with closing(process):
        for job in jobs:
            deadline.check()
            work = store.following(job, process.run(job, vars(resources.given(job.wanted))))
            with closing(work) as signs:  # closed early, it writes a checkpoint
                for progress in signs:
                    display.observe(progress)
                    deadline.check(progress.needs if progress.steps else 0.0)
                    if deadline.near(progress.needs):
                        break  # no time for a cell without checkpoints; the next job may have some
            display.end(job.id)


def show(jobs: Sequence[Job], store: Store, *, board: Board | None = None, stopped: bool = False) -> bool:
    """Print the board's tables, then missing cells with reasons; return whether all cells are done.

    board: of the store, if it was made; stopped: whether cells are missing because the run was stopped.
    """
    for table in terminal(board or files.load([store.path]), console.width):
        console.print(table)
    return tell(jobs, store, stopped=stopped)


def tell(jobs: Sequence[Job], store: Store, *, stopped: bool = False) -> bool:
    """Print missing cells with reasons, as `show` does; return whether all cells are done."""
    store = store if store.read_only else store.as_it_is()
    undone = list(_undone(jobs, store))
    for line in (*_failures(undone, store), *_begun(jobs, store)):
        say(line)
    if left := len(undone):
        again = any(due(job, store) for job in jobs) and not stopped
        remedy = "; run the same command again to retry the failed ones" if again else ""
        say(f"{counted(left, 'cell')} {'is' if left == 1 else 'are'} not done{remedy}")
    return not left


def _undone(jobs: Sequence[Job], store: Store) -> Iterator[tuple[Job, Cell]]:
    """Yield the cells that are not done, and those whose sets are lost."""
    for job in jobs:
        again = due(job, store)
        for cell in job.cells:
            record = store.record(cell.id, job.data)
            if record is None or record.status == "diverged" or (cell == job.cell and cell in again):
                yield job, cell


def _failures(undone: Iterable[tuple[Job, Cell]], store: Store) -> Iterator[str]:
    for job, cell in undone:
        record = store.record(cell.id, job.data)
        failed = record if record and record.status == "diverged" else store.last_failure(cell.id)
        if failed:
            yield f"{failed.status}: {job.title}: {brief(failed.error)}"


def _begun(jobs: Sequence[Job], store: Store) -> Iterator[str]:
    begun = store.begun()
    for job in (job for job in jobs if job.id in begun):
        if (step := store.checkpoint_step(job.id)) is not None:
            yield f"goes on after outer step {step}: {job.title}"


def _drawn(store: Path) -> Iterator[Path]:
    """Yield what stands where a run writes plots and pictures."""
    for folder in ("plots", "pictures"):
        yield from (store / folder).rglob("*.png")
