"""What a board says: tables of rows, joined from records. It only knows values, not their layout."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from suite.board.breakdown import Breakdown, breakdowns
from suite.board.dd_ranking import compare
from suite.board.join import Cells, Key, TrialResult, gather, in_table
from suite.board.ranks import Averages, averages, ranked
from suite.board.reported import STANDARD_NETWORK, Reported
from suite.board.rows import BoardRow, reference, row
from suite.board.statistics.robustness import Weights
from suite.records import test_audit
from suite.records.cells import PROTOCOL, STANDARD_RECIPE, canonical_json, differing_keys
from suite.records.jobs import Planned
from suite.records.record import Record

DEFAULT_WEIGHTS = Weights()


@dataclass(frozen=True)
class Table:
    """The rows that may be compared: one task, one size, one network, one way to retrain.

    conditions: settings of the evaluator besides recipe, network and copies, such as `epochs=50`.
    network: "" where nothing has been evaluated yet. reference: full data, None where not measured.
    """

    task: str
    ipc: int
    network: str
    conditions: str
    rows: tuple[BoardRow, ...]
    reference: BoardRow | None


@dataclass(frozen=True)
class Board:
    """All tables, and what is said once below them."""

    tables: tuple[Table, ...]
    averages: Averages = field(default_factory=Averages)
    breakdowns: tuple[Breakdown, ...] = ()
    versions: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    test_reads: tuple[int, ...] = ()  # distinct numbers of reads of test by an evaluation
    distillation_reads: tuple[int, ...] = ()  # the same by a distillation: (0,) when all is well
    warnings: tuple[str, ...] = ()
    protocol: int = PROTOCOL
    weights: Weights = field(default_factory=Weights)


def board(
    records: Iterable[Record],
    *,
    planned: Iterable[Planned] = (),
    reported: Sequence[Reported] = (),
    warnings: Sequence[str] = (),
    weights: Weights = DEFAULT_WEIGHTS,
) -> Board:
    """Join records, failures among them, into a board; the order of `records` does not matter.

    planned: cells that were asked for; those without a record make their rows incomplete.
    weights: of the scores that are made from stored accuracies.
    Raises ValueError on a record of another protocol version.
    """
    planned = tuple(planned)
    cells = gather(records, planned)
    names = _names(cells.runs)
    keys = sorted(_keys(cells), key=lambda key: (key[0], key[2] != STANDARD_NETWORK, key[2], key[3], key[1]))
    tables = tuple(_table(cells, key, names, reported, weights) for key in keys)
    return Board(
        tables=tables,
        averages=averages([table.rows for table in tables]),
        breakdowns=breakdowns(cells, planned, suffix=lambda run: names[_config(run)]),
        versions=_versions(cells.records),
        commits=tuple(sorted({record.provenance.commit for record in cells.records})),
        test_reads=test_audit.distinct_reads(cells.records, "evaluation"),
        distillation_reads=test_audit.distinct_reads(cells.records, "distillation"),
        warnings=(*warnings, *cells.warnings),
        weights=weights,
    )


_Config = tuple[str, str, str, int]  # task, label, canonical fields, size


def _keys(cells: Cells) -> set[Key]:
    standard = {item.key for item in cells.evaluated if item.recipe == STANDARD_RECIPE}
    with_standard = {key[:3] for key in standard}
    robust = [item for run in cells.runs for item in run.robust]
    elsewhere = [item for item in (*cells.evaluated, *robust) if item.key[:3] not in with_standard]
    other = {(*item.key[:3], "") for item in elsewhere}
    known = {key[:2] for key in standard | other}
    waiting = {(run.task, ipc, "", "") for run in cells.runs for ipc in run.sizes}
    return standard | other | {key for key in waiting if key[:2] not in known}


def _config(run: TrialResult) -> _Config:
    return run.task, run.label, canonical_json(run.fields), run.trial.ipc


def _names(runs: Iterable[TrialResult]) -> dict[_Config, str]:
    """Return what tells configurations of one label apart: the fields that differ at some size."""
    configs: dict[tuple[str, str], dict[int, dict[_Config, TrialResult]]] = {}
    for run in runs:
        sizes = configs.setdefault((run.task, run.label), {})
        sizes.setdefault(run.trial.ipc, {})[_config(run)] = run
    names = {}
    for sizes in configs.values():
        tables = ([run.fields for run in same.values()] for same in sizes.values())
        telling = sorted(set[str]().union(*map(differing_keys, tables)))
        for config, run in (pair for same in sizes.values() for pair in same.items()):
            shown = [f"{name}={_plain(run.fields[name])}" for name in telling if name in run.fields]
            names[config] = ", ".join(shown)
    return names


def _plain(value: object) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _table(
    cells: Cells, key: Key, names: Mapping[_Config, str], reported: Sequence[Reported], weights: Weights
) -> Table:
    task, ipc, network, conditions = key
    configs: dict[_Config, list[TrialResult]] = {}
    for run in cells.runs:
        if run.task == task and ipc in run.sizes:
            configs.setdefault(_config(run), []).append(run)
    full = reference(cells.references, key, reported)
    ceiling = full.accuracy if full else None
    rows = []
    for config, runs in configs.items():
        if _belongs(runs, key):
            made = row(runs, key, suffix=names[config], ceiling=ceiling, reported=reported)
            rows.append(replace(made, compared=compare(runs, key, cells, weights)))
    return Table(task, ipc, network, conditions, ranked(rows), full)


def _belongs(runs: Sequence[TrialResult], key: Key) -> bool:
    """Return whether a configuration is of this table: evaluated there, or not anywhere yet."""
    at_size = [item for run in runs for item in run.evaluated if item.key[1] == key[1]]
    return not at_size or any(in_table(item, key) for item in at_size)


def _versions(records: Iterable[Record]) -> tuple[str, ...]:
    found = {pair for record in records for pair in record.provenance.versions.items()}
    return tuple(f"{name} {version}" for name, version in sorted(found))
