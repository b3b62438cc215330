"""The status of a store in words: for a terminal, and for a pipe."""

from collections.abc import Iterator
from time import time

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from suite.board.render.words import duration
from suite.cli.running.cost import told
from suite.cli.stores.status import STATES, PlanStatus, Status
from suite.records.stores.heartbeat import Sign

_SHOWN = 10  # failures in a terminal that is watched


def view(status: Status, *, brief: bool = False) -> RenderableType:
    """Return the status. brief: as much as a terminal has room for."""
    shown: list[RenderableType] = [Text(line) for line in lines(status)]
    if status.running:
        shown.append(_running(status))
    failures = status.failures[:_SHOWN] if brief else status.failures
    for each in failures:
        tried = f" ({each.attempts} attempts)" if each.attempts > 1 else ""
        shown.append(Text(f"{each.status}: {each.title}: {each.reason}{tried}"))
        if each.trace:
            shown.append(Text(f"  {each.trace}"))
    if len(failures) < len(status.failures):
        shown.append(Text(f"… and {len(status.failures) - len(failures)} more failed"))
    return Group(*shown)


def lines(status: Status) -> Iterator[str]:
    """Yield the lines that name the run, and each plan with its counts and costs."""
    if status.driver is None:
        yield f"{status.store}: no run is at work"
    else:
        driver = status.driver
        yield f"{status.store}: {driver.doing} by {driver.where}, for {_ago(driver.since)}"
    if not status.plans:
        yield "no plan: no grid has been run into this store"
    for plan in status.plans:
        yield f"{plan.name}: {counts(plan)}"
        yield from (f"  left: {line}" for line in told(plan.costs))


def counts(plan: PlanStatus) -> str:
    """Return the cells of a plan by their state."""
    parts = [f"{plan.counts[state]} {state}" for state in STATES[1:] if plan.counts[state]]
    share = f"{100 * plan.counts['done'] // max(1, plan.total)}%"
    return ", ".join([f"{plan.counts['done']} of {plan.total} cells done ({share})", *parts])


def _running(status: Status) -> Table:
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("running", overflow="fold")
    for name in ("step", "loss", "for", "last sign", "where"):
        made.add_column(name, justify="right" if name in ("step", "loss") else "left")
    for title, sign in status.running:
        step = f"{sign.step}/{sign.steps}" if sign.steps else ""
        loss = "" if sign.loss is None else f"{sign.loss:.3g}"
        made.add_row(title, step, loss, _ago(sign.since), f"{_ago(sign.moved)} ago", _where(sign))
    return made


def _where(sign: Sign) -> str:
    return f"{sign.host} {sign.pid}"


def _ago(then: float) -> str:
    return duration(max(0.0, time() - then))
