"""The pace of a method: what its outer steps take, and what is planned for them."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from suite.core.spec import Budget
from suite.experiments import grid
from suite.experiments.studies.pace import FIRST, PREPARED, STEP, STEPS, Pace
from suite.plugins.registry import method
from suite.plugins.smoke import smoke_data

DM = method("dm")
DISTILLER: Any = type(DM(**DM.smoke).start(smoke_data(), Budget(1), seed=0))


def measured(pace: Pace) -> Mapping[str, float]:
    run = pace.start(smoke_data(), Budget(1), seed=0)
    assert run.steps == 1
    return run.step()


def slowed(
    monkeypatch: pytest.MonkeyPatch, first: float, later: float, compiled: int = STEPS + 1
) -> list[int]:
    """Make steps of DM take some time; half of it, but the first one, in a run of `compiled` steps or more.

    Return the list of planned steps of each run, to which later runs are added.
    """
    planned: list[int] = []
    start, clock = DM.start, [0.0]

    def begin(self: Any, *args: Any, **named: Any) -> Any:
        planned.append(self.steps)
        distiller: Any = start(self, *args, **named)
        distiller.taken = 0
        distiller.cached_seconds = 5.0
        return distiller

    def take(self: Any) -> dict[str, float]:
        long = self.steps >= compiled
        clock[0] += first if long and self.taken == 0 else later / 2 if long else later
        self.taken += 1
        return {}

    monkeypatch.setattr(DM, "start", begin)
    monkeypatch.setattr(DISTILLER, "step", take)
    monkeypatch.setattr("suite.experiments.studies.pace.perf_counter", lambda: clock[0])
    return planned


def test_it_times_a_run_of_the_length_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled steps take half the time here; the first one also compiles."""
    planned = slowed(monkeypatch, first=7.0, later=0.5)
    found = measured(Pace("dm", dict(DM.smoke), seconds=50.0))
    assert planned == [STEPS, 400, 400, 200]
    assert found[STEP] == pytest.approx(0.25) and found[FIRST] == pytest.approx(6.75)
    assert found[PREPARED] == 5.0


@pytest.mark.parametrize(("compiled", "pace", "last"), [(150, 0.25, 200), (300, 0.5, 200), (500, 0.5, 100)])
def test_a_run_is_timed_as_it_will_be(
    compiled: int, pace: float, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether steps are compiled depends on their number, and their number on whether they are."""
    planned = slowed(monkeypatch, first=7.0, later=0.5, compiled=compiled)
    assert measured(Pace("dm", dict(DM.smoke), seconds=50.0))[STEP] == pytest.approx(pace)
    assert planned == [STEPS, 400, 400, last]


def test_no_more_steps_than_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slowed(monkeypatch, first=100.0, later=100.0)
    taken: list[int] = []
    step = DISTILLER.step

    def counted(self: Any) -> Any:
        taken.append(1)
        return step(self)

    monkeypatch.setattr(DISTILLER, "step", counted)
    found = measured(Pace("dm", dict(DM.smoke), seconds=1.0))
    assert len(taken) == 8  # two of each run
    assert found[STEP] == pytest.approx(100.0)


def test_real_seconds_are_measured() -> None:
    started = time.perf_counter()
    found = measured(Pace("dm", dict(DM.smoke), seconds=0.1))
    assert 0 < found[STEP] < time.perf_counter() - started


def test_a_growing_set_goes_through_its_stages() -> None:
    smoke = {**method("boosted_dm").smoke, "block": 1}
    found = Pace("boosted_dm", smoke, seconds=60.0).start(smoke_data(), Budget(2), seed=0).step()
    assert found[STEP] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": 0.0}, "seconds 0.0 must be larger than 0"),
        ({"method": "dmm"}, "unknown method 'dmm'; did you mean 'dm'?"),
        ({"method": "herding"}, "method herding: unknown key 'steps'"),
        ({"hyperparameters": {"image_rl": 1.0}}, "unknown key 'image_rl'; did you mean 'image_lr'?"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Pace(**changes)
    assert message in str(error.value)


def test_a_grid_may_ask_for_it(tmp_path: Path) -> None:
    (tmp_path / "pace.toml").write_text(
        'title = "a"\ntasks = ["digits"]\nipc = [1]\nseeds = [0]\n[study.pace]\nmethod = ["dm", "idc"]\n'
    )
    assert len(grid.jobs(grid.load(tmp_path / "pace.toml"))) == 2
