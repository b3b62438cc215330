"""The tries of a row, of the same number and at the same cost as those of other rows, and their choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from math import floor, inf
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
from suite.records.record import Record
from suite.records.store import Store

Changes = Mapping[str, Any]
"""Hyper-parameters that replace those of the grid."""


@dataclass(frozen=True)
class Rule:
    """How settings are chosen, the same for all rows.

    seconds: device-seconds that a set may cost, if that is limited; charge: device-seconds of a second.
    """

    tries: int
    seed: int = 0
    seconds: float | None = None
    charge: float = 1.0

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise ValueError(f"--tries {self.tries} must be at least 1")
        if self.seconds is not None and not 0 < self.seconds < inf:
            raise ValueError(f"--seconds {self.seconds} must be a number above 0")

    def pace(self, row: Row) -> Job | None:
        """Return the job that times a row's outer steps; None if its length is not limited."""
        if self.seconds is None or not row.has_steps:
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

    def choose(self, row: Row, steps: Changes, store: Store) -> Chosen:
        """Return the settings of the try with the best mean accuracy, or the earliest of several.

        All tries have been done. Raises ValueError if all of them diverged.
        """
        label, task, ipc = row.place
        facts: dict[str, Any] = {"row": label, "method": row.name, "task": task, "ipc": ipc}
        facts |= {"given": plain(row.given), "data": row.data}
        changes = self.changes(row, steps)
        if not changes:
            return Chosen(**facts, settings=plain(steps))
        jobs = [row.job(each) for each in changes]
        found = [_accuracy(job, store) for job in jobs]
        if not (known := [accuracy for accuracy in found if accuracy is not None]):
            raise ValueError(
                f"{label} on {task} at ipc {ipc}: all {len(jobs)} tries diverged; change its space"
            )
        choice = found.index(max(known))
        trial = store.record(jobs[choice].id, row.data)
        return Chosen(
            **facts,
            settings=plain(changes[choice]),
            evaluation=jobs[choice].evaluations[0].title,
            choice=choice + 1,
            accuracy=found[choice],
            base_accuracy=found[0],
            device_seconds=round(trial.device_seconds, 1) if trial else None,
            trial=jobs[choice].id,
            tries=[
                Try(settings={name: each[name] for name in row.method.space}, accuracy=accuracy)
                for each, accuracy in zip(changes, found, strict=True)
            ],
        )

    def file(self, name: str, chosen: Sequence[Chosen], *, trial_seed: int) -> SettingsFile:
        """Return the settings file of the grid `name`."""
        return SettingsFile(
            version=version("rat-bench"),
            grid=name,
            tries=self.tries,
            seed=self.seed,
            seconds=self.seconds,
            trial_seed=trial_seed,
            chosen=list(chosen),
        )


def _runs(row: Row, steps: Changes, changes: Changes) -> bool:
    """Return whether the method accepts the values of a try."""
    train, budget = load_task(row.holdout, "cpu").train, Budget(row.place[2])
    try:
        row.build({**steps, **changes}).check(train, budget)
    except ValueError:
        return False
    return True


def _accuracy(job: Job, store: Store) -> float | None:
    """Return the mean accuracy of a try on the holdout, of six digits; None if it diverged."""
    (evaluation,) = job.evaluations
    record: Record | None = store.record(evaluation.id, job.data)
    return None if record is None else round(fmean(record.scores[ACCURACY]), 6)
