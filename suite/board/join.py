"""Cells in, joined by trial: each distillation with what was made of it, each once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suite.records.cells import (
    PROTOCOL,
    STANDARD_RECIPE,
    Evaluation,
    Reference,
    Trial,
    canonical_json,
    protocol_remedy,
)
from suite.records.jobs import Planned
from suite.records.record import Record, is_of
from suite.records.test_audit import drop_overread

EVALUATOR = "retrain"
"""The evaluator whose accuracies fill the board."""

CHOSEN = "chosen/"
"""Begins the score that names the recipe which an evaluation chose."""

ROBUST = ("label_robust", "augmentation_robust")
"""The evaluators whose accuracies are compared with references."""

Key = tuple[str, int, str, str]
"""What a table is of: task, images per class, network, conditions."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a trial, done, failed or only planned (record None).

    key: the table it belongs to; recipe: of a robust evaluator the set's own one; accuracy: one per
    copy, in [0, 1].
    """

    id: str
    trial: str
    key: Key
    recipe: str
    record: Record | None
    evaluator: str = EVALUATOR
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Accuracies of the copies; empty unless it is done."""
        if self.record is None or self.record.status != "done":
            return ()
        return self.record.scores.get("accuracy", ())

    @property
    def chosen(self) -> str:
        """The recipe that the holdout chose, "" where it was given."""
        names = self.record.scores if self.record else {}
        return next((name.removeprefix(CHOSEN) for name in names if name.startswith(CHOSEN)), "")


@dataclass
class TrialResult:
    """One distillation, done, failed or only planned (record None), with its evaluations.

    evaluated: those that fill the board; robust: those of `ROBUST`.
    """

    trial: Trial
    label: str
    record: Record | None
    evaluated: list[Evaluated] = field(default_factory=list)
    robust: list[Evaluated] = field(default_factory=list)

    @property
    def task(self) -> str:
        """The task's name."""
        return self.trial.task

    @property
    def made(self) -> bool:
        """Whether there is a set."""
        return self.record is not None and self.record.status == "done"

    @property
    def soft(self) -> bool:
        """Whether its labels are soft."""
        return self.record is not None and self.record.label_kind == "soft"

    @property
    def sizes(self) -> set[int]:
        """The images per class at which it is scored: its own, and those of its prefixes."""
        return {self.trial.ipc, *(item.key[1] for item in self.evaluated)}

    @property
    def fields(self) -> dict[str, Any]:
        """What tells it from another run of the same label and size, the seed apart."""
        own = {"method": self.trial.method}
        own |= {"source": self.trial.source[:12]} if self.trial.source else {}
        return {**own, **self.trial.hyperparameters}


@dataclass(frozen=True)
class Cells:
    """All cells of a board. records: one per cell."""

    records: tuple[Record, ...]
    runs: tuple[TrialResult, ...]
    references: tuple[Record[Reference], ...]
    warnings: tuple[str, ...]

    @property
    def evaluated(self) -> list[Evaluated]:
        """All evaluations of all runs."""
        return [item for run in self.runs for item in run.evaluated]


def valid_records(records: Iterable[Record]) -> tuple[list[Record], tuple[str, ...]]:
    """Return one record of each cell, and a warning for each that read the test split too often.

    Of several records of one cell a finished one counts, then the one whose sha256 comes first. One that
    read too often is left out. Raises ValueError on another protocol's record.
    """
    every: dict[str, Record] = {}
    for record in sorted(records, key=_precedence):
        refuse_protocol(record.protocol, f"record of {record.label} on {record.task}")
        every.setdefault(record.cell.id, record)
    return drop_overread(list(every.values()))


def gather(records: Iterable[Record], planned: Iterable[Planned]) -> Cells:
    """Join `records` and `planned` cells by trial; raises ValueError on another protocol's record."""
    allowed, refusals = valid_records(records)
    kept = {record.cell.id: record for record in allowed}
    asked = {item.cell.id: item for item in planned}
    runs = _runs(kept, asked)
    warnings = _attach(runs, kept, asked)
    return Cells(
        records=tuple(kept[key] for key in sorted(kept)),
        runs=tuple(runs[key] for key in sorted(runs)),
        references=tuple(record for _, record in sorted(kept.items()) if is_of(record, Reference)),
        warnings=(*refusals, *warnings),
    )


def full_data(references: Sequence[Record[Reference]], key: Key) -> dict[str, Record[Reference]]:
    """Return the full-data record of each recipe on the task and network of `key`.

    Of several cells of one recipe a finished one of most epochs counts, then that of most copies.
    """
    task, _, network, _ = key
    best: dict[str, Record[Reference]] = {}
    for record in references:
        cell = record.cell
        if (cell.task, cell.network) == (task, network):
            best[cell.recipe] = max(best.get(cell.recipe, record), record, key=_most_thorough)
    return best


def in_table(item: Evaluated, key: Key) -> bool:
    """Return whether `item` is of the table `key`; other recipes' conditions need not agree."""
    return item.key == key or (item.recipe != STANDARD_RECIPE and item.key[:3] == key[:3])


def scores_whole_or_prefix(cell: Evaluation) -> bool:
    """Return whether a cell scores a set of its method's own: a finished one, or a prefix.

    Snapshots are on the way to one; random subsets and sets without an image are nobody's.
    """
    return cell.step is None and (cell.part is None or cell.part.how == "prefix")


def conditions(settings: Mapping[str, Any]) -> str:
    """Return the settings that make accuracies differ, apart from recipe and network."""
    shown = [
        f"{name}={value if isinstance(value, str) else canonical_json(value)}"
        for name, value in sorted(settings.items())
        if name != "copies" and value is not None
    ]
    return ", ".join(shown)


def refuse_protocol(protocol: object, where: str) -> None:
    """Raise ValueError where `protocol` is not ours."""
    if protocol != PROTOCOL:
        raise ValueError(
            f"{where} has protocol {protocol}, this release reads protocol {PROTOCOL}; "
            + protocol_remedy(protocol)
        )


def _most_thorough(record: Record[Reference]) -> tuple[bool, int, int, int, str]:
    cell = record.cell
    return record.status == "done", cell.epochs, cell.copies, -cell.seed, cell.id


def _precedence(record: Record) -> tuple[int, str]:
    return ["done", "diverged", "oom", "failed"].index(record.status), record.sealed().sha256


def _runs(kept: Mapping[str, Record], asked: Mapping[str, Planned]) -> dict[str, TrialResult]:
    runs = {}
    for key in {**asked, **kept}:
        source = kept.get(key) or asked[key]
        if isinstance(source.cell, Trial):
            runs[key] = TrialResult(source.cell, source.label, kept.get(key))
    return runs


def _attach(
    runs: Mapping[str, TrialResult], kept: Mapping[str, Record], asked: Mapping[str, Planned]
) -> tuple[str, ...]:
    """Give each run its evaluations; return a warning for each that has none to go to."""
    warnings = []
    for key in sorted({**asked, **kept}):
        source = kept.get(key) or asked[key]
        cell = source.cell
        if not isinstance(cell, Evaluation) or cell.evaluator not in (EVALUATOR, *ROBUST):
            continue
        if not scores_whole_or_prefix(cell):
            continue  # its accuracy belongs to a curve
        if cell.trial not in runs:
            warnings.append(f"evaluation {key[:12]} of {source.label} left out: no trial {cell.trial[:12]}")
            continue
        run = runs[cell.trial]
        (run.evaluated if cell.evaluator == EVALUATOR else run.robust).append(
            _evaluated(cell, source, kept.get(key))
        )
    return tuple(warnings)


def _evaluated(cell: Evaluation, source: Record | Planned, record: Record | None) -> Evaluated:
    settings = dict(cell.settings)
    recipe, network = str(settings.pop("recipe", "")), str(settings.pop("network", ""))
    told = conditions(settings) if cell.evaluator == EVALUATOR else ""
    place = (source.task, source.ipc, network, told)
    own = str(settings.get("native_recipe", recipe))
    return Evaluated(cell.id, cell.trial, place, own, record, cell.evaluator, cell.settings)
