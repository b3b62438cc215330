"""When the driver ends a run: workers are asked first, and cells that take too long do not begin."""

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from suite.experiments.cells.progress import Progress
from suite.experiments.cluster.asking import Question
from suite.experiments.cluster.ending import SIGNALS, Ending, Watch

METRICS, WHERE = {"step": 1.0, "outer_loss": 2.0}, "node gpu 1"


class Clock:
    """A run with `left` seconds."""

    def __init__(self, left: float) -> None:
        self.left = left

    def stop(self, needs: float) -> bool:
        return needs >= self.left


def report(*, needs: float = 0.0, steps: int = 10, **others: Any) -> dict[str, Any]:
    return {"job": "a", "doing": "", "at": 1, "of": steps, "finished": {}, "needs": needs} | {
        "latest": METRICS,
        "where": WHERE,
        **others,
    }


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def ending(clock: Clock, ray_table: dict[str, bytes]) -> Ending:
    made = Ending(clock.stop, Question())
    made.running |= {"one", "two"}
    return made


def test_all_are_asked_when_one_has_no_time_for_another_step(
    ending: Ending, clock: Clock, ray_table: dict[str, bytes]
) -> None:
    assert not ending("one", report(needs=90.0)) and not ending.stop_all() and not ending.asked
    clock.left = 80.0
    assert not ending("one", report(needs=90.0)), (
        "Tune leaves the worker alone until it has written a checkpoint"
    )
    assert ending.asked and ray_table[ending.question.key] == b"stop" and not ending.stop_all()
    ending.running.clear()
    assert ending.stop_all()


def test_a_cell_without_steps_does_not_begin_without_time_for_it(ending: Ending, clock: Clock) -> None:
    assert not ending("one", report(needs=90.0, steps=0)) and not ending("one", report(steps=0))
    assert ending("one", report(needs=110.0, steps=0))
    assert not ending.asked and not ending("two", report(needs=5.0)), "others go on"


def test_a_signal_asks_at_once(ending: Ending, clock: Clock) -> None:
    clock.left = 0.0
    assert not ending.stop_all() and ending.asked


def test_a_full_disk_stops_all(ending: Ending) -> None:
    assert ending("one", report(fault="no room")) and ending.stop_all() and ending("two", report())


def test_a_worker_runs_from_its_start_to_its_end(ending: Ending) -> None:
    seen, ended = list[Progress](), list[str]()
    watch = Watch(seen.append, ended.append, ending)
    ending.running.clear()
    trial = SimpleNamespace(trial_id="three", config={"cell": "a"})
    watch.on_trial_start(0, [], trial)
    assert ending.running == {"three"}
    watch.on_trial_result(0, [], trial, report())
    assert seen == [Progress("a", "", 1, 10, latest=METRICS, where=WHERE)]
    watch.on_trial_recover(0, [], trial)
    assert not ending.running and not ended
    watch.on_trial_start(0, [], trial)
    watch.on_trial_complete(0, [], trial)
    assert not ending.running and ended == ["a"] and not watch.lost


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "Traceback\n  The actor died.\n\tWorker exit type: SYSTEM_ERROR Worker exit detail: gone.\n",
            "Worker exit",
        ),
        ("Traceback\nRuntimeError: broken\n", "RuntimeError: broken"),
        ("", "RuntimeError"),
    ],
)
def test_a_worker_that_is_given_up_is_lost_for_a_reason(ending: Ending, error: str, said: str) -> None:
    ended = list[str]()
    watch = Watch(print, ended.append, ending)
    trial = SimpleNamespace(trial_id="one", config={"cell": "a"}, get_error=lambda: RuntimeError(error))
    watch.on_trial_error(0, [], trial)
    assert ending.running == {"two"} and ended == ["a"] and watch.lost["a"].startswith(said)


def test_signals_stay_ours(ending: Ending) -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    watch = Watch(print, print, ending)
    try:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        watch.setup()
        assert {number: signal.getsignal(number) for number in SIGNALS} == before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
