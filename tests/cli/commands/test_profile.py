"""`ratbench profile`: a table of phases, and a line about the whole."""

import pytest

from tests.support.command_line import ratbench, refused

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
