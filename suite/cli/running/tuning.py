"""Tune the methods of a grid: time their outer steps, run their tries, write what was chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from suite.cli.console import console, say, wrote
from suite.cli.options import writable
from suite.cli.running import preview, runner
from suite.cli.running.announced import to_do
from suite.cli.running.cost import Costs
from suite.cli.running.deadline import Deadline, Stopped
from suite.cli.running.request import Request
from suite.core.data import tasks
from suite.experiments import grid, preflight
from suite.experiments.cells.context import load_task
from suite.experiments.tables import grid_files
from suite.experiments.tuning.rows import Row, rows
from suite.experiments.tuning.settings_file import ENDING, Chosen, Place, SettingsFile
from suite.experiments.tuning.tries import Rule, tried
from suite.records.cells import Study, Trial
from suite.records.jobs import Job, Plan
from suite.records.remote import working
from suite.records.remote.place import url_of
from suite.records.remote.reading import here
from suite.records.store import Store

TOLERANCE = 1.25
"""A chosen set that costs more than the limit times this is named."""


@dataclass(frozen=True)
class TuningRequest:
    """A run of tries, the rule by which they are made, and where the chosen settings are written.

    keep: whether settings that are there stay as they are.
    """

    run: Request
    rule: Rule
    output: Path | None = None
    keep: bool = False

    @property
    def folder(self) -> Path:
        """The store's path."""
        return self.run.store or Path("runs") / f"{Path(self.run.grid).stem}-tuning"

    @property
    def file(self) -> Path:
        """The settings file."""
        return self.output or self.folder / "settings.toml"

    def rows(self) -> list[Row]:
        """Return the rows of the grid; raises ValueError for a mistake in it, or an output that is taken."""
        if self.output is None and (url := url_of(self.folder)):
            raise ValueError(f"a settings file cannot be written to {url}; name a local one with --output")
        path = None if self.run.made else grid_files.locate(self.run.grid)
        if path and self.file.resolve() == path.resolve():
            raise ValueError(f"--output {self.file} is the grid itself; choose another file")
        if self.file.exists():
            try:
                SettingsFile.read(self.file)
            except ValueError as error:
                raise ValueError(
                    f"--output would replace another file: {error}; choose another one"
                ) from None
        found = self.run.made or grid.load(grid_files.locate(self.run.grid), self.run.settings, tuned=False)
        if found.budget and self.rule.seconds:
            raise ValueError("the grid's budgets stop its tries: leave out --seconds")
        if self.rule.halving and not (found.budget or self.rule.seconds):
            raise ValueError(
                "--halving needs --seconds, the time of the longest tries, or a grid with budgets"
            )
        return rows(found)

    def kept(self, found: Sequence[Row], rule: Rule) -> dict[Place, Chosen]:
        """Return the settings that stay, also of what is not in the grid.

        Raises ValueError for a file by another rule, or without one.
        """
        if not self.keep:
            return {}
        if not self.file.exists():
            raise ValueError(
                f"--keep: no settings file {self.file}; name it with --output, or leave out --keep"
            )
        file = SettingsFile.read(self.file)
        if not rule.made(file, trial_seed=found[0].grid.seeds[0]):
            raise ValueError(
                f"--keep: {self.file} has another rule (--tries {file.tries}, --seconds {file.seconds}, "
                f"--seed {file.seed}, {'--halving' if file.halving else 'no --halving'}, first seed of the "
                f"grid {file.trial_seed}); give these, or leave out --keep"
            )
        known = dict[Place, Chosen]()
        for row in found:
            chosen = file.of(row.place, row.name, row.given, row.data, row.chosen_by)
            if chosen and rule.made_of(row, chosen):
                known[row.place] = chosen
        places = {row.place for row in found}
        return known | {each.place: each for each in file.chosen if each.place not in places}


@dataclass(frozen=True)
class Rows:
    """The rows of a grid on their data, all and those that are tuned, and the settings of the others.

    rule: that of the request; by the last budget of a grid that has some.
    """

    rule: Rule
    every: Sequence[Row]
    kept: Mapping[Place, Chosen]

    @property
    def tuned(self) -> list[Row]:
        """Those without settings that are kept."""
        return [row for row in self.every if row.place not in self.kept]


def dry_run(request: TuningRequest) -> None:
    """List the tries of each row, as far as they are known, and estimate their cost."""
    checked, store = _checked(request), Store(here(request.folder), read_only=True)
    rule, found = checked.rule, checked.tuned
    records = preview.recorded(store)
    table = Table("task", "ipc", "row", "outer steps", "tries", "tuned", box=SIMPLE_HEAD)
    for row in found:
        label, task, ipc = row.place
        steps = rule.steps(row, store)
        length = "to time" if steps is None else str(steps.get("steps", ""))
        tries = len(rule.changes(row, steps or {}))
        table.add_row(task, str(ipc), label, length, str(tries), ", ".join(row.method.space) or "nothing")
    console.print(table)
    jobs = [job for stage in _stages(rule, found, store) for job in stage]
    for line in (*to_do(jobs, store), *preview.estimated(jobs, store, Costs.known(records))):
        say(line)


def tune(request: TuningRequest, deadline: Deadline | None = None) -> bool:
    """Run the missing tries and write the settings file; return whether all of them are done.

    A try that failed is a try, which is not chosen, and is tried again the next time.
    Raises ValueError before compute, or if a row has no time for an outer step; Stopped at the deadline.
    """
    deadline = deadline or Deadline()
    with deadline.preparing(), tasks.located_once():
        found = _checked(request)
        store = working.create(request.folder)
        writable(request.file)
    stopped, every = None, list[Job]()
    with store.locked(lost=deadline.give_up):
        try:
            for jobs in _stages(found.rule, found.tuned, store):
                run = request.run
                every += jobs
                store.write_plan(request.folder.name, Plan.of(every).to_json())
                for line in to_do(jobs, store.as_it_is()):
                    say(line)
                # Neighbours, above all those that compile, would make a method seem slower than it is.
                alone = run.inline or (not run.address and all(isinstance(job.cell, Study) for job in jobs))
                runner.work(
                    jobs,
                    store,
                    run.resources,
                    deadline,
                    name=run.name,
                    inline=alone,
                    address=run.address,
                    step_limit=run.step_limit,
                )
        except Stopped as error:
            stopped = error
        deadline.rest()
    complete = runner.tell(every, store, stopped=stopped is not None)
    if stopped:
        raise stopped
    timed = all(found.rule.steps(row, store) is not None for row in found.tuned)
    if not (timed and all(tried(job, store) for job in every if isinstance(job.cell, Trial))):
        return False
    try:
        _write(request, found, store)
    except ValueError as reason:
        if complete:
            raise
        say(str(reason))
    return complete


def _checked(request: TuningRequest) -> Rows:
    """Return the rows on their data, and tell these; raises ValueError for the first problem of a row."""
    found = request.rows()
    # A cluster's nodes are not checked.
    resources = None if request.run.address else request.run.resources
    preflight.check([row.job({}) for row in found], resources)
    for task in dict.fromkeys(row.holdout for row in found):
        for line in tasks.told(load_task(task, "cpu")):
            say(line)
    every, rule = [row.on_data() for row in found], request.rule
    if budget := found[0].grid.budget:
        rule = replace(rule, seconds=budget.all[-1], by_time=True)
    return Rows(rule, every, request.kept(every, rule))


def _stages(rule: Rule, found: Sequence[Row], store: Store) -> Iterator[list[Job]]:
    """Yield the jobs that time outer steps, and then, if all steps have been timed, the tries, by rungs."""
    if paces := [job for row in found if (job := rule.pace(row))]:
        yield paces
    lengths = [(row, rule.steps(row, store)) for row in found]
    if any(steps is None for _, steps in lengths):
        return
    known = dict[str, Job]()
    while True:
        rungs = (rung for row, steps in lengths for rung in rule.rungs(row, steps or {}, store))
        jobs = {job.id: job for rung in rungs for job in rung.jobs.values()}  # rows may have tries in common
        if not (new := [job for cell, job in jobs.items() if cell not in known]):
            return
        yield new
        known |= jobs


def _write(request: TuningRequest, found: Rows, store: Store) -> None:
    """Choose, write the settings file, and show it."""
    rule = found.rule
    chosen = {
        row.place: found.kept.get(row.place) or rule.choose(row, rule.steps(row, store) or {}, store)
        for row in found.every
    }
    kept = dict(found.kept)
    if request.file.exists():  # another run may have added to it since this one began
        kept |= request.kept(found.every, rule)
    every = [*chosen.values(), *(each for place, each in kept.items() if place not in chosen)]
    name, own = Path(request.run.grid).stem, found.every[0].grid
    rule.file(name, every, trial_seed=own.seeds[0]).write(request.file)
    console.print(_table(every))
    for each in every:
        if rule.seconds and (each.device_seconds or 0) > TOLERANCE * rule.seconds:
            say(
                f"over {rule.seconds:g} device-seconds: {each.row} on {each.task} at ipc {each.ipc} took "
                f"{each.device_seconds:.0f}"
            )
    wrote(request.file)
    if not own.settings:
        say(f'to use it, copy it to {name}{ENDING} beside the grid; write there: settings = "{name}{ENDING}"')


def _table(chosen: Sequence[Chosen]) -> Table:
    table = Table(
        "task", "ipc", "row", "tries", "choice", "holdout", "first try", "settings", box=SIMPLE_HEAD
    )
    for each in chosen:
        settings = ", ".join(f"{key} = {value}" for key, value in each.settings.items())
        choice = str(each.choice or "")
        accuracies = map(_percent, (each.accuracy, each.base_accuracy))
        table.add_row(each.task, str(each.ipc), each.row, str(len(each.tries)), choice, *accuracies, settings)
    return table


def _percent(accuracy: float | None) -> str:
    return "" if accuracy is None else f"{100 * accuracy:.1f}"
