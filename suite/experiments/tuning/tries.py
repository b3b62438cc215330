"""The tries of a row, of the same number and at the same cost as those of other rows, and their choice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from math import ceil, floor, inf
from statistics import fmean
from typing import Any

from suite.core.spec import Budget
from suite.experiments import expand
from suite.experiments.cells.context import load_task
from suite.experiments.studies.pace import FIRST, PREPARED, STEP
from suite.experiments.tuning.rows import ACCURACY, Row
from suite.experiments.tuning.sampling import ENOUGH, values
from suite.experiments.tuning.settings_file import Chosen, SettingsFile, Try, plain
from suite.records.jobs import Job
from suite.records.store import Store

Changes = Mapping[str, Any]
"""Hyper-parameters that replace those of the grid."""


KEPT = 3
"""By halving, one of so many tries goes on to the next rung, which is as many times as long."""

RUNGS = 3


@dataclass(frozen=True)
class Rung:
    """Tries of a row that are compared.

    seconds: device-seconds after which they stop, if they do; jobs: by the number of the try, from 0.
    """

    seconds: float | None
    jobs: Mapping[int, Job]


@dataclass(frozen=True)
class Rule:
    """How settings are chosen, the same for all rows.

    seconds: device-seconds that a set may cost, if that is limited; by_time: whether a try stops when they
    are spent, and not after as many steps as fit; halving: whether all tries run for a part of them, and the
    best ones for more (successive halving: Jamieson and Talwalkar, arXiv 1502.07943); charge: device-seconds
    of a second.
    """

    tries: int
    seed: int = 0
    seconds: float | None = None
    by_time: bool = False
    halving: bool = False
    charge: float = 1.0

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"--tries {self.tries} must be at least 1")
        if self.seconds is not None and not 0 < self.seconds < inf:
            raise ValueError(f"--seconds {self.seconds} must be a number above 0")
        if self.halving and not self.by_time:
            raise ValueError("--halving needs --seconds, the time of the longest tries")
        if self.halving and self.tries < KEPT ** (RUNGS - 1):
            raise ValueError(f"--halving needs at least {KEPT ** (RUNGS - 1)} tries; raise --tries")

    def pace(self, row: Row) -> Job | None:
        """Return the job that times a row's outer steps; None if their number is not limited."""
        if self.seconds is None or self.by_time or not row.has_steps:
            return None
        return row.pace(self.seconds / self.charge)

    def steps(self, row: Row, store: Store) -> Changes | None:
        """Return the number of outer steps that a set may take, at most the grid's; None if it is not known.

        Nothing is returned where the length is not limited. Raises ValueError if there is no time for a step.
        """
        job = self.pace(row)
        if job is None or self.seconds is None:
            return {}
        if (record := store.record(job.id, job.data)) is None:
            return None
        step, first, prepared = (self.charge * record.curve[name][0] for name in (STEP, FIRST, PREPARED))
        steps = floor((self.seconds - prepared - first) / step)
        if steps < 1:
            label, task, ipc = row.place
            raise ValueError(
                f"--seconds {self.seconds:g}: {label} on {task} at ipc {ipc} takes {prepared + first:.3g} "
                f"device-seconds before its outer steps and {step:.3g} for each; raise --seconds, or give "
                "smaller settings in the grid"
            )
        return {"steps": min(steps, expand.plain(row.build({}))["steps"])}

    def changes(self, row: Row, steps: Changes) -> list[Changes]:
        """Return what each try of a row changes: the first one the length alone.

        A row has fewer tries if its space has fewer values, and none without a space. Values that the method
        refuses are left out.
        """
        if not row.method.space:
            return []
        base = row.build(steps)
        first = plain({name: getattr(base, name) for name in row.method.space})
        sampled = islice(values(row.method.space, self.seed), ENOUGH)
        others = (each for each in sampled if each != first and _runs(row, steps, each))
        return [{**steps, **each} for each in (first, *islice(others, self.tries - 1))]

    def rungs(self, row: Row, steps: Changes, store: Store) -> Iterator[Rung]:
        """Yield the rungs of a row's tries, as far as they are known: the last one may be still to do."""
        changes = self.changes(row, steps)
        places = list(range(len(changes)))
        for seconds in self._seconds():
            rung = Rung(seconds, {place: row.job(changes[place], seconds) for place in places})
            yield rung
            if not all(tried(job, store) for job in rung.jobs.values()):
                return
            found = {place: _accuracy(job, store) for place, job in rung.jobs.items()}
            best = sorted(places, key=lambda place: found[place] or 0.0, reverse=True)
            places = sorted(best[: ceil(len(places) / KEPT)])

    def _seconds(self) -> list[float | None]:
        """Return the device-seconds of the tries of each rung."""
        if self.seconds is None or not self.by_time:
            return [None]
        return [self.seconds / KEPT**rung for rung in reversed(range(RUNGS if self.halving else 1))]

    def choose(self, row: Row, steps: Changes, store: Store) -> Chosen:
        """Return the settings of the try with the best mean accuracy, or the earliest of several.

        It is one of the last rung. All tries have been done. Raises ValueError if those of the last rung all
        diverged or failed.
        """
        label, task, ipc = row.place
        facts: dict[str, Any] = {"row": label, "method": row.name, "task": task, "ipc": ipc}
        facts |= {"given": plain(row.given), "data": row.data}
        changes = self.changes(row, steps)
        if not changes:
            return Chosen(**facts, settings=plain(steps))
        *_, last = rungs = list(self.rungs(row, steps, store))
        ends = {place: (rung, job) for rung in rungs for place, job in rung.jobs.items()}
        tries = [
            Try(
                settings=_sampled(row, changes[place]),
                accuracy=_accuracy(job, store),
                seconds=rung.seconds,
            )
            for place, (rung, job) in sorted(ends.items())
        ]
        found = {place: accuracy for place in last.jobs if (accuracy := tries[place].accuracy) is not None}
        if not found:
            raise ValueError(
                f"{label} on {task} at ipc {ipc}: all {len(last.jobs)} tries diverged or failed; change its "
                "space"
            )
        choice = max(found, key=lambda place: (found[place], -place))
        job = last.jobs[choice]
        spent = {each.id: _seconds(each, store) for rung in rungs for each in rung.jobs.values()}
        return Chosen(
            **facts,
            settings=plain(changes[choice]),
            evaluation=job.evaluations[0].title,
            choice=choice + 1,
            accuracy=found[choice],
            base_accuracy=tries[0].accuracy,
            device_seconds=round(spent[job.id], 1),
            tuning_seconds=round(sum(spent.values()), 1),
            trial=job.id,
            tries=tries,
        )

    def made(self, file: SettingsFile, *, trial_seed: int) -> bool:
        """Return whether a file was made by this rule."""
        mine = self.tries, self.seed, self.seconds, self.halving, trial_seed
        return mine == (file.tries, file.seed, file.seconds, file.halving, file.trial_seed)

    def made_of(self, row: Row, chosen: Chosen) -> bool:
        """Return whether a row still has the tries of which its settings were chosen, at the same length."""
        steps = {name: value for name, value in chosen.settings.items() if name == "steps"}
        if self.pace(row) and not steps:
            return False
        today = [_sampled(row, each) for each in self.changes(row, steps)]
        return today == [each.settings for each in chosen.tries]

    def file(self, name: str, chosen: Sequence[Chosen], *, trial_seed: int) -> SettingsFile:
        """Return the settings file of the grid `name`."""
        return SettingsFile(
            version=version("rat-bench"),
            grid=name,
            tries=self.tries,
            seed=self.seed,
            seconds=self.seconds,
            halving=self.halving,
            trial_seed=trial_seed,
            chosen=list(chosen),
        )


def _sampled(row: Row, changes: Changes) -> dict[str, Any]:
    """Return the values of a try from the method's space, as a settings file has them."""
    return plain({name: changes.get(name) for name in row.method.space})


def _runs(row: Row, steps: Changes, changes: Changes) -> bool:
    """Return whether the method accepts the values of a try."""
    train, budget = load_task(row.holdout, "cpu").train, Budget(row.place[2])
    try:
        row.build({**steps, **changes}).check(train, budget)
    except ValueError:
        return False
    return True


def tried(job: Job, store: Store) -> bool:
    """Return whether a try was done: scored, or ended without a set, or failed."""
    (evaluation,) = job.evaluations
    trial = store.record(job.id, job.data)
    ended = trial is not None and trial.status != "done"
    known = (store.record(evaluation.id, job.data), *map(store.last_failure, (job.id, evaluation.id)))
    return ended or any(record is not None for record in known)


def _seconds(job: Job, store: Store) -> float:
    """Return the device-seconds of a try's distillation."""
    record = store.record(job.id, job.data) or store.last_failure(job.id)
    return record.device_seconds if record else 0.0


def _accuracy(job: Job, store: Store) -> float | None:
    """Return the mean accuracy of a try on the holdout, of six digits; None if it has none."""
    (evaluation,) = job.evaluations
    record = store.record(evaluation.id, job.data)
    if record is None or not record.scores:
        return None
    return round(fmean(record.scores[ACCURACY]), 6)
