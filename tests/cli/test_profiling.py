"""Outer steps in numbers: what is measured, its table and its summary, by hand."""

import io

import pytest
from rich.console import Console

from suite.cli.profiling import REST, Profile, profile, settings, summary, table
from suite.core.timing import Spent
from suite.experiments.resources import Resources

FOUND = Profile(
    device="CPU: some",
    steps=2,
    planned=101,
    first=10.0,
    compile=True,
    phases={REST: Spent(1.0, 2, 0), "inner": Spent(2.0, 8, 2**20), "outer": Spent(5.0, 2, 3 * 2**20)},
)


def test_settings_are_toml_or_words() -> None:
    assert settings(["window=40", "augment=none", "block=[1, 2]", "learn_labels = true"]) == {
        "window": 40,
        "augment": "none",
        "block": [1, 2],
        "learn_labels": True,
    }
    for wrong in ("window", "=4"):
        with pytest.raises(ValueError, match="write name=value, such as window=40"):
            settings([wrong])


def test_the_longest_phase_stands_first_and_the_rest_last() -> None:
    """8 s in two steps: 4 s a step, of which the outer phase takes 2.5 s."""
    output = io.StringIO()
    Console(file=output, width=100).print(table(FOUND, "a method"))
    rows = [" ".join(line.split()) for line in output.getvalue().replace("│", " ").splitlines()]
    assert [row for row in rows if "%" in row] == [
        "outer 2500.0 62% 1 3",
        "inner 1000.0 25% 4 1",
        "the rest 500.0 12% 1",
        "an outer step 4000.0 100% 1 3",
    ]


def test_all_steps_take_the_first_and_the_mean_of_the_others() -> None:
    assert FOUND.seconds == 4.0
    assert "a first one of 10.0 s (compiling included); all 101 take about 6.8 minutes" in summary(FOUND)


def test_a_run_is_measured_after_its_first_step() -> None:
    values = {"network": "convnet-d1-w4-in", "real_batch": 8, "steps": 3}
    found = profile("dm", values, task="digits", ipc=1, steps=5, resources=Resources(compile=False))
    assert (found.planned, found.steps) == (3, 2)  # two are left after the first
    assert found.phases[REST].calls == 2 and found.seconds > 0 and not found.compile
