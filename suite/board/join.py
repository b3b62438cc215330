"""Join cells by trial: each distillation with its evaluations, each once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from suite.board.cells import RANKED, Cells, Evaluated, TableKey, TrialResult, Within, settings_text
from suite.board.columns.costs import device_class
from suite.records.cells import PROTOCOL, RETRAIN, Evaluation, Reference, Trial, protocol_remedy
from suite.records.datasets import tell_apart
from suite.records.jobs import Planned, Tuned
from suite.records.record import Record, is_of
from suite.records.test_audit import drop_overread

_Key = tuple[str, str]  # a cell's id, and its task's name, which tells its data
_Spent = tuple[str, str, float | None]  # the key of a trial, and a budget that it has before its last one


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
    tuned = {(each.cell.id, each.task): each.tuned for each in waiting if each.tuned}
    sources |= {(record.cell.id, record.task): record for record in valid}
    sources = {key: sources[key] for key in sorted(sources)}
    trials = _trials(sources, tuned)
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


def refuse_protocol(protocol: object, where: str) -> None:
    """Raise ValueError if `protocol` is not the protocol of this release."""
    if protocol != PROTOCOL:
        raise ValueError(
            f"{where} has protocol {protocol}, this release reads protocol {PROTOCOL}; "
            + protocol_remedy(protocol)
        )


def _record(source: Record | Planned) -> Record | None:
    return source if isinstance(source, Record) else None


def _precedence(record: Record) -> int:
    return ["done", "diverged", "late", "oom", "failed"].index(record.status)


def _trials(
    sources: Mapping[_Key, Record | Planned], tuned: Mapping[_Key, Tuned]
) -> dict[_Spent, TrialResult]:
    """Return each trial, and once more for each budget that it has before its last one."""
    cells = [(task, source.cell) for (_, task), source in sources.items()]
    budgets: dict[_Key, set[float]] = {}
    for task, cell in cells:
        if isinstance(cell, Evaluation) and cell.device_seconds is not None:
            budgets.setdefault((cell.trial, task), set()).add(cell.device_seconds)
    trials = [(key, source) for key, source in sources.items() if isinstance(source.cell, Trial)]
    known = {task: device_class([record]) for (_, task), each in trials if (record := _record(each))}
    found: dict[_Spent, TrialResult] = {}
    for key, source in trials:
        cell, record = source.cell, _record(source)
        assert isinstance(cell, Trial)
        device = device_class([record]) if record else known.get(key[1], "")
        for budget in (None, *sorted(budgets.get(key, ()))):
            at = cell.device_seconds if budget is None else budget
            spent = record.within(at) if record and at else record
            within = Within(at, device) if at else None
            chosen = tuned.get((cell.anywhere, key[1]))
            found[*key, budget] = TrialResult(cell, source.task, source.label, spent, within, tuned=chosen)
    return found


def _attach(trials: Mapping[_Spent, TrialResult], sources: Mapping[_Key, Record | Planned]) -> list[str]:
    """Add evaluations of sets and prefixes to their trials; return a warning for each without a trial.

    Evaluations of snapshots after some steps, random subsets and sets without an image are used in figures
    only.
    """
    warnings = []
    for (key, task), source in sources.items():
        cell = source.cell
        if (
            not isinstance(cell, Evaluation)
            or cell.step is not None
            or (cell.part and cell.part.how != "prefix")
        ):
            continue
        trial = trials.get((cell.trial, task, cell.device_seconds))
        if trial and _scored_another(_record(source), trial.record):
            warnings.append(
                f"evaluation {key[:12]} of {source.label} left out: it scored another set than the one that "
                f"trial {cell.trial[:12]} records"
            )
        elif trial:
            trial.evaluations.append(Evaluated(cell, _key(cell, source, trial.within), _record(source)))
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
        sources.setdefault(item.cell.recipe, set()).add(item.cell.source)
    several = {name for name, found in sources.items() if len(found) > 1}
    for trial in trials:
        trial.evaluations = [
            replace(item, version=item.cell.source[:12]) if item.cell.recipe in several else item
            for item in trial.evaluations
        ]


def _key(cell: Evaluation, source: Record | Planned, within: Within | None) -> TableKey:
    """Return an evaluation's table. In the leaderboard, recipes are columns."""
    aside = {"network", "copies", *(["recipe"] if cell.evaluator == RETRAIN else [])}
    settings = sorted(cell.settings.items())
    told = {name: value for name, value in settings if name not in aside and value is not None}
    told |= {"source": cell.source[:12]} if cell.source else {}  # an edited file is another evaluator
    conditions = ", ".join(filter(None, (str(within or ""), settings_text(told))))
    return TableKey(source.task, source.ipc, str(cell.settings.get("network", "")), conditions, within)
