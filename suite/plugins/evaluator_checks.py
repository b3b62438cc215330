"""The contract of evaluators, as checks that take seconds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from suite.core.scores import Score
from suite.core.spec import Evaluator, TestSplit
from suite.plugins import registry
from suite.plugins.description_checks import described, misnamed
from suite.plugins.smoke import global_state, set_global_state, smoke_data, smoke_set, smoke_task

COPIES = 2
TOO_DEEP = "convnet-d4-w8-in"
"""A network that halves the 8x8 smoke images until nothing is left."""


@dataclass(frozen=True)
class _Observed:
    """One evaluation of the smoke set: its scores, reads of test, and what it changed."""

    scores: Mapping[str, Any]
    reads: int
    changed: Sequence[str]


@cache
def _observe(cls: type[Evaluator], state: int) -> _Observed:
    """Evaluate the smoke set, with the global random states seeded by `state`; once for all checks."""
    evaluator, task, synthetic = _configured(cls), smoke_task(), smoke_set()
    evaluator.check(task.train)
    set_global_state(state)
    before, reads_before = global_state(), TestSplit.total_reads
    scores = evaluator.evaluate(synthetic, task, seed=0)
    same = {
        "a global random state": before == global_state(),
        "the set's images": torch.equal(synthetic.images, smoke_set().images),
        "the set's labels": torch.equal(synthetic.labels, smoke_set().labels),
        "the training images": torch.equal(task.train.images, smoke_data().images),
    }
    reads = max(task.split.reads, TestSplit.total_reads - reads_before)
    return _Observed(dict(scores.values), reads, [name for name, kept in same.items() if not kept])


def _configured(cls: type[Evaluator], **others: Any) -> Evaluator:
    copies = {"copies": COPIES} if "copies" in registry.field_names(cls) else {}
    made: Evaluator = registry.configure(
        cls, {**cls.smoke, **copies, **others}, where=f"{cls.__name__}.smoke"
    )
    return made


def is_described(cls: type[Evaluator]) -> str:
    """It is a frozen dataclass with a docstring, a title and its scores."""
    if problem := described(cls, [*Evaluator.__annotations__, "check", "evaluate"]):
        return problem
    if not cls.title:
        return "set `title`, the heading of its tables on the board"
    if not cls.scores or not all(isinstance(score, Score) for score in cls.scores):
        return "set `scores` to a tuple of suite.core.scores.Score, one for each number that it returns"
    names = [score.name for score in cls.scores]
    twice = [name for name in names if names.count(name) > 1]
    return f"scores has {twice[0]!r} twice" if twice else ""


def has_settings(cls: type[Evaluator]) -> str:
    """Its defaults and smoke settings are valid, and the same after a round trip through JSON."""
    return misnamed(cls, {"the defaults": {}, "smoke": cls.smoke})


def refuses_what_does_not_fit(cls: type[Evaluator]) -> str:
    """It refuses unknown networks, and those that do not fit the task's images, before it starts."""
    if "network" not in registry.field_names(cls):
        return ""
    for name in ("no-such-network", TOO_DEEP):
        try:
            _configured(cls, network=name).check(smoke_data())
        except ValueError:
            continue
        return f"check() accepts the network {name!r} for 8x8 images; build the network there"
    return ""


def returns_its_scores(cls: type[Evaluator]) -> str:
    """It returns the scores that it declares, and no others."""
    returned = _observe(cls, 1).scores
    for name in returned:
        if not any(score.matches(name) for score in cls.scores):
            return f"it returns {name!r}, which `scores` does not declare; add a Score of this name"
    for score in cls.scores:
        # A family may be empty: its parts can depend on settings.
        if not score.family and score.name not in returned:
            return f"it declares {score.name!r} and does not return it"
    return ""


def returns_numbers(cls: type[Evaluator]) -> str:
    """Its scores are tuples of finite floats, one for each copy; percentages are fractions of 1."""
    copies = COPIES if "copies" in registry.field_names(cls) else None
    for name, values in _observe(cls, 1).scores.items():
        if not isinstance(values, tuple) or not values or not all(isinstance(each, float) for each in values):
            return f"{name!r} is {values!r}; return a tuple of floats, one for each copy"
        if not all(math.isfinite(each) for each in values):
            return f"{name!r} is {values}; return finite numbers"
        score = next((score for score in cls.scores if score.matches(name)), None)
        if score and score.shown and copies and len(values) != copies:
            return f"{name!r} has {len(values)} values for {copies} copies; return one for each"
        if score and score.unit == "percent" and not all(0 <= each <= 1 for each in values):
            return f"{name!r} is {values}; return percentages as fractions, from 0 to 1"
    return ""


def reads_test_once(cls: type[Evaluator]) -> str:
    """It reads the test split exactly once."""
    reads = _observe(cls, 1).reads
    return "" if reads == 1 else f"it reads task.test {reads} times; read it once, after the last training"


def repeats_itself(cls: type[Evaluator]) -> str:
    """The same seed gives the same scores, whatever the global random states."""
    one, other = (_timeless(cls, _observe(cls, state).scores) for state in (1, 2))
    differing = [name for name, values in one.items() if other.get(name) != values]
    if differing or set(one) != set(other):
        return (
            f"two evaluations of one seed differ in {', '.join(map(repr, differing)) or 'names'}; draw from "
            "suite.core.seeding.generator(seed, name) only"
        )
    return ""


def _timeless(cls: type[Evaluator], scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores that are no times."""
    timed = [score for score in cls.scores if score.unit == "seconds"]
    return {name: each for name, each in scores.items() if not any(score.matches(name) for score in timed)}


def changes_nothing(cls: type[Evaluator]) -> str:
    """It touches neither global random states, nor the set, nor the training data."""
    changed = _observe(cls, 1).changed
    return (
        f"it changes {' and '.join(changed)}; clone what is changed, and draw from own generators"
        if changed
        else ""
    )


CHECKS: tuple[Callable[[type[Evaluator]], str], ...] = (
    is_described,
    has_settings,
    refuses_what_does_not_fit,
    returns_its_scores,
    returns_numbers,
    reads_test_once,
    repeats_itself,
    changes_nothing,
)
