"""The loop over outer steps: what is measured, when it ends, and how it goes on. No method is needed."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.data.tasks import load
from suite.core.limits import Diverged
from suite.experiments.outer_loop.loop import Trajectory, resume, take_steps
from suite.experiments.resources import Resources
from suite.records.store import Store


class Counter:
    """Counts its steps; its loss is 1 / step, or not finite at one step."""

    def __init__(self, steps: int = 4, *, bad: int = 0, reason: str = "", reads: bool = False) -> None:
        self.steps, self.cached_seconds, self.taken = steps, 0.0, 0
        self.bad, self.reason, self.reads = bad, reason, reads

    def step(self) -> Mapping[str, float | Tensor]:
        self.taken += 1
        if self.reads:
            assert len(load("digits").test)
        return {"loss": torch.nan if self.taken == self.bad else torch.tensor(1 / self.taken)}

    def diagnosis(self) -> str:
        return self.reason

    def state_dict(self) -> dict[str, Any]:
        return {"taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.taken = state["taken"]


def taken(run: Counter, trajectory: Trajectory, every: float = 1e9) -> list[int]:
    """Take all steps; return the steps after which a checkpoint was written."""
    saved: list[int] = []
    for at in take_steps(
        run, trajectory, Resources(), save=lambda step, state: saved.append(step), every=every
    ):
        assert at.step == run.taken
    return saved


def test_a_curve_has_every_step_of_a_short_run() -> None:
    trajectory = Trajectory(4)
    assert taken(Counter(), trajectory) == []
    assert trajectory.curve["step"] == [1, 2, 3, 4]
    assert trajectory.curve["loss"] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert trajectory.seconds >= trajectory.curve["seconds"][-1] > 0


def test_a_long_curve_is_thinned_and_has_the_last_step() -> None:
    trajectory = Trajectory(450)
    for trajectory.step in range(1, 451):
        trajectory.add({"loss": 1.0})
    assert trajectory.curve["step"] == [*range(4, 449, 4), 450]


def test_a_step_that_is_not_finite_ends_the_run() -> None:
    for reason, message in (("", "at outer step 3"), ("a label", "at outer step 3: a label is not finite")):
        trajectory = Trajectory(4)
        with pytest.raises(Diverged, match=f"loss is not finite {message}$"):
            taken(Counter(bad=3, reason=reason), trajectory)
        assert trajectory.step == 3 and trajectory.curve["step"] == [1, 2]


def test_every_step_but_the_last_can_be_saved() -> None:
    assert taken(Counter(), Trajectory(4), every=0.0) == [1, 2, 3]


def test_reads_of_test_are_counted() -> None:
    trajectory = Trajectory(4)
    taken(Counter(reads=True), trajectory)
    assert trajectory.test_reads == 4


def test_a_run_goes_on_from_its_checkpoint(store: Store) -> None:
    run, trajectory = resume(Counter, store, "cell", Resources())
    assert (run.taken, trajectory.step, trajectory.attempts) == (0, 0, 1)
    save = lambda step, state: store.save_checkpoint("cell", step, state)  # noqa: E731
    steps = take_steps(run, trajectory, Resources(), save=save, every=0.0)
    assert [next(steps).step for _ in range(3)] == [1, 2, 3]  # a step is saved before it is told
    again, known = resume(Counter, store, "cell", Resources())
    assert (again.taken, known.step, known.attempts) == (3, 3, 2) and known.curve["step"] == [1, 2, 3]
    taken(again, known)
    assert known.curve["loss"] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])


def test_a_checkpoint_that_cannot_be_loaded_is_put_aside(store: Store) -> None:
    store.save_checkpoint("cell", 2, {"state": {"other": 2}, "trajectory": vars(Trajectory(4, step=2))})
    with pytest.warns(UserWarning, match="the method cannot load it: 'taken'"):
        run, trajectory = resume(Counter, store, "cell", Resources())
    assert (run.taken, trajectory.step, trajectory.attempts) == (0, 0, 1)
    assert store.load_checkpoint("cell") is None


def test_too_little_memory_is_no_fault_of_a_checkpoint(store: Store) -> None:
    class Full(Counter):
        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            raise torch.OutOfMemoryError("full")

    store.save_checkpoint("cell", 2, {"state": {"taken": 2}, "trajectory": vars(Trajectory(4, step=2))})
    with pytest.raises(torch.OutOfMemoryError):
        resume(Full, store, "cell", Resources())
    assert store.load_checkpoint("cell") is not None


@pytest.mark.parametrize(("stop", "every", "expected"), [(2, 1e9, [2]), (2, 0.0, [1, 2]), (4, 1e9, [4])])
def test_closed_early_it_saves_its_last_step_once(stop: int, every: float, expected: list[int]) -> None:
    saved: list[int] = []
    save = lambda step, state: saved.append(step)  # noqa: E731
    steps = take_steps(Counter(), Trajectory(4), Resources(), save=save, every=every)
    while next(steps).step < stop:
        pass
    steps.close()
    assert saved == expected


def test_a_run_closed_after_its_last_step_goes_on_to_its_end(store: Store) -> None:
    run, trajectory = resume(Counter, store, "cell", Resources())
    save = lambda step, state: store.save_checkpoint("cell", step, state)  # noqa: E731
    steps = take_steps(run, trajectory, Resources(), save=save, every=1e9)
    while next(steps).step < 4:
        pass
    steps.close()
    again, known = resume(Counter, store, "cell", Resources())
    assert taken(again, known) == [] and (again.taken, known.step, known.curve) == (4, 4, trajectory.curve)


def test_the_next_step_takes_about_as_long_as_the_last_ones() -> None:
    trajectory = Trajectory(9)
    for seconds in (300.0, 2.0):
        trajectory.took(seconds)
        assert trajectory.needs == 0, "the first steps compile"
    for seconds in (3.0, 1.0, 1.0, 1.0):
        trajectory.took(seconds)
    trajectory.saving = 0.5
    assert trajectory.recent == [2, 3, 1, 1, 1] and trajectory.needs == 2 * (1 + 0.5)


def test_every_device_that_took_part_is_known_and_charged_by_its_share(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is copied to another machine goes on there."""
    save = lambda step, state: store.save_checkpoint("cell", step, state)  # noqa: E731
    seconds = []
    for device, resources in (("CPU: a", Resources(3)), ("CPU: b", Resources()), ("CPU: a", Resources())):
        monkeypatch.setattr(Resources, "device_name", device)
        run, trajectory = resume(Counter, store, "cell", resources)
        steps = take_steps(run, trajectory, resources, save=save, every=0.0)
        next(steps)
        steps.close()
        seconds.append(trajectory.seconds)
    assert trajectory.measured()["devices"] == ["CPU: a", "CPU: b"] and trajectory.attempts == 3
    # CPU time has another clock, which may be ahead by a little.
    assert trajectory.device_seconds == pytest.approx(trajectory.seconds + 2 * seconds[0], rel=0.05)
