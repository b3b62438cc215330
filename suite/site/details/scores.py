"""The scores of one set, under every evaluator, network and recipe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from suite.board.breakdown import UNDECLARED
from suite.board.cells import Evaluated, TrialResult
from suite.board.render import words
from suite.board.rows import WORDS
from suite.board.statistics.intervals import interval
from suite.core.scores import Score


@dataclass(frozen=True)
class Line:
    """One score in words. how: recipe and settings; networks: retrained ones, "" if it is not done."""

    evaluator: str
    part: str
    network: str
    how: str
    score: str
    value: str
    networks: str


def lines(result: TrialResult) -> list[Line]:
    """Return the scores of a set and its parts, the whole set first."""
    order = sorted(result.evaluations, key=lambda item: (-item.key.ipc, item.cell.evaluator, item.cell.id))
    return [line for item in order for line in _lines(item)]


def _lines(item: Evaluated) -> Iterator[Line]:
    part = item.cell.part.title if item.cell.part else "whole set"
    how = ", ".join(filter(None, (_recipe(item), item.key.conditions)))
    record = item.record
    title = record.title if record and record.title else item.cell.evaluator
    place = (title, part, item.key.network, how)
    if record is None or item.done is None:
        yield Line(*place, "", WORDS[record.status] if record else "missing", "")
        return
    for score in record.described or (UNDECLARED,):
        for heading, values in _columns(score, record.scores).items():
            value = heading if score.unit == "choice" else words.score(interval([values]), score.unit)
            yield Line(*place, "chosen" if score.unit == "choice" else heading, value, str(len(values)))


def _recipe(item: Evaluated) -> str:
    """Return the recipe where it does not stand among the conditions."""
    return "" if item.recipe and item.recipe in item.key.conditions else item.recipe


def _columns(score: Score, scores: dict[str, tuple[float, ...]]) -> dict[str, Sequence[float]]:
    """Return the values of a score by heading: of a part with details, their means."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for name, values in sorted(scores.items()):
        if score.matches(name) and values:
            found.setdefault(score.heading(name), []).append(values)
    return {heading: [fmean(copy) for copy in zip(*parts, strict=False)] for heading, parts in found.items()}
