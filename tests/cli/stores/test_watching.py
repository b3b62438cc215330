"""The status, once or until all is done."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from suite.cli.console import Plain
from suite.cli.stores import watching
from suite.cli.stores.watching import show, watch
from suite.records.cells import Trial
from tests.support.stores import record_of


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    output = io.StringIO()
    monkeypatch.setattr(watching, "console", Plain(file=output, width=100, force_terminal=True))
    return output


def sleeping(monkeypatch: pytest.MonkeyPatch, act: Any) -> list[float]:
    """Let `act` happen in place of a pause."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        act()

    monkeypatch.setattr(watching, "sleep", sleep)
    return slept


def interrupted() -> None:
    raise KeyboardInterrupt


def test_once_as_text_and_as_json(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(copied, "text")
    assert "4 of 4 cells done (100%)" in capsys.readouterr().out
    show(copied, "json")
    assert json.loads(capsys.readouterr().out)["plans"][0]["done"] == 4


def test_a_pipe_gets_a_line_for_each_change_until_all_is_done(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record_of(copied, "rat_bptt", Trial)
    aside, looks = path.rename(copied / "aside.json"), []

    def act() -> None:
        looks.append(1)
        if len(looks) == 3:
            aside.rename(path)

    slept = sleeping(monkeypatch, act)
    watch(copied)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "3 of 4 cells done (75%), 1 waiting",
        "4 of 4 cells done (100%)",
    ]
    assert len(slept) == 3 and min(slept) >= watching.SECONDS


def test_a_terminal_is_drawn_until_all_is_done(
    copied: Path, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record_of(copied, "rat_bptt", Trial)
    aside = path.rename(copied / "aside.json")
    sleeping(monkeypatch, lambda: aside.rename(path))
    watch(copied)
    shown = terminal.getvalue()
    assert "3 of 4 cells done" in shown and "4 of 4 cells done" in shown and "\x1b[?25h" in shown


def test_ctrl_c_ends_it_without_an_error(
    copied: Path, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_of(copied, "rat_bptt", Trial).unlink()
    sleeping(monkeypatch, interrupted)
    watch(copied)
    assert "\x1b[?25h" in terminal.getvalue()  # the cursor is back
