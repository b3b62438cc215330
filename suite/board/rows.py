"""Rows: one configuration's runs at one size made into what a table shows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suite.board.dd_ranking import Compared
from suite.board.join import Evaluated, Key, TrialResult, full_data, in_table
from suite.board.reported import Reported, elsewhere, select
from suite.board.statistics.differences import Copies, Difference, Scored
from suite.board.statistics.intervals import Interval, interval
from suite.records.cells import EXTERNAL, STANDARD_RECIPE, Reference, canonical_json
from suite.records.record import Record

WORDS = {"diverged": "div.", "failed": "failed", "oom": "oom", "missing": "missing"}
"""What the board writes for a cell that gave no accuracy."""

NOT_STANDARD = f"not under {STANDARD_RECIPE}"
"""The state of a row that was only evaluated under other recipes."""


@dataclass(frozen=True)
class BoardRow:
    """One configuration of a method at one size, over its seeds; or the full-data reference.

    scores: accuracy in [0, 1] per recipe, of the seeds that have one; scored: those by which it
    ranks, copy by copy. chosen: per recipe what the holdout chose, where it did. rank: None where
    unranked, equal where tied; behind: the difference that decided it. state: "" when complete.
    decoded: images per class that a factorised set decodes to, else 0.
    native: the method's own recipe. device_seconds: mean of a distillation run. pictures: (seed, trial id).
    """

    name: str
    label: str
    line: str  # which line of the plot it belongs to
    method: str = ""
    hyperparameters: str = "{}"  # canonical JSON
    size: int = 0  # images per class of the distilled set, of which the row may score a prefix
    rank: int | None = None
    behind: Difference | None = None
    state: str = ""
    errors: tuple[str, ...] = ()
    scores: Mapping[str, Interval] = field(default_factory=dict)
    scored: Scored = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    native: str = ""
    share: float | None = None  # of full-data accuracy; None without a reference
    device_seconds: float = 0.0
    peak_memory_bytes: int = 0
    stored_bytes: int = 0
    decoded: int = 0
    label_kind: str = ""
    devices: tuple[str, ...] = ()
    reported: tuple[Reported, ...] = ()
    elsewhere: tuple[Reported, ...] = ()  # on other networks
    pictures: tuple[tuple[int, str], ...] = ()
    compared: Compared = field(default_factory=Compared)  # with random subsets and full data

    @property
    def external(self) -> bool:
        """Whether its set came from a file: nothing was distilled here."""
        return self.method.startswith(EXTERNAL)

    @property
    def accuracy(self) -> Interval | None:
        """The accuracy by which the board ranks; None where no seed has one."""
        return self.scores.get(STANDARD_RECIPE)


def row(
    runs: Sequence[TrialResult],
    key: Key,
    *,
    suffix: str,
    ceiling: Interval | None,
    reported: Sequence[Reported],
) -> BoardRow:
    """Return the row of `runs`, one configuration over its seeds, in the table of `key`.

    suffix: what tells it from others of its label; ceiling: full-data accuracy, where measured.
    """
    runs = sorted(runs, key=lambda run: (run.trial.seed, run.trial.id))
    task, ipc, network, _ = key
    trial, label = runs[0].trial, runs[0].label
    chosen = [_chosen(run, key) for run in runs]
    outcomes = [_outcome(run, found) for run, found in zip(runs, chosen, strict=True)]
    scores = _scores(chosen)
    accuracy = scores.get(STANDARD_RECIPE)
    whole = ipc == trial.ipc
    printed = reported if whole else ()
    prefixed = any(len(run.sizes) > 1 for run in runs)
    return BoardRow(
        name=named(label, "" if whole else f"first {ipc} of {trial.ipc}", suffix),
        label=label,
        line=named(label, f"prefixes of {trial.ipc}" if prefixed else "", suffix),
        method=trial.method,
        hyperparameters=canonical_json(trial.hyperparameters),
        size=trial.ipc,
        state=_state([word for word, _ in outcomes]),
        errors=tuple(error for _, error in outcomes if error),
        scores=scores,
        scored=_scored(runs, chosen),
        chosen=_choices(chosen),
        share=accuracy.mean / ceiling.mean if accuracy and ceiling and ceiling.mean else None,
        reported=select(printed, task=task, method=label, ipc=ipc, network=network),
        elsewhere=elsewhere(printed, task=task, method=label, ipc=ipc, network=network),
        pictures=tuple((run.trial.seed, run.trial.id) for run in runs if run.made and whole),
        **_costs(runs, ipc / trial.ipc),
    )


def reference(
    records: Sequence[Record[Reference]], key: Key, reported: Sequence[Reported]
) -> BoardRow | None:
    """Return the row of full-data training on the task and network of `key`; None where not measured."""
    task, _, network, _ = key
    best = full_data(records, key)
    if not best:
        return None
    main = best.get(STANDARD_RECIPE) or best[min(best)]
    cell, kept = main.cell, list(best.values())
    accuracies = {recipe: record.scores.get("accuracy", ()) for recipe, record in best.items()}
    return BoardRow(
        name=f"full data ({cell.epochs} epochs)",
        label="full data",
        line="full data",
        state="" if main.status == "done" else WORDS[main.status],
        errors=tuple(sorted({" ".join(r.error.split())[:300] for r in kept if r.error})),
        scores={recipe: interval([values]) for recipe, values in sorted(accuracies.items()) if values},
        device_seconds=main.device_seconds,
        peak_memory_bytes=main.peak_memory_bytes,
        devices=(_device(main),),
        reported=select(reported, task=task, method="full_data", ipc=0, network=network),
    )


def named(label: str, *parts: str) -> str:
    """Return `label (part, part)`, without those that are empty."""
    inside = ", ".join(part for part in parts if part)
    return f"{label} ({inside})" if inside else label


def _scores(chosen: Sequence[Mapping[str, Evaluated]]) -> dict[str, Interval]:
    """Return per recipe the interval over the seeds that have an accuracy."""
    groups: dict[str, list[tuple[float, ...]]] = {}
    for found in chosen:
        for recipe, item in found.items():
            if item.accuracy:
                groups.setdefault(recipe, []).append(item.accuracy)
    return {recipe: interval(groups[recipe]) for recipe in sorted(groups)}


def _choices(chosen: Sequence[Mapping[str, Evaluated]]) -> dict[str, tuple[str, ...]]:
    """Return what the seeds chose, per recipe that leaves it to the holdout."""
    pairs = {(recipe, item.chosen) for found in chosen for recipe, item in found.items() if item.chosen}
    recipes = {recipe for recipe, _ in pairs}
    return {recipe: tuple(sorted(name for of, name in pairs if of == recipe)) for recipe in recipes}


def _scored(runs: Sequence[TrialResult], chosen: Sequence[Mapping[str, Evaluated]]) -> Scored:
    """Return what each seed scored under the recipe by which the board ranks."""
    standard = [(run.trial.seed, found.get(STANDARD_RECIPE)) for run, found in zip(runs, chosen, strict=True)]
    return {
        seed: Copies(item.record.cell.seed, item.accuracy)
        for seed, item in standard
        if item and item.record and item.accuracy
    }


def _costs(runs: Sequence[TrialResult], part: float) -> dict[str, Any]:
    """Return the fields of a row that come from its trials' records; part: prefix over whole."""
    records = [run.record for run in runs if run.record]
    made = [record for record in records if record.status == "done"]
    return {
        "native": next((record.recipe for record in made or records if record.recipe), ""),
        "device_seconds": sum(record.device_seconds for record in made) / max(1, len(made)),
        "peak_memory_bytes": max((record.peak_memory_bytes for record in made or records), default=0),
        "decoded": max((record.decoded for record in made), default=0),
        "stored_bytes": round(part * max((record.stored_bytes for record in made), default=0)),
        "label_kind": next((record.label_kind for record in made), ""),
        "devices": tuple(sorted({_device(record) for record in made or records})),
    }


def _chosen(run: TrialResult, key: Key) -> dict[str, Evaluated]:
    """Return for each recipe the evaluation that counts: of these conditions, then of most copies."""
    fitting = [item for item in run.evaluated if in_table(item, key)]
    fitting.sort(key=lambda item: (item.key == key, len(item.accuracy), item.id))
    return {item.recipe: item for item in fitting}  # the last of a recipe wins


def _outcome(run: TrialResult, found: Mapping[str, Evaluated]) -> tuple[str, str]:
    """Return a seed's word, "" when it has its accuracy, and its error."""
    standard = found.get(STANDARD_RECIPE)
    if standard and standard.accuracy:
        return "", ""
    if standard is None and any(item.accuracy for item in found.values()):
        return NOT_STANDARD, ""
    record = run.record
    if standard and standard.record and (record is None or record.status == "done"):
        record = standard.record
    word = WORDS.get(record.status, "missing") if record else "missing"
    text = " ".join(record.error.split()) if record else ""
    return word, f"seed {run.trial.seed}, {word}: {text[:300]}" if text else ""


def _state(words: Sequence[str]) -> str:
    wrong = sorted({word for word in words if word})
    if not wrong:
        return ""
    if len(wrong) == 1 and all(words) and wrong != ["missing"]:
        return wrong[0]
    reasons = ", ".join(word for word in wrong if word != "missing")
    count = f"incomplete: {words.count('')} of {len(words)} seed" + "s" * (len(words) != 1)
    return f"{count} ({reasons})" if reasons else count


def _device(record: Record) -> str:
    threads = record.provenance.threads
    return f"{record.provenance.device}, {threads} thread" + "s" * (threads != 1)
