"""Rows: the results of one configuration at one size, over its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from suite.board.cells import Evaluated, TableKey, TrialResult, full_data, in_table
from suite.board.columns.costs import Costs as Costs
from suite.board.columns.costs import costs, of_reference
from suite.board.columns.robustness import Robustness
from suite.board.reported import PaperFigures, Reported, figures
from suite.board.statistics.differences import Copies, Difference, PerSeed
from suite.board.statistics.intervals import Interval, interval
from suite.core.names import CORRECTED_RECIPES, counted
from suite.records.cells import EXTERNAL, STANDARD_RECIPE, SUBMITTED, Reference, canonical_json
from suite.records.jobs import Tuned
from suite.records.record import Record
from suite.records.submission import Submission

WORDS = {"diverged": "div.", "late": "late", "failed": "failed", "oom": "oom", "missing": "missing"}
"""The board's word for a cell without an accuracy."""

NOT_STANDARD = f"not under {STANDARD_RECIPE}"
"""The state of a row that has accuracies under other recipes only."""

CLAIMED = "claimed"
"""The state of a submission whose accuracy nobody has verified yet."""


class Code(NamedTuple):
    """What made a record, as far as figures may depend on it."""

    commit: str
    torch: str
    protocol: int


@dataclass(frozen=True)
class BoardRow:
    """One configuration of a method at one size, over its seeds; or the full-data reference.

    line: its line in the plot; ipc: images per class that are scored; size: of the whole set, of which they
    may be a prefix.
    rank: None if unranked, equal if tied; behind: the difference that decided the rank. state: "" if
    complete; late: seeds without a set within the budget, if nothing else is missing. scores: accuracy in
    [0, 1] per recipe, over the seeds that have one; copies: the same by seed; selected_recipes: per recipe,
    the recipes chosen by an evaluator. native: the method's native recipe; share: of the full-data accuracy.
    data: the fingerprint of its data; made_by: the code of its records.
    tuned: how its settings were chosen on the holdout, None if they were given.
    pictures: (seed, trial id), none of submissions. submission: what its authors handed in, None for other
    rows. seals: the sha256 of its records; signers: who signed all of them.
    """

    name: str
    label: str
    line: str
    method: str = ""
    hyperparameters: str = "{}"  # canonical JSON
    ipc: int = 0
    size: int = 0
    rank: int | None = None
    behind: Difference | None = None
    state: str = ""
    errors: tuple[str, ...] = ()
    late: tuple[int, ...] = ()
    scores: Mapping[str, Interval] = field(default_factory=dict)
    copies: Mapping[str, PerSeed] = field(default_factory=dict)
    selected_recipes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    native: str = ""
    share: float | None = None
    costs: Costs = field(default_factory=Costs)
    papers: PaperFigures = field(default_factory=PaperFigures)
    data: str = ""
    made_by: frozenset[Code] = frozenset()
    tuned: Tuned | None = None
    pictures: tuple[tuple[int, str], ...] = ()
    robustness: Robustness = field(default_factory=Robustness)
    submission: Submission | None = None
    seals: frozenset[str] = frozenset()
    signers: tuple[str, ...] = ()

    @property
    def external(self) -> bool:
        """Whether its set was read from a file, and not distilled here."""
        return self.method.startswith((EXTERNAL, SUBMITTED))

    @property
    def standing(self) -> str:
        """Whether a submission is `claimed` or `verified`; `run here` for every other row."""
        if self.submission is None:
            return "run here"
        return CLAIMED if self.state == CLAIMED else "verified"

    @property
    def accuracy(self) -> Interval | None:
        """The accuracy by which the board ranks; None if no seed has one."""
        return self.scores.get(STANDARD_RECIPE)

    @property
    def per_seed(self) -> PerSeed:
        """The accuracies by which the board ranks."""
        return self.copies.get(STANDARD_RECIPE, {})


def row(
    trials: Sequence[TrialResult],
    key: TableKey,
    *,
    suffix: str,
    ceiling: Interval | None,
    reported: Sequence[Reported],
    robustness: Robustness,
    submission: Submission | None = None,
) -> BoardRow:
    """Return the row of `trials`, one configuration over its seeds, in the table of `key`.

    suffix: distinguishes it from rows of the same label; ceiling: full-data accuracy, if measured.
    submission: the one that the trials verify.
    """
    trials = sorted(trials, key=lambda each: (each.trial.seed, each.trial.id))
    trial, label = trials[0].trial, trials[0].label
    by_recipe = [_by_recipe(each, key) for each in trials]
    outcomes = [_outcome(each, found) for each, found in zip(trials, by_recipe, strict=True)]
    copies = _copies(trials, by_recipe)
    scores = _intervals(copies)
    accuracy = scores.get(STANDARD_RECIPE)
    whole = key.ipc == trial.ipc
    prefixed = any(len(each.sizes) > 1 for each in trials)
    records = [each.record for each in trials if each.record]
    retrained = [item.record for found in by_recipe for item in found.values() if item.record]
    native = _native(trials, scores)
    natively = [found[native].record for found in by_recipe if native in found]
    return BoardRow(
        name=named(label, "" if whole else f"first {key.ipc} of {trial.ipc}", suffix),
        label=label,
        line=named(label, f"prefixes of {trial.ipc}" if prefixed else "", suffix),
        method=trial.method,
        hyperparameters=canonical_json(trial.hyperparameters),
        ipc=key.ipc,
        size=trial.ipc,
        state=_state([word for word, _ in outcomes]),
        errors=tuple(error for _, error in outcomes if error),
        late=_late(trials, [word for word, _ in outcomes]),
        scores=scores,
        copies=copies,
        selected_recipes=_selected_recipes(by_recipe),
        native=native,
        share=accuracy.mean / ceiling.mean if accuracy and ceiling and ceiling.mean else None,
        costs=costs(trial, records, [each for each in natively if each], key.ipc / trial.ipc),
        papers=figures(reported, key, label) if whole and not key.within else PaperFigures(),
        data=next((record.data for record in records if record.data), ""),
        made_by=frozenset(map(_code, [*records, *retrained])),
        tuned=trials[0].tuned,
        pictures=tuple(
            (each.trial.seed, each.trial.id)
            for each in trials
            if each.made and each.finished and whole and not submission
        ),
        robustness=robustness,
        submission=submission,
        seals=frozenset(each.sha256 for each in [*records, *retrained]),
    )


def reference(
    records: Sequence[Record[Reference]], key: TableKey, reported: Sequence[Reported]
) -> BoardRow | None:
    """Return the row of full-data training on the task and network of `key`; None if not measured."""
    best = full_data(records, key)
    if not best:
        return None
    main = best.get(STANDARD_RECIPE) or best[min(best)]
    copies = {
        recipe: {record.cell.seed: Copies(record.cell.seed, values)}
        for recipe, record in best.items()
        if (values := record.scores.get("accuracy"))
    }
    papers = figures(reported, key._replace(ipc=0), "full_data")
    return BoardRow(
        name=f"full data ({main.cell.epochs} epochs)",
        label="full data",
        line="full data",
        state="" if main.status == "done" else WORDS[main.status],
        errors=tuple(sorted({_brief(record.error) for record in best.values() if record.error})),
        scores=_intervals(copies),
        copies=copies,
        costs=of_reference(main),
        papers=PaperFigures(papers.same_network),
        made_by=frozenset(map(_code, best.values())),
        seals=frozenset(each.sha256 for each in best.values()),
    )


def named(label: str, *parts: str) -> str:
    """Return `label (part, part)` without empty parts."""
    inside = ", ".join(part for part in parts if part)
    return f"{label} ({inside})" if inside else label


def _native(trials: Sequence[TrialResult], scores: Mapping[str, Interval]) -> str:
    """Return the native recipe of the trials, or the one that corrects it if the row was scored by that."""
    recorded = next((name for each in _made(trials) if (name := each.native_recipe)), "")
    corrected, _ = CORRECTED_RECIPES.get(recorded, (recorded, ""))
    return corrected if corrected in scores else recorded


def _by_recipe(trial: TrialResult, key: TableKey) -> dict[str, Evaluated]:
    """Return one evaluation per recipe: those under the table's conditions first, then most copies."""
    fitting = [item for item in trial.retrained if in_table(item, key)]
    fitting.sort(key=lambda item: (item.key == key, len(item.accuracy), item.cell.id))
    return {item.recipe: item for item in fitting}  # the last evaluation of a recipe stays


def _selected_recipes(by_recipe: Sequence[Mapping[str, Evaluated]]) -> dict[str, tuple[str, ...]]:
    """Return the recipes chosen over the seeds, for each recipe that is a choice."""
    found: dict[str, set[str]] = {}
    for recipe, item in (pair for each in by_recipe for pair in each.items()):
        if item.selected_recipe:
            found.setdefault(recipe, set()).add(item.selected_recipe)
    return {recipe: tuple(sorted(names)) for recipe, names in found.items()}


def _copies(
    trials: Sequence[TrialResult], by_recipe: Sequence[Mapping[str, Evaluated]]
) -> dict[str, dict[int, Copies]]:
    """Return the accuracies of each seed that has some, under each recipe."""
    found: dict[str, dict[int, Copies]] = {}
    for each, items in zip(trials, by_recipe, strict=True):
        for recipe, item in items.items():
            if item.accuracy:
                found.setdefault(recipe, {})[each.trial.seed] = Copies(item.cell.seed, item.accuracy)
    return found


def _intervals(copies: Mapping[str, PerSeed]) -> dict[str, Interval]:
    return {recipe: interval([each.values for each in copies[recipe].values()]) for recipe in sorted(copies)}


def _made(trials: Sequence[TrialResult]) -> Sequence[TrialResult]:
    """Return the trials whose sets exist, or all trials if none does."""
    return [trial for trial in trials if trial.made] or trials


def _outcome(trial: TrialResult, found: Mapping[str, Evaluated]) -> tuple[str, str]:
    """Return a seed's state, "" if it has an accuracy, and its error."""
    standard = found.get(STANDARD_RECIPE)
    if standard and standard.accuracy:
        return "", ""
    if standard is None and any(item.accuracy for item in found.values()):
        return NOT_STANDARD, ""
    record = trial.record
    if standard and standard.record and (record is None or record.status == "done"):
        record = standard.record
    word = WORDS.get(record.status, "missing") if record else "missing"
    error = _brief(record.error) if record else ""
    return word, f"seed {trial.trial.seed}, {word}: {error}" if error else ""


def _late(trials: Sequence[TrialResult], words: Sequence[str]) -> tuple[int, ...]:
    """Return the seeds that were late, if all others have an accuracy."""
    late = WORDS["late"]
    found = (each.trial.seed for each, word in zip(trials, words, strict=True) if word == late)
    return tuple(found) if {*words} <= {"", late} else ()


def _state(words: Sequence[str]) -> str:
    wrong = sorted({word for word in words if word})
    if not wrong:
        return ""
    if len(wrong) == 1 and all(words) and wrong != ["missing"]:
        return wrong[0]
    reasons = ", ".join(word for word in wrong if word != "missing")
    count = f"incomplete: {words.count('')} of {counted(len(words), 'seed')}"
    return f"{count} ({reasons})" if reasons else count


def _brief(error: str) -> str:
    """Return an error as one short line."""
    return " ".join(error.split())[:300]


def _code(record: Record) -> Code:
    made = record.provenance
    return Code(made.commit, made.versions.get("torch", ""), record.measured_under)
