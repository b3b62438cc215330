"""Evaluators' tables under names of their own: by an evaluator's name, or by the path of a file."""

from pathlib import Path

import pytest

from suite.experiments import grid
from suite.experiments.cells.evaluation import build_evaluator
from suite.records.cells import Evaluation, Trial
from tests.support.job_runs import one

TITLE = 'title = "x"\ntasks = ["digits"]\nipc = [1]\nseeds = [0]\n[method.random_subset]\n'


def evaluations(folder: Path, tables: str) -> tuple[Evaluation, ...]:
    path = folder / "grid.toml"
    path.write_text(TITLE + tables)
    (job,) = grid.jobs(grid.load(path))
    return job.evaluations


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text("from tests.support.broken_evaluators import Honest\n\nEVALUATOR = Honest\n")
    return path


def test_a_table_has_a_name_of_its_own(tmp_path: Path) -> None:
    plain, named = evaluations(
        tmp_path, '[evaluator.retrain]\n[evaluator.deeper]\nbase = "retrain"\nnetwork = "mlp-w8"\n'
    )
    assert (plain.evaluator, plain.base) == ("retrain", "")
    assert (named.evaluator, named.base, named.source) == ("deeper", "retrain", "")
    assert build_evaluator(named).network == "mlp-w8"  # type: ignore[attr-defined]


def test_a_file_is_named_by_its_path_and_sha256(tmp_path: Path, mine: Path) -> None:
    (first,) = evaluations(tmp_path, f'[evaluator.mine]\nbase = "{mine}"\ncopies = 3\n')
    assert (first.evaluator, first.base, len(first.source)) == ("mine", str(mine), 64)
    assert type(build_evaluator(first)).__name__ == "Honest"
    mine.write_text(mine.read_text() + "# edited\n")
    (edited,) = evaluations(tmp_path, f'[evaluator.mine]\nbase = "{mine}"\ncopies = 3\n')
    assert edited.id != first.id


def test_an_edited_recipe_of_a_plug_in_gives_other_evaluations(tmp_path: Path) -> None:
    """Those of other methods, too: random subsets are compared under the recipe of every method."""
    recipes = tmp_path / "recipes.py"
    text = (
        "from dataclasses import replace\n"
        "from suite.core.training.recipes import RECIPES as KNOWN\n"
        "from suite.plugins.methods.random_subset import METHOD\n"
        "RECIPES = (replace(KNOWN['dc-300'], name='expanded-3', epochs=3),)\n"
    )
    tables = '[method.mine]\nbase = "recipes.py"\n[evaluator.retrain]\nrecipe = ["expanded-3", "dc-300"]\n'
    found = []
    for epochs in ("3", "4"):
        recipes.write_text(text.replace("epochs=3", f"epochs={epochs}"))
        (tmp_path / "grid.toml").write_text(TITLE + tables.replace("recipes.py", str(recipes)))
        jobs = grid.jobs(grid.load(tmp_path / "grid.toml"))
        found.append(one(jobs, "random_subset").evaluations)
    (first, plain), (edited, same) = found
    assert first.id != edited.id and len(first.source) == len(edited.source) == 64
    assert plain == same and plain.source == ""


def test_a_table_does_not_take_the_name_of_another_evaluator(tmp_path: Path, mine: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluator.retrain: base .*: 'retrain' is another evaluator"):
        evaluations(tmp_path, f'[evaluator.retrain]\nbase = "{mine}"\n')


def test_mistakes_name_the_table(tmp_path: Path, mine: Path) -> None:
    with pytest.raises(ValueError, match=r"evaluator.mine: unknown key 'copys'; did you mean 'copies'"):
        evaluations(tmp_path, f'[evaluator.mine]\nbase = "{mine}"\ncopys = 3\n')


def test_a_setting_that_came_later_is_part_of_a_cell_only_where_it_is_set(tmp_path: Path) -> None:
    """So that cells of earlier releases keep their ids."""
    path = tmp_path / "grid.toml"
    table = "[method.rat_bptt]\neps_inside = [false, true]\n"
    path.write_text(TITLE.replace("[method.random_subset]\n", table))
    old, new = (job.cell for job in grid.jobs(grid.load(path)))
    assert isinstance(old, Trial) and isinstance(new, Trial)
    assert "eps_inside" not in old.hyperparameters and new.hyperparameters["eps_inside"] is True
    assert new.hyperparameters == {**old.hyperparameters, "eps_inside": True}
