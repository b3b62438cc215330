"""A row against its references: which stored accuracies IOR, HLR, LRS and ARS are made of.

An accuracy counts wherever it was measured: a set with hard labels whose own recipe is the standard
one has in `retrain` all that `label_robust` would train again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from suite.board.join import ROBUST, Cells, Evaluated, Key, TrialResult, full_data, in_table
from suite.board.statistics.differences import Copies, Difference, Scored, difference
from suite.board.statistics.intervals import Interval, interval
from suite.board.statistics.robustness import Weights, augmentation_robust, label_robust
from suite.records.cells import RANDOM, STANDARD_RECIPE

LABEL, AUGMENTATION = ROBUST
"""The evaluators that train what `retrain` does not."""

_APART = -1  # the seed of what is nobody's distillation


@dataclass(frozen=True)
class Compared:
    """What a row was compared with.

    own: the recipe of its method; accuracies: by what was trained, see `PARTS`; scores: IOR and HLR
    as differences, LRS and ARS from 0 to 1; missing: why a score is not there; asked: evaluators of
    `LABEL` and `AUGMENTATION` that were; remarks: what its numbers lack.
    """

    own: str = ""
    accuracies: Mapping[str, Interval] = field(default_factory=dict)
    scores: Mapping[str, Difference] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


PARTS = (
    *("own", "random", "hard", "full"),
    *("augmented", "random_augmented", "plain", "random_plain"),
)
"""What accuracies are of: own recipe, random subsets under it, hard labels, full data; then the set and
random subsets with augmentation, and without."""

SCORES = {
    "ior": ("own", "random"),
    "hlr": ("full", "hard"),
    "lrs": ("own", "random", "hard", "full"),
    "ars": ("augmented", "random_augmented", "plain", "random_plain"),
}
"""What each score is made of."""


@dataclass(frozen=True)
class _Training:
    """augment: what takes the place of the recipe's own; "" for nothing."""

    recipe: str
    hard: bool
    augment: str = ""


def compare(runs: Sequence[TrialResult], key: Key, cells: Cells, weights: Weights) -> Compared:
    """Compare one configuration over its seeds with the references in the table of `key`."""
    subsets = _subsets(cells, key)
    own = _setting(runs, key, LABEL, "native_recipe", _native(runs))
    hard = _setting(runs, key, LABEL, "recipe", STANDARD_RECIPE)
    augment = _setting(runs, key, AUGMENTATION, "augment", "dsa")
    scored = _parts(runs, subsets, key, own, hard, augment)
    if values := _full(cells, key, hard):
        scored["full"] = {_APART: Copies(_APART, values)}
    scored = {part: of for part, of in scored.items() if of}
    reasons = _reasons(runs, subsets, key, own, hard, augment)
    absent = {score: [part for part in parts if part not in scored] for score, parts in SCORES.items()}
    return Compared(
        own=own,
        accuracies={part: interval(_groups(of)) for part, of in scored.items()},
        scores={score: _score(score, scored, weights) for score, parts in absent.items() if not parts},
        missing={score: _joined(reasons, parts) for score, parts in absent.items() if parts},
        asked=frozenset(item.evaluator for run in runs for item in _robust(run, key)),
        remarks=tuple(_remarks(runs, scored)),
    )


def _native(runs: Sequence[TrialResult]) -> str:
    return next((run.record.recipe for run in runs if run.record and run.record.recipe), "")


def _setting(runs: Sequence[TrialResult], key: Key, evaluator: str, name: str, default: str) -> str:
    """Return with what an evaluator was asked for: `default` if that is among it, or nothing is."""
    items = [item for run in runs for item in _robust(run, key) if item.evaluator == evaluator]
    found = {str(item.settings[name]) for item in items}
    return default if default in found or not found else min(found)


def _robust(run: TrialResult, key: Key) -> list[Evaluated]:
    return [item for item in run.robust if item.key[:3] == key[:3]]


def _subsets(cells: Cells, key: Key) -> list[TrialResult]:
    return [run for run in cells.runs if (run.trial.method, run.task, run.trial.ipc) == (RANDOM, *key[:2])]


def _parts(
    runs: Sequence[TrialResult], subsets: Sequence[TrialResult], key: Key, own: str, hard: str, augment: str
) -> dict[str, Scored]:
    """Return the accuracies of the row, and of random subsets, by what was trained."""
    as_it_is = not any(run.soft for run in runs)
    wanted = {
        "own": (runs, _Training(own, as_it_is)),
        "random": (subsets, _Training(own, True)),
        "hard": (runs, _Training(hard, True)),
        "augmented": (runs, _Training(own, as_it_is, augment)),
        "random_augmented": (subsets, _Training(own, True, augment)),
        "plain": (runs, _Training(own, as_it_is, "none")),
        "random_plain": (subsets, _Training(own, True, "none")),
    }
    return {part: _scored(of, key, training) for part, (of, training) in wanted.items()}


def _scored(runs: Sequence[TrialResult], key: Key, training: _Training) -> Scored:
    """Return by seed the accuracies of one training: of several measurements that of most copies."""
    found: dict[int, Copies] = {}
    for run in runs:
        for item in [*(item for item in run.evaluated if in_table(item, key)), *_robust(run, key)]:
            for what, copies in _trained(run, item):
                known = found.get(run.trial.seed)
                if what == training and (known is None or len(known.values) < len(copies.values)):
                    found[run.trial.seed] = copies
    return found


def _trained(run: TrialResult, item: Evaluated) -> Iterator[tuple[_Training, Copies]]:
    """Yield what an evaluation trained, with its accuracies; nothing where it is not done."""
    if item.record is None or item.record.status != "done":
        return
    names = {"accuracy": _Training(item.recipe, not run.soft)}
    if item.evaluator == LABEL:
        names["hard"] = _Training(str(item.settings["recipe"]), True)
    if item.evaluator == AUGMENTATION:
        names["accuracy"] = _Training(item.recipe, not run.soft, str(item.settings["augment"]))
        names["plain"] = _Training(item.recipe, not run.soft, "none")
    for name, training in names.items():
        if values := item.record.scores.get(name):
            yield training, Copies(item.record.cell.seed, values)


def _full(cells: Cells, key: Key, recipe: str) -> tuple[float, ...]:
    record = full_data(cells.references, key).get(recipe)
    return record.scores.get("accuracy", ()) if record and record.status == "done" else ()


def _groups(scored: Scored) -> list[tuple[float, ...]]:
    return [scored[seed].values for seed in sorted(scored)]


def _score(score: str, scored: Mapping[str, Scored], weights: Weights) -> Difference:
    parts = [scored[part] for part in SCORES[score]]
    if score == "lrs":
        return label_robust(*parts, weight=weights.label)
    if score == "ars":
        return augmentation_robust(*parts, weight=weights.augmentation)
    return difference(*parts)


def _reasons(
    runs: Sequence[TrialResult], subsets: Sequence[TrialResult], key: Key, own: str, hard: str, augment: str
) -> dict[str, str]:
    """Return why each accuracy may be missing, and what to do about it."""
    if not any(run.made for run in runs):
        return dict.fromkeys(PARTS, "there is no set to train on")
    if not own:
        unknown = "the recipe of its own method is not known"
        return dict.fromkeys(PARTS, unknown) | {
            "hard": f"not trained with hard labels under {hard}",
            "full": f"no full data trained under {hard}",
        }

    def remedy(of: Sequence[TrialResult], evaluator: str, otherwise: str) -> str:
        asked = {(item.evaluator, item.recipe) for run in of for item in _robust(run, key)}
        return f"{evaluator} is asked for and not done" if (evaluator, own) in asked else otherwise

    subset = "no random subset trained under {}: {}".format
    reference = "add random = 3 to [reference]"
    label, aided = (remedy(runs, each, f"add [evaluator.{each}]") for each in ROBUST)
    random_label, random_aided = (remedy(subsets, each, reference) for each in ROBUST)
    return {
        "own": f"not trained under the recipe of its own method, {own}: {label}",
        "random": subset(own, random_label),
        "hard": f"not trained with hard labels under {hard}: {label}",
        "full": f"no full data trained under {hard}: add [reference]",
        "augmented": f"not trained under {own} with {augment}: {aided}",
        "random_augmented": subset(f"{own} with {augment}", random_aided),
        "plain": f"not trained under {own} without augmentation: {aided}",
        "random_plain": subset(f"{own} without augmentation", random_aided),
    }


def _joined(reasons: Mapping[str, str], parts: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(reasons[part] for part in parts))  # two may be missing for one reason


def _remarks(runs: Sequence[TrialResult], scored: Mapping[str, Scored]) -> Iterator[str]:
    counts = {len(scored[part]) for part in ("own", "hard", "augmented", "plain") if part in scored}
    if counts and min(counts) < len(runs):
        yield f"incomplete: accuracies of {min(counts)} of {len(runs)} seeds"
