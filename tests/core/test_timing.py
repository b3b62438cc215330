"""Where the time of phases goes adds up."""

from itertools import count

import pytest

from suite.core import timing
from suite.core.timing import Recorder, phase, recording


def recorder(peaks: list[int] | None = None) -> Recorder:
    left = list(peaks or [])
    return Recorder(lambda: None, lambda: None, lambda: left.pop(0) if left else 0)


def test_a_phase_inside_another_is_taken_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock goes on by a second each time that it is read: step 0, outer 1, inner 2 to 3, 4, 5.
    monkeypatch.setattr(timing, "perf_counter", count().__next__)
    found = recorder([7])
    with recording(found), found.record("step"), phase("outer"), phase("inner"):
        pass
    assert {name: spent.seconds for name, spent in found.spent.items()} == {"inner": 1, "outer": 2, "step": 2}
    # Memory is watched in the phases directly inside the step.
    assert [found.spent[name].peak for name in ("inner", "outer", "step")] == [0, 7, 0]


def test_without_a_recorder_a_phase_does_nothing() -> None:
    found = recorder()
    with recording(found):
        pass
    with phase("late"):
        pass
    assert found.spent == {}


def test_calls_add_up_and_the_largest_peak_counts() -> None:
    found = recorder([3, 9, 5])
    with recording(found):
        for _ in range(3):
            with found.record("step"), phase("outer"):
                pass
    assert found.spent["outer"].calls == found.spent["step"].calls == 3
    assert found.spent["outer"].peak == 9


def test_a_phase_that_fails_counts_and_a_recording_ends_with_it() -> None:
    found = recorder()
    with pytest.raises(ZeroDivisionError), recording(found), found.record("step"), phase("outer"):
        raise ZeroDivisionError
    with phase("late"):
        pass
    assert {name: spent.calls for name, spent in found.spent.items()} == {"outer": 1, "step": 1}


def test_the_device_is_waited_for_before_and_after() -> None:
    waits: list[str] = []
    found = Recorder(lambda: waits.append("wait"), lambda: waits.append("reset"), lambda: 0)
    with recording(found), found.record("step"), phase("outer"):
        waits.append("work")
    assert waits == ["wait", "reset", "wait", "work", "wait", "wait"]
