"""The status in words."""

import io
from collections import Counter
from pathlib import Path

import pytest

from suite.board.atlas.costs import Cost
from suite.cli.console import Plain
from suite.cli.stores import status_view
from suite.cli.stores.status import STATES, Failure, PlanStatus, State, Status
from suite.cli.stores.status_view import counts, lines, view
from suite.records.stores.heartbeat import Sign
from tests.support.stores import HOSTILE

NOW = 10_000.0
SIGN = Sign(
    cell="c",
    doing="run",
    loss=1.2345,
    step=3,
    steps=9,
    host="node7",
    pid=12,
    since=NOW - 300,
    moved=NOW - 5,
    beat=NOW,
)


def plan(*costs: Cost | None, **states: int) -> PlanStatus:
    counted = Counter[State]({state: states[state] for state in STATES if state in states})
    return PlanStatus("demo", counted, costs)


PLAN = plan(Cost(7200.0, "a CPU", "this store"), None, done=3, running=1, failed=1, waiting=2)
FAILURE = Failure("dm on digits ipc 1 seed 0: distillation", "oom", "no memory", 3, Path("failures/a.txt"))


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_view, "time", lambda: NOW)


def shown(status: Status, *, brief: bool = False, width: int = 80) -> str:
    output = io.StringIO()
    Plain(file=output, width=width).print(view(status, brief=brief))
    return output.getvalue()


def whole(**changes: object) -> Status:
    fields = {
        "store": Path("runs/demo"),
        "plans": (PLAN,),
        "driver": SIGN,
        "running": (("dm on digits ipc 1 seed 1: distillation", SIGN),),
        "failures": (FAILURE,),
    }
    return Status(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_run_the_plans_and_the_costs() -> None:
    assert list(lines(whole())) == [
        "runs/demo: run by process 12 on node7, for 5.0 min",
        "demo: 3 of 7 cells done (42%), 1 running, 1 failed, 2 waiting",
        "  left: about 2 device-hours on a CPU for 1 cell, by this store",
        "  left: unknown cost: 1 cell, since nothing like it was measured",
    ]
    assert next(lines(whole(driver=None))) == "runs/demo: no run is at work"
    assert list(lines(whole(plans=())))[1] == "no plan: no grid has been run into this store"


def test_counts_leave_out_what_there_is_not() -> None:
    assert counts(plan(done=2)) == "2 of 2 cells done (100%)"
    assert counts(plan()) == "0 of 0 cells done (0%)"


def test_running_cells_say_where_and_since_when() -> None:
    text = shown(whole(), width=120)
    assert "3/9" in text and "1.23" in text and "5.0 min" in text and "5 s ago" in text and "node7 12" in text


def test_failures_say_why_and_where_the_traceback_is() -> None:
    text = shown(whole())
    assert "oom: dm on digits ipc 1 seed 0: distillation: no memory (3 attempts)" in " ".join(text.split())
    assert "failures/a.txt" in text


def test_a_watched_terminal_has_room_for_some() -> None:
    many = whole(failures=(FAILURE,) * 15)
    assert shown(many).count("failures/a.txt") == 15
    assert shown(many, brief=True).count("failures/a.txt") == 10
    assert "… and 5 more failed" in shown(many, brief=True)


def test_names_of_others_are_shown_as_they_are() -> None:
    hostile = Failure(HOSTILE, "failed", HOSTILE, 1, None)
    text = shown(whole(failures=(hostile,), running=((HOSTILE, SIGN),)), width=200)
    assert "\x1b" not in text and "\x9b" not in text and text.count("[/red]") == 3
