"""Whether a run could have recorded the settings of an evaluation; plug-ins are not loaded."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from suite.core.names import CORRECTED_RECIPES
from suite.records.audit.figures import Wrong, built_in
from suite.records.cells import Evaluation
from suite.records.record import Record, is_of


def wrong(record: Record) -> Iterator[Wrong]:
    """Yield what no run with these settings records: it would have refused them, or scored otherwise."""
    from suite.experiments.cells.evaluation import build_evaluator  # torch
    from suite.experiments.expand import plain

    if not is_of(record, Evaluation) or record.cell.source:
        return
    cell, name = record.cell, record.cell.base or record.cell.evaluator
    if name not in built_in("evaluators"):
        return
    settings = {key: _corrected(value) for key, value in cell.settings.items()}
    try:
        evaluator = build_evaluator(cell.model_copy(update={"settings": settings}))
    except ValueError as error:
        yield "error", "settings", f"no run has its settings: {error}"
        return
    if missing := sorted(plain(evaluator).keys() - settings.keys()):
        yield "error", "settings", f"it does not say {missing[0]}, as each run does"
    own = {replace(score, title="") for score in evaluator.scores}
    if other := sorted(score.name for score in record.described if replace(score, title="") not in own):
        yield "error", "settings", f"it describes its score {other[0]!r} otherwise than {name} does"


def _corrected(value: Any) -> Any:
    """Return today's recipe for one that was corrected since; other values as they are."""
    if not isinstance(value, str):
        return value
    name, precision, rest = value.partition(":")
    return CORRECTED_RECIPES.get(name, (name, ""))[0] + precision + rest
