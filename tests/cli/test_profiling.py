"""Where an outer step's time goes adds up, and says what it means."""

import time

import pytest

from suite.core.timing import Recorder, phase, recording
from tests.support.command_line import ratbench, refused


def recorder(peaks: list[int] | None = None) -> Recorder:
    left = list(peaks or [])
    return Recorder(lambda: None, lambda: None, lambda: left.pop(0) if left else 0)


def test_a_phase_inside_another_is_taken_out_of_it() -> None:
    found = recorder([7])
    with recording(found), found.record("step"), phase("outer"):
        time.sleep(0.02)
        with phase("inner"):
            time.sleep(0.05)
    assert 0.05 <= found.spent["inner"].seconds < 0.08
    assert 0.02 <= found.spent["outer"].seconds < 0.05
    assert found.spent["step"].seconds < 0.02
    # Memory is watched in the phases directly inside the step.
    assert [found.spent[name].peak for name in ("inner", "outer", "step")] == [0, 7, 0]


def test_without_a_recorder_a_phase_does_nothing() -> None:
    found = recorder()
    with recording(found):
        pass
    with phase("late"):
        pass
    assert found.spent == {}


SMALL = ["--ipc", "1", "--set", "network=convnet-d1-w4-in", "--set", "unroll=4", "--set", "window=2"]


def test_the_command_shows_the_phases_and_what_all_steps_would_take() -> None:
    ran = ratbench("profile", "rat_bptt", "--task", "digits", *SMALL, "--steps", "2", "--no-compile", "--cpu")
    assert ran.exit_code == 0, ran.output
    for name in ("steps before the window", "window forward", "real batch", "window backward", "batches"):
        assert name in ran.output
    assert "mean of 2 outer steps" in ran.output and "all 18000 take about" in ran.output


def test_a_method_without_phases_has_one_row() -> None:
    ran = ratbench("profile", "random_subset", "--task", "digits", "--ipc", "1", "--cpu")
    assert ran.exit_code == 0 and "the rest" in ran.output and "window backward" not in ran.output


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("rat_bptt", "--task", "digist"), ("'digist'", "did you mean 'digits'?")),
        (("rat_btpt", "--task", "digits"), ("'rat_btpt'", "did you mean 'rat_bptt'?")),
        (("rat_bptt", "--task", "digits", "--set", "window"), ("'window'", "window=40")),
        (("rat_bptt", "--task", "digits", "--set", "widnow=4"), ("did you mean 'window'?",)),
        (("rat_bptt", "--task", "digits", "--set", "window=999"), ("window 999 is longer than the unroll",)),
        (("rat_bptt", "--task", "digits", "--set", "precision=tf32"), ("tf32 needs a GPU",)),
        (
            ("rat_bptt", "--task", "digits", "--set", "checkpoint_every=99"),
            ("checkpoint_every 99 must lie between 1 and",),
        ),
    ],
)
def test_mistakes_are_refused_before_compute(words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(ratbench("profile", *words, "--ipc", "1", "--cpu"), *parts)
