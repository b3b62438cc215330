"""Random subsets as references: ordinary trials, asked for once, trained as every method is."""

from itertools import product
from pathlib import Path

import pytest

from suite.board import files
from suite.board.dd_ranking import HLR, IOR, LRS, RELABELLED_SCORES, normalised
from suite.experiments import grid
from suite.experiments.job_runner import run
from suite.experiments.resources import Resources
from suite.records.cells import RANDOM, RELABELLED, Evaluation, Reference, Trial
from suite.records.jobs import Job
from suite.records.store import Store

REFERENCE = "\n[reference]\nepochs = 2\nrandom = 3\n"
ROBUST = "\n[evaluator.label_robust]\ncopies = 1\n"


def jobs(path: Path, text: str, **replaced: str) -> list[Job]:
    content = path.read_text() + text
    for old, new in replaced.items():
        assert old in content
        content = content.replace(old, new)
    path.write_text(content)
    return grid.jobs(grid.load(path))


def subsets(found: list[Job]) -> list[Job]:
    return [job for job in found if isinstance(job.cell, Trial) and job.cell.method == RANDOM]


def settings(job: Job, evaluator: str) -> list[dict[str, object]]:
    return [cell.settings for cell in job.evaluations if cell.evaluator == evaluator]


def test_draws_take_the_grids_seeds_first(tiny: Path) -> None:
    found = jobs(tiny, REFERENCE, **{"seeds = [0]": "seeds = [5, 1]", "ipc = [1]": "ipc = [1, 2]"})
    assert isinstance(found[0].cell, Reference)
    assert [(job.ipc, job.cell.seed) for job in subsets(found)] == list(product((1, 2), (5, 1, 0)))


def test_fewer_draws_than_seeds(tiny: Path) -> None:
    text = REFERENCE.replace("3", "1")
    found = jobs(tiny, text, **{"seeds = [0]": "seeds = [4, 2]", "[method.random_subset]": ""})
    assert [job.cell.seed for job in subsets(found)] == [4]


def test_a_grid_that_lists_the_method_has_the_same_cells(tiny: Path) -> None:
    alone = tiny.with_name("alone.toml")
    alone.write_text(tiny.read_text().replace("[method.random_subset]", ""))
    both = {job.id: job for job in subsets(jobs(tiny, REFERENCE))}
    other = {job.id: job for job in subsets(jobs(alone, REFERENCE))}
    assert both == other and len(both) == 3


def test_its_label_is_that_of_the_grids_row(tiny: Path) -> None:
    found = jobs(tiny, REFERENCE, **{"[method.random_subset]": '[method.chance]\nbase = "random_subset"'})
    assert {job.label for job in subsets(found)} == {"chance"} and len(subsets(found)) == 3


def test_it_is_trained_under_every_methods_recipe(tiny: Path) -> None:
    found = jobs(tiny, REFERENCE + ROBUST, **{'["rat-bptt-1000"]': '["dsa-1000", "native"]'})
    by_label = {job.label: job for job in found}
    assert {str(each["recipe"]) for each in settings(by_label[RANDOM], "retrain")} == {
        "dsa-1000",
        "rat-bptt-1000",
    }
    assert [each["native_recipe"] for each in settings(by_label[RANDOM], "label_robust")] == [
        "dsa-1000",
        "rat-bptt-1000",
    ]
    assert [each["native_recipe"] for each in settings(by_label["rat_bptt"], "label_robust")] == [
        "rat-bptt-1000"
    ]
    seeds = {cell.seed for job in found if job.cell.seed == 0 for cell in job.evaluations}
    assert len(seeds) == 1  # the same fresh networks


def test_ids_depend_on_no_grid(tiny: Path) -> None:
    plain = tiny.with_name("plain.toml")
    plain.write_text(tiny.read_text())
    before = {cell.id for job in jobs(plain, "\n[reference]\nepochs = 2\n") for cell in job.cells}
    other = {"A grid for tests": "Another", "window = 2": "window = 3"}
    with_draws = {cell.id for job in jobs(tiny, REFERENCE, **other) for cell in job.cells}
    kept = {job.id for job in grid.jobs(grid.load(plain)) if job.label != "rat_bptt"}
    assert kept <= before & with_draws


def test_the_title_names_the_own_recipe() -> None:
    asked = {"native_recipe": "rat-bptt-1000", "recipe": "dsa-1000"}
    assert Evaluation(trial="a", evaluator="label_robust", settings=asked, seed=0).title == (
        "label_robust rat-bptt-1000"
    )


def test_from_grid_to_scores(tiny: Path, store: Store, resources: Resources) -> None:
    """A grid of label_robust alone: what it trains and its references make the board's scores."""
    asked = '[evaluator.label_robust]\nrecipe = ["rat-bptt-1000"]\ncopies = 1'
    replaced = {'[evaluator.retrain]\nrecipe = ["rat-bptt-1000"]\ncopies = 2': asked}
    reference = '\n[reference]\nepochs = 1\nrecipe = "rat-bptt-1000"\nrandom = 1\n'
    for job in jobs(tiny, reference, **replaced):
        list(run(job, store, resources))
    made = {row.name: row.robustness for row in files.load([store.path]).tables[0].rows}
    rat_bptt, chance = made["rat_bptt"], made["random_subset"]
    ior, hlr = (rat_bptt.scores[score].mean for score in (IOR, HLR))
    assert rat_bptt.native_recipe == "rat-bptt-1000" and hlr != ior
    means = {training.name: interval.mean for training, interval in rat_bptt.accuracies.items()}
    assert ior == pytest.approx(means["set_native"] - means["random_native"])
    assert hlr == pytest.approx(means["full_hard"] - means["set_hard"])
    assert rat_bptt.scores[LRS].mean == pytest.approx(normalised(0.5 * ior - 0.5 * hlr), abs=1e-8)
    assert chance.scores[IOR].mean == 0


RELABEL = "relabelled = true\n"


def relabelled(found: list[Job]) -> list[Job]:
    return [job for job in found if isinstance(job.cell, Trial) and job.cell.method == RELABELLED]


def test_relabelled_subsets_are_further_trials_with_the_same_draws_and_recipes(tiny: Path) -> None:
    alone = tiny.with_name("alone.toml")
    alone.write_text(tiny.read_text())
    before = {cell.id for job in jobs(alone, REFERENCE) for cell in job.cells}
    found = jobs(tiny, REFERENCE + RELABEL)
    made = {cell.id for job in relabelled(found) for cell in job.cells}
    assert {cell.id for job in found for cell in job.cells} == before | made and not before & made
    assert [job.cell.seed for job in relabelled(found)] == [job.cell.seed for job in subsets(found)]
    teacher = {"network": "convnet-d1-w8-in", "epochs": 20, "training": "dc-300"}
    for mine, plain in zip(relabelled(found), subsets(found), strict=True):
        assert isinstance(mine.cell, Trial) and mine.cell.hyperparameters == teacher
        assert [each.settings for each in mine.evaluations] == [each.settings for each in plain.evaluations]


def test_a_row_with_another_teacher_is_a_row_of_its_own(tiny: Path) -> None:
    rows = '[method.{}]\nbase = "random_relabelled"\nepochs = {}\n'
    text = rows.format("usual", 20) + rows.format("short", 5)
    found = relabelled(jobs(tiny, text + REFERENCE + RELABEL))
    epochs = {(job.label, job.cell.hyperparameters["epochs"]) for job in found if isinstance(job.cell, Trial)}
    assert epochs == {("usual", 20), ("short", 5)} and len(found) == 3 + 1


def test_from_grid_to_both_scores_of_soft_labels(tiny: Path, store: Store, resources: Resources) -> None:
    row = "\n[method.rded]\ncandidates = 8\nepochs = 1\n"
    asked = '[evaluator.label_robust]\nnative_recipe = "ncfm-40"\nrecipe = "ncfm-40"\ncopies = 1'
    replaced = {'[evaluator.retrain]\nrecipe = ["rat-bptt-1000"]\ncopies = 2': asked}
    reference = '\n[reference]\nepochs = 1\nrecipe = "ncfm-40"\nrandom = 1\n'
    for job in jobs(tiny, row + reference + RELABEL, **replaced):
        list(run(job, store, resources))
    made = {row.name: row.robustness for row in files.load([store.path]).tables[0].rows}
    second = RELABELLED_SCORES[IOR]
    accuracies = {training.name: each.mean for training, each in made["rded"].accuracies.items()}
    for score, other in ((IOR, "random_native"), (second, "relabelled_native")):
        wanted = accuracies["set_native"] - accuracies[other]
        assert made["rded"].scores[score].mean == pytest.approx(wanted)
    assert made["random_relabelled"].scores[second].mean == 0
    assert second not in made["rat_bptt"].scores and second not in made["random_subset"].scores


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relabelled = true", "reference: relabelled = true needs random subsets; add random = 3"),
        ("random = -1", "reference.random: input should be greater than or equal to 0"),
        ("randon = 3", "unknown key 'randon'; did you mean 'random'?"),
        ('recipe = "dsa-100"', "reference.recipe: unknown recipe 'dsa-100'; did you mean 'dsa-1000'?"),
    ],
)
def test_what_is_no_good_is_refused(tiny: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        jobs(tiny, f"\n[reference]\nepochs = 2\n{text}\n")
