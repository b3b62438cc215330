"""A row's DD-Ranking scores: collect the stored accuracies, and explain missing ones.

An accuracy may come from any evaluator. For a set with hard labels and the standard recipe as native recipe,
`retrain` has already measured the accuracies of `label_robust`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from suite.board.cells import Cells, Evaluated, TableKey, TrialResult, full_data, in_table
from suite.board.dd_ranking import (
    AUGMENTATION_ROBUST,
    EVALUATORS,
    LABEL_ROBUST,
    RELABELLED_SCORES,
    SCORES,
    DDScore,
    Training,
    Weights,
)
from suite.board.statistics.differences import Copies, Difference, PerSeed
from suite.board.statistics.intervals import Interval, interval
from suite.records.cells import RANDOM, RELABELLED, STANDARD_RECIPE, canonical_json

FULL_DATA_SEED = -1
"""The distillation seed of full data, which is not distilled: it is paired with no other seed."""


@dataclass(frozen=True)
class Robustness:
    """A row's DD-Ranking scores and their accuracies.

    native_recipe: of its method; teacher: that of relabelled random subsets, in words; scores: IOR and HLR as
    differences, LRS and ARS in [0, 1]; missing: for each absent score that the row should have, what is to be
    done, or why nothing can be; evaluators: planned or run DD-Ranking evaluators; remarks: limits of the
    intervals.
    """

    native_recipe: str = ""
    teacher: str = ""
    accuracies: Mapping[Training, Interval] = field(default_factory=dict)
    scores: Mapping[DDScore, Difference] = field(default_factory=dict)
    missing: Mapping[DDScore, tuple[str, ...]] = field(default_factory=dict)
    evaluators: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


def robustness(trials: Sequence[TrialResult], key: TableKey, cells: Cells, weights: Weights) -> Robustness:
    """Return the scores of one configuration over its seeds, in the table of `key`."""
    row = _Row(trials, key, cells)
    scores = [*SCORES, *(RELABELLED_SCORES.values() if row.has_second_reference else ())]
    trainings = dict.fromkeys(training for score in scores for training in score.trainings)
    found = {training: per_seed for training in trainings if (per_seed := row.per_seed(training))}
    absent = {score: [each for each in score.trainings if each not in found] for score in scores}
    counts = [len(per_seed) for training, per_seed in found.items() if training.images == "set"]
    lacking = f"incomplete: accuracies of {min(counts, default=0)} of {len(trials)} seeds"
    return Robustness(
        native_recipe=row.native_recipe,
        teacher=row.teacher,
        accuracies={
            training: interval([per_seed[seed].values for seed in sorted(per_seed)])
            for training, per_seed in found.items()
        },
        scores={score: score.value(found, weights) for score in scores if not absent[score]},
        missing={score: row.lacks(trainings) for score, trainings in absent.items() if trainings},
        evaluators=frozenset(item.cell.evaluator for trial in trials for item in row.robust(trial)),
        remarks=(lacking,) if counts and min(counts) < len(trials) else (),
    )


@dataclass(frozen=True)
class _Measured:
    """The training of networks. augment: replaces the recipe's augmentation; "" for no replacement."""

    recipe: str
    hard: bool
    augment: str = ""


@dataclass(frozen=True)
class _Row:
    """One configuration over its seeds, and the trials of random subsets of its size."""

    trials: Sequence[TrialResult]
    key: TableKey
    cells: Cells
    _known: dict[tuple[str, str], Sequence[tuple[_Measured, Copies]]] = field(default_factory=dict)

    @cached_property
    def native_recipe(self) -> str:
        own = next(filter(None, (trial.native_recipe for trial in self.trials)), "")
        asked = {item.recipe for trial in self.trials for item in self.robust(trial, LABEL_ROBUST)}
        return own if own in asked or not asked else min(asked)

    @cached_property
    def soft(self) -> bool:
        """Whether its sets have soft labels."""
        return any(trial.soft for trial in self.trials)

    @property
    def has_second_reference(self) -> bool:
        """Whether it is compared with relabelled random subsets: labels are soft, and its task has some."""
        return self.soft and (RELABELLED, self.key.task) in self.cells.made

    @property
    def teacher(self) -> str:
        """The teacher of the relabelled random subsets with which it is compared, in words."""
        found = self._relabelled() if self.soft else []
        return "{network} after {epochs} epochs of {training}".format(**_teacher(found[0])) if found else ""

    def per_seed(self, training: Training) -> PerSeed:
        """Return the accuracies of a training by seed; if measured repeatedly, those with most copies."""
        wanted = self._measured(training)
        if training.images == "full":
            record = full_data(self.cells.references, self.key).get(wanted.recipe)
            values = record.scores.get("accuracy", ()) if record and record.status == "done" else ()
            return {FULL_DATA_SEED: Copies(FULL_DATA_SEED, values)} if values else {}
        found: dict[int, Copies] = {}
        for trial in self._trials(training):
            for measured, copies in self._every_training(trial):
                known = found.get(trial.trial.seed)
                if measured == wanted and (known is None or len(known.values) < len(copies.values)):
                    found[trial.trial.seed] = copies
        return found

    def _every_training(self, trial: TrialResult) -> Sequence[tuple[_Measured, Copies]]:
        """Return how networks were trained on a trial's set in this table, with their accuracies."""
        key = trial.trial.id, trial.task
        if key not in self._known:
            retrained = [item for item in trial.retrained if in_table(item, self.key)]
            items = [*retrained, *self.robust(trial)]
            self._known[key] = [pair for item in items for pair in _trained(trial, item)]
        return self._known[key]

    def lacks(self, trainings: Sequence[Training]) -> tuple[str, ...]:
        """Return what is to be done for missing accuracies, or why nothing can be done."""
        if not any(trial.made for trial in self.trials):
            return ("there is no set to train on",)
        if not all(self._measured(each).recipe for each in trainings):
            return ("the native recipe of its method is unknown",)
        return tuple(dict.fromkeys(map(self._remedy, trainings)))

    def _remedy(self, training: Training) -> str:
        if training.images == "full":
            return "add [reference]"
        items = [item for each in self._trials(training) for item in self.robust(each, training.evaluator)]
        if self.native_recipe in {item.recipe for item in items}:
            return f"{training.evaluator} is planned, not done"
        if training.images == "random":
            return "add random = 3 to [reference]"
        if training.images == "relabelled":
            return "add relabelled = true to [reference]"
        return f"add [evaluator.{training.evaluator}]"

    def robust(self, trial: TrialResult, *evaluators: str) -> list[Evaluated]:
        """Return a trial's evaluations by DD-Ranking's evaluators, or the named ones, on this network."""
        return [item for item in trial.by(*(evaluators or EVALUATORS)) if item.key.place == self.key.place]

    def _setting(self, evaluator: str, name: str, default: str) -> str:
        """Return an evaluator's setting: `default` if it is planned, or if none is."""
        items = [item for trial in self.trials for item in self.robust(trial, evaluator)]
        found = {str(item.cell.settings[name]) for item in items}
        return default if default in found or not found else min(found)

    def _trials(self, training: Training) -> Sequence[TrialResult]:
        if training.images == "set":
            return self.trials
        return self._relabelled() if training.images == "relabelled" else self._made_by(RANDOM)

    def _made_by(self, method: str) -> Sequence[TrialResult]:
        return self.cells.of(method, self.key.task, self.key.ipc)

    def _relabelled(self) -> list[TrialResult]:
        """Return relabelled random subsets by one teacher: the table's network if any, trained longest."""
        found = self._made_by(RELABELLED)
        best = max(map(_teacher, found), key=self._preference, default={})
        return [each for each in found if _teacher(each) == best]

    def _preference(self, teacher: Mapping[str, Any]) -> tuple[bool, int, str]:
        return teacher["network"] == self.key.network, teacher["epochs"], canonical_json(teacher)

    def _measured(self, training: Training) -> _Measured:
        if training.way == "hard":
            return _Measured(self._setting(LABEL_ROBUST, "recipe", STANDARD_RECIPE), True)
        augments = {
            "native": "",
            "plain": "none",
            "augmented": self._setting(AUGMENTATION_ROBUST, "augment", "dsa"),
        }
        soft = self.soft if training.images == "set" else training.images == "relabelled"
        return _Measured(self.native_recipe, not soft, augments[training.way])


def _teacher(trial: TrialResult) -> Mapping[str, Any]:
    return trial.trial.hyperparameters


def _trained(trial: TrialResult, item: Evaluated) -> Iterator[tuple[_Measured, Copies]]:
    """Yield how a finished evaluation trained networks, with their accuracies."""
    if item.done is None:
        return
    settings, hard = item.cell.settings, not trial.soft
    measured = {"accuracy": _Measured(item.recipe, hard)}
    if item.cell.evaluator == LABEL_ROBUST:
        measured["hard"] = _Measured(str(settings["recipe"]), True)
    if item.cell.evaluator == AUGMENTATION_ROBUST:
        measured["accuracy"] = _Measured(item.recipe, hard, str(settings["augment"]))
        measured["plain"] = _Measured(item.recipe, hard, "none")
    for name, how in measured.items():
        if values := item.done.scores.get(name):
            yield how, Copies(item.cell.seed, values)
