"""Tables as JSON, from which the page sorts, filters and downloads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from suite.site.view.columns import Cell
from suite.site.view.tables import Method, Row, View

_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def overview(views: Sequence[View]) -> Markup:
    """Return the places of all tables, and their columns, which many share."""
    kinds = list(dict.fromkeys(view.columns for view in views))
    tables = [
        {
            "slug": view.slug,
            "evaluator": view.evaluator,
            "task": view.facts["task"],
            "network": view.network,
            "size": view.facts["ipc"],
            "columns": kinds.index(view.columns),
        }
        for view in views
    ]
    return _embedded(
        {
            "columns": [[asdict(each) | {"left": each.left} for each in kind] for kind in kinds],
            "tables": tables,
        }
    )


def content(view: View) -> Markup:
    """Return a table's title, facts, figures, methods, rows and footer; a row names its method by number."""
    numbers: dict[Method, int] = {}
    for row in view.rows:
        if row.method:
            numbers.setdefault(row.method, len(numbers))
    return _embedded(
        {
            "title": view.title,
            "facts": view.facts,
            "figures": view.figures,
            "methods": [asdict(method) for method in numbers],
            "rows": [_row(row, numbers) for row in view.rows],
            "footer": [_row(row, numbers) for row in view.footer],
        }
    )


def _row(row: Row, numbers: Mapping[Method, int]) -> list[Any]:
    """Return the number of a row's method, its sets, and its cells."""
    return [numbers[row.method] if row.method else -1, list(row.sets.items()), *map(_cell, row.cells)]


def _cell(cell: Cell) -> Any:
    """Return a cell: its text, or a list of its text and its values if these are others."""
    same = len(cell.values) < 2 and all(str(value) == cell.text for value in cell.values)
    return (cell.values or (cell.text,))[0] if same else [cell.text, *cell.values]


def _embedded(value: Any) -> Markup:
    """Return JSON without a character that could end the script or the data block in which it stands."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_ESCAPES))  # nosec B704 # escaped here
