"""The rows of a grid that are tuned: on the holdout, with the grid's first seed and evaluation."""

from pathlib import Path

import pytest

from suite.experiments import expand, grid
from suite.experiments.tuning.rows import Row, rows
from suite.plugins import registry
from suite.records.cells import Study, Trial
from tests.support.tuned import TUNED


def found(folder: Path, old: str = "", new: str = "", *settings: str) -> list[Row]:
    assert old in TUNED
    (folder / "tuned.toml").write_text(TUNED.replace(old, new, 1))
    return rows(grid.load(folder / "tuned.toml", settings))


def test_there_is_one_for_each_row_task_and_size(tmp_path: Path) -> None:
    places = [row.place for row in found(tmp_path)]
    assert places == [
        ("random_subset", "digits", 1),
        ("dm", "digits", 1),
        ("pieces", "digits", 1),
        ("random_subset", "digits", 2),
        ("dm", "digits", 2),
    ]


def test_a_try_runs_on_the_holdout_with_the_first_seed_and_the_first_evaluation(tmp_path: Path) -> None:
    dm = found(tmp_path)[1]
    job = dm.job({"image_lr": 0.5})
    assert isinstance(job.cell, Trial) and (job.label, job.cell.task) == ("dm", "digits:holdout")
    assert job.cell.seed == 3 and job.cell.hyperparameters["image_lr"] == 0.5
    assert job.cell.hyperparameters["real_batch"] == 16
    (evaluation,) = job.evaluations
    assert evaluation.settings == {"recipe": "ncfm-40", "network": "convnet-d1-w8-in", "copies": 2}


def test_it_is_the_grids_trial_but_for_the_task(tmp_path: Path) -> None:
    """The same distillation and the same retraining: what is tuned is what the board runs."""
    dm, whole = found(tmp_path)[1], grid.jobs(grid.load(tmp_path / "tuned.toml"))
    own = next(job for job in whole if job.label == "dm" and job.cell.seed == 3)
    here, there = dm.job({}), own
    assert here.cell == there.cell.model_copy(update={"task": "digits:holdout"})
    wanted = there.evaluations[0].model_copy(update={"trial": here.id})
    assert here.evaluations == (wanted,)


def test_exceptions_hold_at_their_task_and_size(tmp_path: Path) -> None:
    exception = '[[method.dm.where]]\ntask = "digits"\nipc = 2\nreal_batch = 8\n\n[evaluator.retrain]'
    built = {row.place[2]: row.build({}) for row in found(tmp_path, "[evaluator.retrain]", exception)[1::3]}
    assert {ipc: expand.plain(method)["real_batch"] for ipc, method in built.items()} == {1: 16, 2: 8}


def test_a_pace_knows_what_its_method_is(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text((Path(__file__).parents[3] / "methods" / "dm.py").read_text())
    mine = found(tmp_path, "[method.dm]", f'[method.dm]\nbase = "{tmp_path}/mine.py"')[1]
    before = mine.pace(3.0)
    assert isinstance(before.cell, Study) and before.cell.task == "digits:holdout"
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "\n")
    assert mine.pace(3.0).id != before.id


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"digits"',
            '"digits:holdout"',
            "task 'digits:holdout' is already a holdout, .* name the task 'digits'",
        ),
        (
            "real_batch = 16",
            "real_batch = [8, 16]",
            r"method.dm: real_batch = \[8, 16\]: a tuned row has one value",
        ),
        (
            '[evaluator.retrain]\nrecipe = ["ncfm-40", "native"]\ncopies = 2',
            "",
            "no evaluator to choose by",
        ),
        ("[method.dm]", "[method.dmm]", "unknown method 'dmm'; did you mean 'dm'"),
        ("ipc = [1]\n", "ipc = [7]\n", r"method.pieces: ipc \[7\] is not among the grid's"),
    ],
)
def test_a_grid_that_cannot_be_tuned_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        found(tmp_path, old, new)


def test_a_grid_of_studies_has_nothing_to_tune(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('title = "a"\ntasks = ["digits"]\nipc = [1]\nseeds = [0]\n[study.gradient_study]\n')
    with pytest.raises(ValueError, match=r"no \[method.NAME\], so there is nothing to tune"):
        rows(grid.load(path))


def test_an_evaluator_without_an_accuracy_cannot_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.evaluator("label_robust"), "scores", ())
    first = "[evaluator.label_robust]\n\n[evaluator.retrain]\n"
    with pytest.raises(ValueError, match=r"evaluator\.label_robust has no score 'accuracy', .* write \[eval"):
        found(tmp_path, "[evaluator.retrain]\n", first)
