"""Why cells are forgotten."""

from pathlib import Path

import pytest

from suite.cli.stores.forgetting import Named, Stale, told
from suite.experiments import grid
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Plan
from suite.records.store import Store
from suite.records.stores.forget import Forgetting
from tests.support.costs import record
from tests.support.stores import record_of

METHOD = Path("methods/random_subset.py")


@pytest.fixture
def plugged(tiny: Path, tmp_path: Path, store: Store) -> tuple[Path, Store]:
    """A method in a file, and a store with its trial and evaluation."""
    path = tmp_path / "mine.py"
    path.write_text((Path(__file__).parents[3] / METHOD).read_text())
    tiny.write_text(
        tiny.read_text().replace("rat-bptt-1000", "dc-300").partition("[method.random_subset]")[0]
        + f'[method.mine]\nbase = "{path}"\n\n[evaluator.retrain]\nrecipe = "dc-300"\ncopies = 1\n'
    )
    jobs = grid.jobs(grid.load(tiny))
    store.write_plan("tiny", Plan.of(jobs).to_json())
    for job in jobs:
        for cell in job.cells:
            store.write(record(job, cell, 1.0))
    return path, store


class TestStale:
    def test_an_edited_method_is(self, plugged: tuple[Path, Store]) -> None:
        path, store = plugged
        assert Forgetting(store, Stale()).rows == []
        path.write_text(path.read_text() + "\n# edited\n")
        (row,) = Forgetting(store, Stale()).rows
        assert row.cells == {"distillation": 1, "evaluation": 1} and row.label == "mine"
        assert f"and {path} has " in row.reason and row.reason.startswith("source ")

    def test_a_file_that_is_gone_is_unknown(self, plugged: tuple[Path, Store]) -> None:
        path, store = plugged
        path.unlink()
        reason = Stale()
        assert Forgetting(store, reason).rows == [] and list(reason.unknown) == [str(path)]

    def test_methods_of_the_package_and_sets_of_others_have_no_file(self, copied: Path) -> None:
        reason = Stale()
        assert Forgetting(Store(copied), reason).rows == [] and reason.unknown == {}
        external = Trial(
            task="digits", method="external:x", source="a" * 64, hyperparameters={}, ipc=1, seed=0
        )
        made = Store(copied).record(record_of(copied, "rat_bptt", Trial).stem)
        assert made is not None
        assert reason(made.model_copy(update={"cell": external})) == "" and reason.unknown == {}

    def test_the_file_is_read_and_not_run(self, plugged: tuple[Path, Store], tmp_path: Path) -> None:
        path, store = plugged
        path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
        assert len(Forgetting(store, Stale()).rows) == 1 and not (tmp_path / "ran").exists()


class TestNamed:
    @pytest.mark.parametrize(
        "word", ["rat_bptt", "digits/rat_bptt", "rat_bptt/ipc1/seed0", "rat_bptt/ipc1", "ID", "rat_bptt/ID"]
    )
    def test_a_trial_with_its_evaluations(self, copied: Path, word: str) -> None:
        trial = record_of(copied, "rat_bptt", Trial).stem
        reason = Named([word.replace("ID", trial[:10])])
        (row,) = Forgetting(Store(copied), reason).rows
        reason.check(Store(copied))
        assert row.label == "rat_bptt" and row.cells == {"distillation": 1, "evaluation": 1}

    def test_an_evaluation_by_its_id(self, copied: Path) -> None:
        word = record_of(copied, "rat_bptt", Evaluation).stem[:12]
        (row,) = Forgetting(Store(copied), Named([word])).rows
        assert row.cells == {"evaluation": 1} and row.reason == f"named by {word}"

    @pytest.mark.parametrize(
        "word", ["rat_bptt/ipc2", "rat_bptt/ipc1/seed3", "cifar10/rat_bptt", "rat_bptt@2"]
    )
    def test_what_is_not_there_is_refused(self, copied: Path, word: str) -> None:
        reason = Named(["random_subset", word])
        Forgetting(Store(copied), reason)
        with pytest.raises(ValueError, match=f"is called {word}"):
            reason.check(Store(copied))

    def test_a_near_name_is_suggested(self, copied: Path) -> None:
        reason = Named(["rat_bpt"])
        Forgetting(Store(copied), reason)
        with pytest.raises(ValueError, match="did you mean 'rat_bptt'"):
            reason.check(Store(copied))


def test_rows_are_told(copied: Path) -> None:
    lines = list(told(Forgetting(Store(copied), Named(["digits/rat_bptt"]))))
    assert lines == ["rat_bptt on digits ipc 1: 1 trial, 1 evaluation; named by digits/rat_bptt"]
