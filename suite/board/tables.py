"""The board: tables of rows, made from records; `render` formats them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from suite.board.breakdown import Breakdown, breakdowns
from suite.board.cells import (
    RANKED,
    Cells,
    Configuration,
    TableKey,
    TrialResult,
    Within,
    in_table,
    settings_text,
)
from suite.board.columns.robustness import robustness
from suite.board.dd_ranking import DEFAULT_WEIGHTS, Weights
from suite.board.join import join
from suite.board.ranks import Averages, averages, ranked
from suite.board.reported import Reported
from suite.board.rows import CLAIMED, BoardRow, reference, row
from suite.board.statistics.intervals import Interval
from suite.core.names import STANDARD_NETWORK
from suite.records import test_audit
from suite.records.cells import PROTOCOL, RETRAIN, STANDARD_RECIPE, differing_keys
from suite.records.jobs import Planned
from suite.records.record import Record
from suite.records.submission import Submission


@dataclass(frozen=True)
class Table:
    """Comparable rows: one task, size and network, and the same conditions.

    conditions, within: the budget, and the evaluator's settings except recipe, network and copies, as in
    `TableKey`.
    network: "" if nothing has been evaluated yet. reference: full data, None if not measured.
    """

    task: str
    ipc: int
    network: str
    conditions: str
    rows: tuple[BoardRow, ...]
    reference: BoardRow | None
    within: Within | None = None

    @property
    def key(self) -> TableKey:
        """What its rows have in common."""
        return TableKey(self.task, self.ipc, self.network, self.conditions, self.within)

    @property
    def ranked(self) -> list[tuple[BoardRow, Interval]]:
        """The ranked rows with their accuracies, best first."""
        return [(row, row.accuracy) for row in self.rows if row.rank is not None and row.accuracy]

    @property
    def everyone(self) -> tuple[BoardRow, ...]:
        """The rows, then the reference."""
        return (*self.rows, self.reference) if self.reference else self.rows


@dataclass(frozen=True)
class MethodTitle:
    """The title and the paper of a row's method."""

    label: str
    title: str
    paper: str


@dataclass(frozen=True)
class Board:
    """All tables, and the facts shown once below them."""

    tables: tuple[Table, ...]
    averages: Averages
    breakdowns: tuple[Breakdown, ...]
    methods: tuple[MethodTitle, ...]
    versions: tuple[str, ...]
    commits: tuple[str, ...]
    test_reads: tuple[int, ...]  # distinct numbers of test reads per evaluation
    distillation_reads: tuple[int, ...]  # the same per distillation: (0,) if correct
    migrated: int  # records that were measured under an earlier protocol
    warnings: tuple[str, ...]
    mixed: tuple[str, ...]  # a line for each task with records of several data
    cells: Cells  # what it was made from
    weights: Weights
    protocol: int = PROTOCOL


def board(
    records: Iterable[Record],
    *,
    planned: Iterable[Planned] = (),
    submissions: Iterable[Submission] = (),
    reported: Sequence[Reported] = (),
    warnings: Sequence[str] = (),
    weights: Weights = DEFAULT_WEIGHTS,
) -> Board:
    """Join records, including failures, into a board; the order of `records` does not matter.

    planned: cells of the grids; a cell without a record makes its row incomplete. submissions: what was
    handed in; one without records of a verification is only claimed. weights: of LRS and ARS.
    Raises ValueError for a record of another protocol.
    """
    cells = join(records, planned)
    suffixes = _suffixes(cells.trials)
    handed_in = {(each.label, each.sha256): each for each in submissions}
    verified = {(each.trial.method, each.trial.source) for each in cells.trials}
    claims = [each for key, each in handed_in.items() if key not in verified]
    keys = sorted(_keys(cells) | set(map(_claimed_key, claims)), key=_order)
    places = _places(cells.trials)
    tables = tuple(_table(cells, key, places, suffixes, reported, weights, handed_in, claims) for key in keys)
    return Board(
        tables=tables,
        averages=averages([table.rows for table in tables if not table.within]),
        breakdowns=breakdowns(cells, suffix=lambda trial: suffixes[trial.configuration]),
        methods=_methods(cells.records, claims),
        versions=_versions(cells.records),
        commits=tuple(sorted({record.provenance.commit for record in cells.records})),
        test_reads=test_audit.distinct_reads(cells.records, "evaluation"),
        distillation_reads=test_audit.distinct_reads(cells.records, "distillation"),
        migrated=sum(record.measured_under != PROTOCOL for record in cells.records),
        warnings=(*warnings, *cells.warnings),
        mixed=cells.mixed,
        cells=cells,
        weights=weights,
    )


def _keys(cells: Cells) -> set[TableKey]:
    """Return the tables of evaluations by the standard recipe, else by others, else of planned cells."""
    items = [item for trial in cells.trials for item in trial.by(*RANKED)]
    standard = {
        item.key for item in items if item.cell.evaluator == RETRAIN and item.recipe == STANDARD_RECIPE
    }
    places = {key.place for key in standard}
    other = {
        item.key._replace(conditions=str(item.key.within or ""))
        for item in items
        if item.key.place not in places
    }
    known = {(key.task, key.ipc, key.within) for key in standard | other}
    waiting = {
        (each.task, ipc, each.within) for each in cells.trials if _in_leaderboard(each) for ipc in each.sizes
    }
    empty = {TableKey(task, ipc, "", "", within).place for task, ipc, within in waiting - known}
    return standard | other | empty


def _order(key: TableKey) -> tuple[object, ...]:
    """Return a key by which tables are sorted: those of a task and network by budget, conditions and size."""
    return key.task, key.network != STANDARD_NETWORK, key.network, key.within or (), key.conditions, key.ipc


def _in_leaderboard(trial: TrialResult) -> bool:
    """Return whether a trial has a row; it has none if only evaluators with separate tables scored it."""
    return bool(trial.by(*RANKED)) or not any(item.done for item in trial.evaluations)


def _places(
    trials: Iterable[TrialResult],
) -> dict[tuple[str, int], dict[Configuration, list[TrialResult]]]:
    """Return the trials with a set, or a scored prefix, of a task and size, by configuration."""
    found: dict[tuple[str, int], dict[Configuration, list[TrialResult]]] = {}
    for each in trials:
        for ipc in each.sizes:
            found.setdefault((each.task, ipc), {}).setdefault(each.configuration, []).append(each)
    return found


def _suffixes(trials: Iterable[TrialResult]) -> dict[Configuration, str]:
    """Return text that distinguishes configurations of one label: the fields that differ at some size.

    Those with a budget are in other tables than those without one.
    """
    labels: dict[tuple[str, str, bool], dict[int, dict[Configuration, TrialResult]]] = {}
    for trial in trials:
        sizes = labels.setdefault((trial.task, trial.label, trial.within is None), {})
        sizes.setdefault(trial.trial.ipc, {})[trial.configuration] = trial
    suffixes = {}
    for sizes in labels.values():
        tables = ([each.trial.fields for each in same.values()] for same in sizes.values())
        telling = sorted(set[str]().union(*map(differing_keys, tables)))
        for configuration, each in (pair for same in sizes.values() for pair in same.items()):
            own = each.trial.fields
            suffixes[configuration] = settings_text({name: own[name] for name in telling if name in own})
    return suffixes


def _table(
    cells: Cells,
    key: TableKey,
    places: Mapping[tuple[str, int], Mapping[Configuration, Sequence[TrialResult]]],
    suffixes: Mapping[Configuration, str],
    reported: Sequence[Reported],
    weights: Weights,
    handed_in: Mapping[tuple[str, str], Submission],
    claims: Iterable[Submission],
) -> Table:
    full = reference(cells.references, key, reported)
    rows = [
        row(
            trials,
            key,
            suffix=suffixes[configuration],
            ceiling=full.accuracy if full else None,
            reported=reported,
            robustness=robustness(trials, key, cells, weights),
            submission=handed_in.get((trials[0].trial.method, trials[0].trial.source)),
        )
        for configuration, trials in places.get((key.task, key.ipc), {}).items()
        if trials[0].within == key.within and _belongs(trials, key)
    ]
    rows += [_claimed(each) for each in claims if _claimed_key(each) == key]
    return Table(*key[:4], rows=ranked(rows), reference=full, within=key.within)


def _belongs(trials: Sequence[TrialResult], key: TableKey) -> bool:
    """Return whether a configuration is in this table: evaluated there, or nowhere yet."""
    at_size = [item for trial in trials for item in trial.retrained if item.key.ipc == key.ipc]
    if at_size:
        return any(in_table(item, key) for item in at_size)
    return any(map(_in_leaderboard, trials))


def _claimed_key(submission: Submission) -> TableKey:
    """Return the table of a submission that is not verified."""
    return TableKey(submission.task, submission.ipc, submission.claim.network, "")


def _claimed(submission: Submission) -> BoardRow:
    """Return the row of a submission that is not verified: its claim, which has no rank."""
    claim, label = submission.claim, submission.label
    low, high = (claim.accuracy if end is None else end for end in (claim.low, claim.high))
    found = Interval(claim.accuracy, low, high, 1, (claim.copies if claim.measured else 1,))
    return BoardRow(
        name=label,
        label=label,
        line=label,
        method=label,
        ipc=submission.ipc,
        size=submission.ipc,
        state=CLAIMED,
        scores={claim.recipe: found},
        submission=submission,
        seals=frozenset({submission.sha256}),
    )


def _methods(records: Iterable[Record], claims: Iterable[Submission]) -> tuple[MethodTitle, ...]:
    """Return the title and the paper of each label, if its trials have them, and of submissions."""
    found = {MethodTitle(each.label, each.method_title, each.paper) for each in records if each.method_title}
    found |= {MethodTitle(each.label, each.title, each.paper) for each in claims}
    return tuple(sorted(found, key=lambda each: (each.label, each.title, each.paper)))


def _versions(records: Iterable[Record]) -> tuple[str, ...]:
    found = {pair for record in records for pair in record.provenance.versions.items()}
    return tuple(f"{name} {version}" for name, version in sorted(found))
