"""The tries of a row: as many for each, at one cost, the best on the holdout chosen."""

from pathlib import Path
from typing import Any

import pytest

from suite.core.spec import Choice
from suite.experiments import grid
from suite.experiments.cells.context import Context
from suite.experiments.resources import Resources
from suite.experiments.studies.pace import FIRST, PREPARED, STEP
from suite.experiments.tuning.rows import Row, rows
from suite.experiments.tuning.tries import Rule, tried
from suite.records.cells import Trial
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support.tuned import TUNED

LIMITED = Rule(tries=3, seed=7, seconds=20.0)


@pytest.fixture
def dm(tmp_path: Path) -> Row:
    return row(tmp_path, "dm")


def row(folder: Path, label: str, old: str = "", new: str = "") -> Row:
    (folder / "tuned.toml").write_text(TUNED.replace(old, new, 1))
    return next(each for each in rows(grid.load(folder / "tuned.toml")) if each.place[0] == label)


def record(job: Job, store: Store, number: int = 0, status: Any = "done", **measured: Any) -> None:
    """Write the record of a job's cell by its number."""
    context = Context(job, store, Resources())
    store.write(context.record(job.cells[number], status, **measured))


def paced(row: Row, store: Store, rule: Rule, step: float, first: float = 0.0, prepared: float = 0.0) -> None:
    job = rule.pace(row)
    assert job is not None
    record(job, store, curve={STEP: (step,), FIRST: (first,), PREPARED: (prepared,)})


class TestSteps:
    def test_as_many_as_fit_beside_what_comes_before(self, dm: Row, store: Store) -> None:
        paced(dm, store, LIMITED, step=4.0, first=1.0, prepared=8.0)
        assert LIMITED.steps(dm, store) == {"steps": 2}

    def test_no_more_than_the_grids(self, dm: Row, store: Store) -> None:
        paced(dm, store, LIMITED, step=0.1)
        assert LIMITED.steps(dm, store) == {"steps": 4}

    def test_a_dear_second_buys_fewer(self, dm: Row, store: Store) -> None:
        """Two threads make two device-seconds of a second."""
        double = Rule(3, 7, 20.0, charge=2.0)
        paced(dm, store, double, step=4.0)
        assert double.steps(dm, store) == {"steps": 2}
        assert LIMITED.steps(dm, store) is None  # another time to plan for, not measured

    def test_no_time_for_one_is_an_error(self, dm: Row, store: Store) -> None:
        paced(dm, store, LIMITED, step=4.0, prepared=17.0)
        with pytest.raises(
            ValueError, match=r"--seconds 20: dm on digits at ipc 1 takes 17 .* raise --seconds"
        ):
            LIMITED.steps(dm, store)

    def test_nothing_is_timed_without_a_limit_or_without_steps(self, tmp_path: Path, store: Store) -> None:
        dm, pieces = row(tmp_path, "dm"), row(tmp_path, "pieces")
        assert Rule(3).pace(dm) is LIMITED.pace(pieces) is None
        assert Rule(3).steps(dm, store) == LIMITED.steps(pieces, store) == {}

    def test_a_pace_on_other_images_does_not_count(self, dm: Row, store: Store) -> None:
        paced(dm, store, LIMITED, step=4.0)
        assert LIMITED.steps(dm.on_data(), store) is None


class TestChanges:
    def test_the_first_try_is_the_grids_and_others_are_sampled(self, dm: Row) -> None:
        first, *others = LIMITED.changes(dm, {"steps": 2})
        assert first == {"steps": 2, "image_lr": 1.0}
        assert len({each["image_lr"] for each in others} - {1.0}) == 2
        assert all(each["steps"] == 2 for each in others)

    def test_more_tries_begin_with_the_same_ones(self, dm: Row) -> None:
        assert Rule(5, 7).changes(dm, {})[:3] == Rule(3, 7).changes(dm, {})
        assert Rule(5, 8).changes(dm, {})[1:] != Rule(5, 7).changes(dm, {})[1:]

    def test_the_grids_value_is_the_first_one(self, tmp_path: Path) -> None:
        dm = row(tmp_path, "dm", "steps = 4", "steps = 4\nimage_lr = 0.25")
        assert LIMITED.changes(dm, {})[0] == {"image_lr": 0.25}

    def test_a_method_without_a_space_has_none(self, tmp_path: Path) -> None:
        assert LIMITED.changes(row(tmp_path, "random_subset"), {}) == []

    def test_what_the_method_refuses_is_left_out_and_nothing_comes_twice(self, tmp_path: Path) -> None:
        """At 110 images of each class, 100 candidates are too few, and a factor of 2 takes 440."""
        wide = TUNED.replace("ipc = [1, 2]", "ipc = [110]").replace("ipc = [1]\n", "ipc = [110]\n")
        (tmp_path / "wide.toml").write_text(wide.replace("candidates = 20", "candidates = 200"))
        pieces = next(each for each in rows(grid.load(tmp_path / "wide.toml")) if each.place[0] == "pieces")
        found = [(each["candidates"], each["factor"]) for each in Rule(9).changes(pieces, {})]
        assert found[0] == (200, 1) and sorted(found[1:]) == [(300, 1), (1000, 1)]


class TestChoice:
    def tried(self, row: Row, store: Store, *accuracies: tuple[float, ...] | None) -> None:
        for each, accuracy in zip(LIMITED.changes(row, {}), accuracies, strict=True):
            job = row.job(each)
            if accuracy is None:
                record(job, store, status="diverged")
            else:
                record(job, store, device_seconds=12.34)
                record(job, store, 1, scores={"accuracy": accuracy})

    def test_the_best_mean_over_copies(self, dm: Row, store: Store) -> None:
        self.tried(dm, store, (0.5, 0.5), (0.9, 0.3), (0.7, 0.1))
        found = LIMITED.choose(dm, {}, store)
        assert (found.choice, found.accuracy, found.base_accuracy) == (2, 0.6, 0.5)
        assert found.settings == LIMITED.changes(dm, {})[1]
        assert [each.accuracy for each in found.tries] == [0.5, 0.6, 0.4]
        assert (found.device_seconds, found.evaluation) == (12.3, "retrain ncfm-40")
        assert found.tuning_seconds == 37.0
        assert found.trial == dm.job(found.settings).id
        assert found.given == {"network": "convnet-d1-w8-in", "steps": 4, "real_batch": 16}

    def test_of_equals_the_first(self, dm: Row, store: Store) -> None:
        self.tried(dm, store, (0.4, 0.4), (0.5, 0.5), (0.6, 0.4))
        assert LIMITED.choose(dm, {}, store).choice == 2

    def test_a_try_that_diverged_is_not_chosen(self, dm: Row, store: Store) -> None:
        self.tried(dm, store, None, (0.1, 0.1), None)
        found = LIMITED.choose(dm, {}, store)
        assert (found.choice, found.base_accuracy) == (2, None)
        assert [each.accuracy for each in found.tries] == [None, 0.1, None]

    def test_if_all_diverged_there_is_none(self, dm: Row, store: Store) -> None:
        self.tried(dm, store, None, None, None)
        with pytest.raises(ValueError, match="dm on digits at ipc 1: all 3 tries diverged"):
            LIMITED.choose(dm, {}, store)

    def test_the_first_try_may_leave_a_value_open(
        self, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = row(tmp_path, "dm", "steps = 4", 'base = "rat_bptt"\nsteps = 4')
        monkeypatch.setattr(own.method, "space", {"per_class": Choice((1,))})
        self.tried(own, store, (0.5, 0.5), (0.4, 0.4))
        found = LIMITED.choose(own, {}, store)
        assert found.settings == {} and [each.settings for each in found.tries] == [{}, {"per_class": 1}]

    def test_without_a_space_the_length_alone(self, tmp_path: Path, store: Store) -> None:
        found = LIMITED.choose(row(tmp_path, "random_subset"), {}, store)
        assert (found.settings, found.tries, found.choice) == ({}, [], None)


class TestHalving:
    """Nine tries: all for 2 seconds, the best three for 6, the best one for 18."""

    rule = Rule(tries=9, seconds=18.0, by_time=True, halving=True)

    def rungs(self, row: Row, store: Store) -> list[tuple[float | None, list[int]]]:
        return [(rung.seconds, list(rung.jobs)) for rung in self.rule.rungs(row, {}, store)]

    def score(self, row: Row, store: Store, accuracies: dict[int, float | None]) -> None:
        *_, rung = self.rule.rungs(row, {}, store)
        assert list(rung.jobs) == list(accuracies)
        for place, accuracy in accuracies.items():
            job = rung.jobs[place]
            assert isinstance(job.cell, Trial) and job.cell.device_seconds == rung.seconds
            if accuracy is None:
                record(job, store, status="failed", error="broken")
            else:
                record(job, store, device_seconds=rung.seconds)
                record(job, store, 1, scores={"accuracy": (accuracy,)})

    def test_the_best_third_goes_on(self, dm: Row, store: Store) -> None:
        assert self.rule.pace(dm) is None and self.rungs(dm, store) == [(2, list(range(9)))]
        first = {0: 0.5, 1: 0.1, 2: 0.7, 3: None, 4: 0.6, 5: 0.6, 6: 0.2, 7: 0.2, 8: 0.6}
        self.score(dm, store, first)
        assert self.rungs(dm, store) == [(2, list(range(9))), (6, [2, 4, 5])], "of equals the first"
        self.score(dm, store, {2: 0.71, 4: 0.8, 5: 0.72})
        assert self.rungs(dm, store)[-1] == (18, [4])
        self.score(dm, store, {4: 0.79})
        found = self.rule.choose(dm, {}, store)
        assert (found.choice, found.accuracy, found.base_accuracy) == (5, 0.79, 0.5)
        assert [(each.accuracy, each.seconds) for each in found.tries][:5] == [
            (0.5, 2),
            (0.1, 2),
            (0.71, 6),
            (None, 2),
            (0.79, 18),
        ]
        assert "steps" not in found.settings and self.rule.file("x", [found], trial_seed=0).halving

    def test_a_rung_that_is_not_over_is_the_last_one(self, dm: Row, store: Store) -> None:
        *_, rung = self.rule.rungs(dm, {}, store)
        record(rung.jobs[0], store)
        assert not tried(rung.jobs[0], store), "it has a set, which was not scored"
        record(rung.jobs[0], store, 1, scores={"accuracy": (0.5,)})
        assert tried(rung.jobs[0], store) and len(self.rungs(dm, store)) == 1

    def test_if_none_of_the_last_rung_has_a_set_there_is_no_choice(self, dm: Row, store: Store) -> None:
        self.score(dm, store, dict.fromkeys(range(9), 0.5))
        self.score(dm, store, dict.fromkeys(range(3), 0.5))
        self.score(dm, store, {0: None})
        with pytest.raises(ValueError, match="all 1 tries diverged or failed"):
            self.rule.choose(dm, {}, store)


def test_a_try_by_time_stops_when_its_seconds_are_spent(dm: Row, store: Store) -> None:
    (rung,) = Rule(3, seconds=20.0, by_time=True).rungs(dm, {}, store)
    cells = [job.cell for job in rung.jobs.values()]
    assert [cell.device_seconds for cell in cells if isinstance(cell, Trial)] == [20.0] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tries": 9, "halving": True}, "--halving needs --seconds"),
        ({"tries": 8, "seconds": 9.0, "by_time": True, "halving": True}, "needs at least 9 tries; raise"),
        ({"tries": 0}, "--tries 0 must be at least 1"),
        ({"tries": -3}, "--tries -3 must be at least 1"),
        ({"tries": 2, "seconds": 0.0}, "--seconds 0.0 must be a number above 0"),
        ({"tries": 2, "seconds": float("nan")}, "--seconds nan must be"),
        ({"tries": 2, "seconds": float("inf")}, "--seconds inf must be"),
    ],
)
def test_a_wrong_rule_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule(**values)
