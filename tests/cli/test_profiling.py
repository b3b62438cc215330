"""Outer steps in numbers: what is measured, its table and its summary, by hand."""

import io
from collections.abc import Mapping

import pytest
from rich.console import Console
from torch import Tensor

from suite.cli.profiling import REST, Profile, profile, settings, summary, table
from suite.core.timing import Spent
from suite.experiments.resources import Resources
from suite.plugins.methods.rat_bptt import RaTBPTTDistiller

FOUND = Profile(
    device="CPU: some",
    steps=2,
    planned=101,
    first=10.0,
    compile=True,
    seconds=3.0,
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


def test_the_longest_phase_stands_first_and_the_whole_step_last() -> None:
    """8 s in two steps by phases: 4 s a step, the outer phase 2.5 s of them; a whole step takes 3 s."""
    output = io.StringIO()
    Console(file=output, width=100).print(table(FOUND, "a method"))
    rows = [" ".join(line.split()) for line in output.getvalue().replace("│", " ").splitlines()]
    assert rows[-6:-1] == [
        "outer 2500.0 62% 1 3",
        "inner 1000.0 25% 4 1",
        "the rest 500.0 12% 1",
        "all phases 4000.0 100% 3",
        "an outer step 3000.0 1",
    ]


def test_all_steps_take_the_first_and_the_mean_of_the_others() -> None:
    """Which wait at no phase: 10 s and 100 times 3 s."""
    assert "takes 3000.0 ms, the mean of 2 outer steps after a first one of 10.0 s" in summary(FOUND)
    assert "(compiling included); all 101 take about 5.2 minutes" in summary(FOUND)
    assert "wait for the device at every phase: 4000.0 ms each" in summary(FOUND)


def test_a_run_is_measured_after_its_first_step() -> None:
    values = {"network": "convnet-d1-w4-in", "real_batch": 8, "steps": 5}
    found = profile("dm", values, task="digits", ipc=1, steps=5, resources=Resources(compile=False))
    assert (found.planned, found.steps) == (5, 2)  # four are left after the first
    assert found.phases[REST].calls == 2 and found.seconds > 0 and not found.compile


def test_the_whole_step_is_measured_without_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder waits for the device at every phase; the first three steps wait at their end alone."""
    taken, waits, step = list[int](), list[int](), RaTBPTTDistiller.step

    def counted(self: RaTBPTTDistiller) -> Mapping[str, Tensor]:
        taken.append(1)
        return step(self)

    monkeypatch.setattr(Resources, "synchronise", lambda _: waits.append(len(taken)))
    monkeypatch.setattr(RaTBPTTDistiller, "step", counted)
    values = {"network": "convnet-d1-w4-in", "real_batch": 8, "unroll": 2, "window": 1, "steps": 5}
    profile("rat_bptt", values, task="digits", ipc=1, steps=2, resources=Resources(compile=False))
    assert waits[:3] == [1, 1, 3] and waits.count(4) > 4
