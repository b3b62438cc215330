"""What is told of repeated evaluations. The repetition itself: tests/experiments/rescoring/."""

import signal
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest

from suite.cli.running.deadline import SIGNALS, Deadline
from suite.cli.trust.rescoring import Wanted, rescored
from suite.experiments.rescoring import repeating
from suite.experiments.rescoring.judging import Comparison, Spread
from suite.experiments.rescoring.repeating import Candidate, Candidates, Repeated
from tests.support.audited import sound

SPREAD = Spread.of((0.7, 0.71, 0.69))


@pytest.mark.parametrize("option", [{"seed": 1}, {"time_limit": "1h"}, {"dry_run": True}])
def test_a_lone_option_is_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="--rescore"):
        Wanted(**option)  # type: ignore[arg-type]


def found(
    tmp_path: Path, wanted: Wanted, monkeypatch: pytest.MonkeyPatch, off: float = 0.0
) -> tuple[dict, str]:  # type: ignore[type-arg]
    """Return the report and the lines; repeated accuracies are `off` from those recorded."""

    def again(candidate: Candidate, row: Spread, table: Spread) -> Repeated:
        values = (0.7, 0.71, 0.69)
        return Repeated(Comparison(tuple(each + off for each in values), values, SPREAD), 1)

    monkeypatch.setattr(repeating, "repeat", again)
    lines = list[str]()
    store = sound(tmp_path / "store")
    made = rescored([store.path], wanted, Deadline(wanted.time_limit), lines.append)
    return made.fields, "\n".join(lines)


def test_a_dry_run_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, lines = found(tmp_path, Wanted(2, seed=3, dry_run=True), monkeypatch)
    assert "2 evaluations of 5 chosen by seed 3; they took" in lines and lines.count("would repeat") == 2
    assert (
        report["test_reads"] == 0
        and [sorted(each) for each in report["cells"]] == [["cell", "seconds", "store", "title"]] * 2
    )


def test_reads_are_counted_and_contradictions_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, lines = found(tmp_path, Wanted(3, seed=0), monkeypatch)
    assert report["errors"] == 0 and report["test_reads"] == 3 and lines.count("the same bits") == 3
    report, lines = found(tmp_path / "b", Wanted(3, seed=0), monkeypatch, off=0.2)
    assert report["errors"] == 4 and report["together"] and "The test split was read 3 times" in lines


def test_the_time_limit_leaves_evaluations_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, lines = found(tmp_path, Wanted(4, seed=0, time_limit="3s"), monkeypatch)
    assert lines.count("not repeated: ") == 4 and "the time limit of 3s is near" in lines
    assert report["test_reads"] == 0 and report["errors"] == 1
    assert "error: no evaluation was repeated" in lines and "4 not repeated, 1 error" in lines


def test_a_repetition_is_ended_at_the_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of a record that says that it took no time."""

    def endless(candidate: Candidate, row: Spread, table: Spread) -> Repeated:
        while True:
            sleep(0.01)

    monkeypatch.setattr(repeating, "repeat", endless)
    monkeypatch.setattr(Candidates, "choose", lambda self, *_: [replace(self.every[0], seconds=0.0)] * 2)
    lines = list[str]()
    store, handlers = sound(tmp_path / "store"), [signal.getsignal(number) for number in SIGNALS]
    report = rescored([store.path], Wanted(2), Deadline("1s"), lines.append)
    assert report.errors == 1 and "\n".join(lines).count("the time limit of 1s is near") == 2
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


def test_networks_that_vary_much_give_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = (0.05, 0.3, 0.75)

    def again(candidate: Candidate, row: Spread, table: Spread) -> Repeated:
        return Repeated(Comparison(wide, (0.2, 0.2, 0.21), Spread.of(wide)), 1)

    monkeypatch.setattr(repeating, "repeat", again)
    lines = list[str]()
    report = rescored([sound(tmp_path / "store").path], Wanted(2, seed=0), Deadline(), lines.append)
    assert (report.unclear, report.errors) == (2, 0) and "agrees" not in "\n".join(lines)
    assert lines[1].startswith("no verdict: ") and "2 without a verdict" in lines[-1]


def test_a_drawn_seed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, lines = found(tmp_path, Wanted(1), monkeypatch)
    assert f"chosen by seed {report['seed']};" in lines
