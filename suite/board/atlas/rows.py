"""The rows of the atlas: printed figures with our accuracies, joined from records."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.board.atlas.costs import Cost, StepCost, cost
from suite.board.atlas.targets import Printed, Target
from suite.board.atlas.verdicts import Verdict, verdict
from suite.board.cells import Evaluated, TrialResult
from suite.board.join import join
from suite.board.rows import WORDS
from suite.board.statistics.differences import Copies, PerSeed
from suite.board.statistics.intervals import Interval, interval
from suite.core.data.task_info import family
from suite.records.cells import canonical_json, differing_keys
from suite.records.record import Record

OTHER_DATA = {"cifar10-jpeg": "cifar10"}
"""Families whose images differ from the printed ones: their accuracies stand beside, and are not compared."""


@dataclass(frozen=True)
class Beside:
    """An accuracy of ours that is not comparable with the printed one.

    network: of the retraining; task: "" if it is the target's; changed: hyper-parameters, beside the network,
    that differ from the published ones.
    """

    accuracy: Interval
    network: str
    task: str
    changed: tuple[str, ...]

    @property
    def conditions(self) -> str:
        """In what it differs from the printed figure."""
        settings = f"other settings ({', '.join(self.changed)})" if self.changed else ""
        return ", ".join(filter(None, (self.task, self.network, settings)))


@dataclass(frozen=True)
class AtlasRow:
    """One printed figure and what we have. accuracy: ours under the same conditions, None if not measured.

    failed: the board's word for a distillation without a set. cost: of one set, None if unknown.
    """

    printed: Printed
    accuracy: Interval | None = None
    verdict: Verdict | None = None
    failed: str = ""
    cost: Cost | None = None
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True)
class Atlas:
    """All printed figures, in the order in which they are shown, and what was left out of our records."""

    rows: tuple[AtlasRow, ...]
    warnings: tuple[str, ...] = ()


def atlas(records: Iterable[Record], printed: Sequence[Printed], *, costs: Sequence[StepCost] = ()) -> Atlas:
    """Join records with printed figures; the order of `records` does not matter."""
    cells = join(records, ())
    return Atlas(tuple(_row(each, cells.trials, costs) for each in printed), cells.warnings)


def _row(printed: Printed, trials: Sequence[TrialResult], costs: Sequence[StepCost]) -> AtlasRow:
    target = printed.target
    if isinstance(target, str):
        return AtlasRow(printed)
    same = [each for each in trials if _same_method(each, target)]
    own = [each for each in same if _configuration(each) == _wanted(target)]
    ours = _per_seed(own, target.recipe, target.network)
    return AtlasRow(
        printed,
        accuracy=_interval(ours) if ours else None,
        verdict=verdict(printed.figure, ours) if ours else None,
        failed=next((WORDS[each.record.status] for each in own if each.record and not each.made), ""),
        cost=cost(target, costs),
        beside=_beside(same, target),
    )


def _same_method(each: TrialResult, target: Target) -> bool:
    """Return whether a trial is of the target's method and size, on images that may stand beside."""
    here = family(each.task)
    images = {here, OTHER_DATA.get(here, here)}
    wanted = (target.method, target.ipc, "")
    own = each.trial.method, each.trial.ipc, each.trial.source
    return each.within is None and own == wanted and family(target.task) in images


def _wanted(target: Target) -> tuple[str, str]:
    return target.task, target.hyperparameters


def _configuration(each: TrialResult) -> tuple[str, str]:
    return each.task, canonical_json(each.trial.hyperparameters)


def _per_seed(trials: Sequence[TrialResult], recipe: str, network: str) -> PerSeed:
    """Return the accuracies by distillation seed under a recipe and network, from the most copies."""
    found: dict[int, Evaluated] = {}
    for item, seed in ((item, each.trial.seed) for each in trials for item in each.retrained):
        if item.accuracy and _whole(item) and (item.recipe, item.key.network) == (recipe, network):
            found[seed] = max(found.get(seed, item), item, key=_thoroughness)
    return {seed: Copies(item.cell.seed, item.accuracy) for seed, item in sorted(found.items())}


def _whole(item: Evaluated) -> bool:
    """Return whether a whole set was scored, under the evaluator's usual settings."""
    return item.cell.part is None and not item.key.conditions


def _thoroughness(item: Evaluated) -> tuple[int, str]:
    return len(item.accuracy), item.cell.id


def _interval(ours: PerSeed) -> Interval:
    return interval([copies.values for copies in ours.values()])


def _beside(trials: Sequence[TrialResult], target: Target) -> tuple[Beside, ...]:
    """Return our accuracies under the target's recipe in every other configuration and network."""
    groups: dict[tuple[str, str], list[TrialResult]] = {}
    for each in trials:
        groups.setdefault(_configuration(each), []).append(each)
    found = []
    for configuration, group in sorted(groups.items()):
        for network in sorted({item.key.network for each in group for item in each.retrained}):
            if (configuration, network) == (_wanted(target), target.network):
                continue
            if ours := _per_seed(group, target.recipe, network):
                task = "" if configuration[0] == target.task else configuration[0]
                changed = _changed(group[0].trial.hyperparameters, target)
                found.append(Beside(_interval(ours), network, task, changed))
    return tuple(found)


def _changed(own: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """Return the hyper-parameters, beside the network, that are not as published."""
    return tuple(sorted(differing_keys([own, json.loads(target.hyperparameters)]) - {"network"}))
