"""Join cells by trial: each distillation with its evaluations, each once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from suite.board.dd_ranking import EVALUATORS
from suite.records.cells import (
    PROTOCOL,
    RETRAIN,
    STANDARD_RECIPE,
    Evaluation,
    Reference,
    Trial,
    canonical_json,
    protocol_remedy,
)
from suite.records.datasets import tell_apart
from suite.records.jobs import Planned
from suite.records.record import Record, is_of
from suite.records.test_audit import drop_overread

RANKED = (RETRAIN, *EVALUATORS)
"""The evaluators shown in the leaderboard's rows; others have separate tables."""

Configuration = tuple[str, str, str, int]  # task, label, canonical fields, size
_Key = tuple[str, str]  # a cell's id, and its task's name, which tells its data


class TableKey(NamedTuple):
    """The common values of a table's rows. conditions: other settings, such as `epochs=50`."""

    task: str
    ipc: int
    network: str
    conditions: str

    @property
    def place(self) -> tuple[str, int, str]:
        """Task, images per class and network."""
        return self[:3]


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
        return f"{self.recipe_name} ({self.version})" if self.version else self.recipe_name

    @property
    def recipe_name(self) -> str:
        """The name of the recipe: that of an edited plug-in may have had another meaning before."""
        return str(self.cell.settings.get("native_recipe") or self.cell.settings.get("recipe", ""))

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
    """One distillation, done, failed or only planned (record None), with its evaluations."""

    trial: Trial
    task: str  # its name on the board
    label: str
    record: Record | None
    evaluations: list[Evaluated] = field(default_factory=list)

    @cached_property
    def configuration(self) -> Configuration:
        """What it has in common with the trials of its row: all but the seed."""
        return self.task, self.label, canonical_json(self.fields), self.trial.ipc

    @property
    def made(self) -> bool:
        """Whether its set exists, so that it can be evaluated."""
        return self.record is not None and self.record.status == "done"

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
        return max((item.recipe for item in self.evaluations if item.recipe_name == name), default=name)

    def by(self, *evaluators: str) -> list[Evaluated]:
        """Return its evaluations by the named evaluators."""
        return [item for item in self.evaluations if item.cell.evaluator in evaluators]

    @property
    def sizes(self) -> set[int]:
        """The sizes, in images per class, of the set and its scored prefixes."""
        return {self.trial.ipc, *(item.key.ipc for item in self.retrained)}

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that distinguish it from trials of the same label and size, except the seed."""
        return self.trial.fields


@dataclass(frozen=True)
class Cells:
    """All cells of a board. records: one per cell and data; see `suite.records.datasets`."""

    records: tuple[Record, ...] = ()
    trials: tuple[TrialResult, ...] = ()
    references: tuple[Record[Reference], ...] = ()
    warnings: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()  # a line for each task with records of several data

    def of(self, method: str, task: str, ipc: int) -> Sequence[TrialResult]:
        """Return the trials of a method on a task and of a size."""
        return self._by_method.get((method, task, ipc), ())

    @cached_property
    def made(self) -> frozenset[tuple[str, str]]:
        """The methods that have trials, each with a task."""
        return frozenset(key[:2] for key in self._by_method)

    @cached_property
    def _by_method(self) -> Mapping[tuple[str, str, int], Sequence[TrialResult]]:
        found: dict[tuple[str, str, int], list[TrialResult]] = {}
        for each in self.trials:
            found.setdefault((each.trial.method, each.task, each.trial.ipc), []).append(each)
        return found


def valid_records(records: Iterable[Record]) -> tuple[list[Record], tuple[str, ...]]:
    """Return one record per cell and task's name, and a warning for each that read test too often.

    If a cell has several records, finished ones come first, then the one that is given first. Records that
    read too often are left out. Raises ValueError for a record of another protocol.
    """
    every: dict[_Key, Record] = {}
    for record in sorted(records, key=_precedence):
        refuse_protocol(record.protocol, f"record of {record.label} on {record.task}")
        every.setdefault((record.cell.id, record.task), record)
    return drop_overread(list(every.values()))


def join(records: Iterable[Record], planned: Iterable[Planned]) -> Cells:
    """Join `records` and `planned` cells by trial; raises ValueError for a record of another protocol."""
    found, waiting, mixed = tell_apart(list(records), list(planned))
    valid, refusals = valid_records(found)
    sources: dict[_Key, Record | Planned] = {(item.cell.id, item.task): item for item in waiting}
    sources |= {(record.cell.id, record.task): record for record in valid}
    sources = {key: sources[key] for key in sorted(sources)}
    trials = {
        key: TrialResult(source.cell, source.task, source.label, _record(source))
        for key, source in sources.items()
        if isinstance(source.cell, Trial)
    }
    warnings = _attach(trials, sources)
    _tell_recipes_apart(trials.values())
    kept = tuple(source for source in sources.values() if isinstance(source, Record))
    return Cells(
        records=kept,
        trials=tuple(trials.values()),
        references=tuple(record for record in kept if is_of(record, Reference)),
        warnings=(*refusals, *warnings, *mixed),
        mixed=mixed,
    )


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


def refuse_protocol(protocol: object, where: str) -> None:
    """Raise ValueError if `protocol` is not the protocol of this release."""
    if protocol != PROTOCOL:
        raise ValueError(
            f"{where} has protocol {protocol}, this release reads protocol {PROTOCOL}; "
            + protocol_remedy(protocol)
        )


def _thoroughness(record: Record[Reference]) -> tuple[bool, int, int, int, str]:
    cell = record.cell
    return record.status == "done", cell.epochs, cell.copies, -cell.seed, cell.id


def _record(source: Record | Planned) -> Record | None:
    return source if isinstance(source, Record) else None


def _precedence(record: Record) -> int:
    return ["done", "diverged", "late", "oom", "failed"].index(record.status)


def _attach(trials: Mapping[_Key, TrialResult], sources: Mapping[_Key, Record | Planned]) -> list[str]:
    """Add evaluations of sets and prefixes to their trials; return a warning for each without a trial.

    Evaluations of snapshots, random subsets and sets without an image are used in figures only.
    """
    warnings = []
    for (key, task), source in sources.items():
        cell = source.cell
        if not isinstance(cell, Evaluation) or cell.of_snapshot or (cell.part and cell.part.how != "prefix"):
            continue
        if (trial := trials.get((cell.trial, task))) and _scored_another(_record(source), trial.record):
            warnings.append(
                f"evaluation {key[:12]} of {source.label} left out: it scored another set than the one that "
                f"trial {cell.trial[:12]} records"
            )
        elif trial:
            trial.evaluations.append(Evaluated(cell, _key(cell, source), _record(source)))
        else:
            warnings.append(
                f"evaluation {key[:12]} of {source.label} left out: no trial {cell.trial[:12]} on {task}"
            )
    return warnings


def _scored_another(evaluation: Record | None, trial: Record | None) -> bool:
    """Return whether an evaluation scored another set than a trial made, as far as both are known."""
    made = {record.artefact for record in (evaluation, trial) if record and record.artefact}
    return len(made) > 1


def _tell_recipes_apart(trials: Collection[TrialResult]) -> None:
    """Give recipes their version where trainings under one name used several: a plug-in was edited."""
    sources: dict[str, set[str]] = {}
    for item in (item for trial in trials for item in trial.by(*RANKED) if item.cell.source):
        sources.setdefault(item.recipe_name, set()).add(item.cell.source)
    several = {name for name, found in sources.items() if len(found) > 1}
    for trial in trials:
        trial.evaluations = [
            replace(item, version=item.cell.source[:12]) if item.recipe_name in several else item
            for item in trial.evaluations
        ]


def _key(cell: Evaluation, source: Record | Planned) -> TableKey:
    """Return an evaluation's table. In the leaderboard, recipes are columns."""
    aside = {"network", "copies", *(["recipe"] if cell.evaluator == RETRAIN else [])}
    settings = sorted(cell.settings.items())
    told = {name: value for name, value in settings if name not in aside and value is not None}
    told |= {"source": cell.source[:12]} if cell.source else {}  # an edited file is another evaluator
    return TableKey(source.task, source.ipc, str(cell.settings.get("network", "")), settings_text(told))
