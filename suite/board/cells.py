"""The cells of a board, joined by trial: what its tables are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from suite.board.dd_ranking import EVALUATORS
from suite.records.cells import RETRAIN, STANDARD_RECIPE, Evaluation, Reference, Trial, canonical_json
from suite.records.jobs import Tuned
from suite.records.record import Record

RANKED = (RETRAIN, *EVALUATORS)
"""The evaluators shown in the leaderboard's rows; others have separate tables."""


class Within(NamedTuple):
    """A budget in device-seconds, and the device on which they were spent; "" for any."""

    device_seconds: float
    device: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"within {self.device_seconds:g} device-seconds on {self.device or 'any device'}"


class TableKey(NamedTuple):
    """The common values of a table's rows.

    conditions: the budget in words, and other settings, such as `epochs=50`.
    """

    task: str
    ipc: int
    network: str
    conditions: str
    within: Within | None = None

    @property
    def place(self) -> "TableKey":
        """Task, images per class, network and budget, without other settings."""
        return self._replace(conditions=str(self.within or ""))

    @property
    def facts(self) -> dict[str, Any]:
        """Its fields as CSV and JSON have them; the budget in device-seconds is None without one."""
        return {**self._asdict(), "within": self.within and self.within.device_seconds}


Configuration = tuple[str, str, str, int, Within | None]  # task, label, canonical fields, size, budget


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a trial, done, failed or only planned (record None)."""

    cell: Evaluation
    key: TableKey
    record: Record | None
    version: str = ""  # of the recipe, if the board has several under its name

    @property
    def done(self) -> Record | None:
        """Its record if it is finished."""
        return self.record if self.record and self.record.status == "done" else None

    @property
    def recipe(self) -> str:
        """The recipe under which networks were trained; "" for an evaluator without a recipe."""
        return f"{self.cell.recipe} ({self.version})" if self.version else self.cell.recipe

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Accuracies of the copies; empty unless it is done."""
        return self.done.scores.get("accuracy", ()) if self.done else ()

    @property
    def selected_recipe(self) -> str:
        """The recipe that the evaluator chose; "" if the recipe was fixed."""
        choices = [score for score in self.record.described if score.unit == "choice"] if self.record else []
        names = self.record.scores if self.record else ()
        return next((score.heading(name) for score in choices for name in names if score.matches(name)), "")


@dataclass
class TrialResult:
    """One distillation, done, failed or only planned (record None), with its evaluations.

    A trial with several budgets has a result for each: its record as it was when the budget was spent, and
    the evaluations of that set. task: its name on the board. tuned: how its settings were chosen.
    """

    trial: Trial
    task: str
    label: str
    record: Record | None
    within: Within | None = None
    evaluations: list[Evaluated] = field(default_factory=list)
    tuned: Tuned | None = None

    @cached_property
    def configuration(self) -> Configuration:
        """What it has in common with the trials of its row: all but the seed."""
        return self.task, self.label, canonical_json(self.trial.fields), self.trial.ipc, self.within

    @property
    def made(self) -> bool:
        """Whether its set exists, so that it can be evaluated."""
        return self.record is not None and self.record.status == "done"

    @property
    def finished(self) -> bool:
        """Whether it is the whole distillation, and not as it was at an earlier budget."""
        return self.within is None or self.within.device_seconds == self.trial.device_seconds

    @property
    def soft(self) -> bool:
        """Whether its labels are soft."""
        return self.record is not None and self.record.label_kind == "soft"

    @property
    def retrained(self) -> list[Evaluated]:
        """The evaluations by `retrain`, which fill the leaderboard."""
        return self.by(RETRAIN)

    @property
    def native_recipe(self) -> str:
        """The recipe of its method, in the version by which its set was evaluated; "" if unknown."""
        name = self.record.recipe if self.record else ""
        return max((item.recipe for item in self.evaluations if item.cell.recipe == name), default=name)

    def by(self, *evaluators: str) -> list[Evaluated]:
        """Return its evaluations by the named evaluators."""
        return [item for item in self.evaluations if item.cell.evaluator in evaluators]

    @property
    def sizes(self) -> set[int]:
        """The sizes, in images per class, of the set and its scored prefixes."""
        return {self.trial.ipc, *(item.key.ipc for item in self.retrained)}


@dataclass(frozen=True)
class Cells:
    """All cells of a board. records: one per cell and data; see `suite.records.datasets`."""

    records: tuple[Record, ...]
    trials: tuple[TrialResult, ...]
    references: tuple[Record[Reference], ...]
    warnings: tuple[str, ...]
    mixed: tuple[str, ...]  # a line for each task with records of several data

    def of(self, method: str, task: str, ipc: int) -> Sequence[TrialResult]:
        """Return the trials of a method on a task and of a size, without those with a budget."""
        return self._by_method.get((method, task, ipc), ())

    @cached_property
    def made(self) -> frozenset[tuple[str, str]]:
        """The methods that have trials, each with a task."""
        return frozenset(key[:2] for key in self._by_method)

    @cached_property
    def _by_method(self) -> Mapping[tuple[str, str, int], Sequence[TrialResult]]:
        found: dict[tuple[str, str, int], list[TrialResult]] = {}
        for each in (each for each in self.trials if each.within is None):
            found.setdefault((each.trial.method, each.task, each.trial.ipc), []).append(each)
        return found


def full_data(references: Sequence[Record[Reference]], key: TableKey) -> dict[str, Record[Reference]]:
    """Return the full-data record of each recipe on the task and network of `key`.

    If a recipe has several cells, the finished one with most epochs is taken, then the one with most copies.
    """
    best: dict[str, Record[Reference]] = {}
    for record in references:
        cell = record.cell
        if (record.task, cell.network) == (key.task, key.network):
            best[cell.recipe] = max(best.get(cell.recipe, record), record, key=_thoroughness)
    return best


def in_table(item: Evaluated, key: TableKey) -> bool:
    """Return whether `item` belongs to the table `key`; conditions of other recipes may differ."""
    return item.key == key or (item.recipe != STANDARD_RECIPE and item.key.place == key.place)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as text: `epochs=50, recipe=dsa-1000`."""
    return ", ".join(
        f"{name}={value if isinstance(value, str) else canonical_json(value)}"
        for name, value in settings.items()
    )


def _thoroughness(record: Record[Reference]) -> tuple[bool, int, int, int, str]:
    cell = record.cell
    return record.status == "done", cell.epochs, cell.copies, -cell.seed, cell.id
