"""Curves of accuracy over device-seconds as Markdown: a table for each place."""

from collections.abc import Iterator, Mapping, Sequence

from suite.board.anytime.curves import Anytime, Curve, anytime
from suite.board.anytime.devices import Calibration, calibrations
from suite.board.render import words
from suite.board.render.layout import code, escaped, link, markdown_table
from suite.board.rows import BoardRow
from suite.board.tables import Board

_INTRODUCTION = """Each distillation stopped at the last budget; its set was scored as it was at each budget.
All work on the training split counts, also that of experts, teachers and scores that select images, even if
several sets share it. Compiling does not count. **Mean**: accuracy in percent over the logarithm of time,
with its 95% interval; a budget without a set counts as chance. Bold: rank 1 at this budget. **Time to**: the
first budget at which the accuracy was reached, ∞ if none: the lower end of the 98% interval is at least this
accuracy (p < 0.01; with two or three seeds it is wrong more often)."""


def sections(board: Board, papers: Mapping[str, str]) -> list[str]:
    """Return the paragraphs on all curves; none without budgets. papers: the address of a label's paper."""
    found = anytime(board.tables)
    if not found:
        return []
    return [
        "## At equal device time",
        _INTRODUCTION,
        *(part for each in found for part in _section(each, papers)),
        *_devices(calibrations(board.cells.records)),
    ]


def _devices(found: Sequence[Calibration]) -> Iterator[str]:
    """Yield how the devices relate, if trials ran on several."""
    if found:
        yield "**Devices**: outer steps on a device over those on another: same trials, same device-seconds."
        yield markdown_table(["device", "other", "median", "range", "trials"], list(map(_related, found)))


def _related(found: Calibration) -> list[str]:
    numbers = [f"{found.ratio:.3g}", f"{found.low:.3g}–{found.high:.3g}", str(found.trials)]
    return [escaped(found.device), escaped(found.other), *numbers]


def _section(found: Anytime, papers: Mapping[str, str]) -> Iterator[str]:
    table = found.tables[0]
    place = ", ".join((table.task, words.size(table.ipc), words.network(table.network)))
    yield f"**{escaped(place)}, on {escaped(found.device or 'any device')}**"
    budgets = [f"{budget:g} s" for budget in found.budgets]
    targets = [f"time to {escaped(each.name)} ({100 * each.accuracy:.1f})" for each in found.targets]
    lines = [_cells(curve, papers) for curve in found.curves]
    yield markdown_table(["method", "mean", *budgets, *targets], lines)


def _cells(curve: Curve, papers: Mapping[str, str]) -> list[str]:
    return [
        link(code(curve.name), papers.get(curve.label, "")),
        words.spanned(curve.area, 100) if curve.area else "–",
        *map(accuracy, curve.rows),
        *("∞" if budget is None else f"{budget:g} s" for budget in curve.reached),
    ]


def accuracy(row: BoardRow | None) -> str:
    """Return a row's accuracy in percent, bold at rank 1; its state, or – where there is none."""
    if row is None or row.accuracy is None or row.state:
        return escaped(row.state) if row and row.state else "–"
    text = f"{100 * row.accuracy.mean:.1f}"
    return f"**{text}**" if row.rank == 1 else text
