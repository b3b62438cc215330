"""One printed figure by name: found, or refused with what there is."""

from pathlib import Path

import pytest

from suite.cli.reproducing.reproduction import find, published
from suite.experiments import grid
from suite.records.cells import Trial

RESULTS = Path(__file__).parents[3] / "results"


def test_a_family_stands_for_the_preprocessing_of_the_paper() -> None:
    found = find("rat_bptt", "cifar10", 10)
    assert found.name == "rat_bptt-cifar10-zca-ipc10" and found.target.recipe == "rat-bptt-1000"
    assert [each.entry.text(10) for each in found.printed] == ["69.4 ± 0.4"]
    assert find("rat_bptt", "cifar10-zca", 10) == found


def test_figures_under_several_recipes_are_one_cell_with_an_evaluation_for_each() -> None:
    found = find("random_subset", "cifar10", 10)
    assert [each.entry.text(10) for each in found.printed] == ["26.0 ± 1.2", "31.0 ± 0.5"]
    jobs = grid.jobs(found.grid(2, 3, ()))
    assert [len(job.evaluations) for job in jobs] == [2, 2]
    recipes = [cell.settings["recipe"] for cell in jobs[0].evaluations]
    assert recipes == ["dc-300", "dsa-1000"] and jobs[0].evaluations[0].settings["copies"] == 3


def test_the_grid_has_the_published_settings() -> None:
    (job,) = grid.jobs(find("rat_bptt", "cifar10", 10).grid(1, 1, ()))
    assert isinstance(job.cell, Trial)
    assert (job.cell.hyperparameters["window"], job.cell.hyperparameters["unroll"]) == (60, 200)


def test_what_is_printed_and_what_it_costs_is_told_before() -> None:
    where, printed, cost = find("rat_bptt", "cifar10", 10).before(3)
    assert where == "rat_bptt on cifar10-zca, 10 images per class, network convnet-d3-w128-in"
    assert printed.startswith("printed: 69.4 ± 0.4 (RaT-BPTT (arXiv 2311.07025), quoted")
    assert printed.endswith("second hand); here recipe rat-bptt-1000")
    assert cost.startswith("cost: about 8,248 device-seconds for each of 3 sets on one NVIDIA H200")
    *_, unknown = find("dm", "cifar10", 10).before(1)
    assert unknown.startswith("cost: unknown")


def test_without_a_store_the_status_is_that_nothing_was_run(tmp_path: Path) -> None:
    lines = list(find("dm", "cifar10", 10).after(tmp_path / "none"))
    assert lines[0] == "status: not run; cost unknown; 48.9 ± 0.6 printed"
    assert len(lines) == 2 and lines[1].endswith("47.64 printed")  # DC-Bench's, under the same recipe


@pytest.mark.parametrize(
    ("method", "task", "ipc", "message"),
    [
        (
            "rat_bptt",
            "cifar10",
            5,
            "on cifar10 at 5 images per class; there are some at 1, 10, 50",
        ),
        ("rat_bptt", "svhn", 1, "no figure is printed for rat_bptt on svhn; there are some on cifar10-zca, "),
        ("dm", "cifar10-zca", 10, "no figure is printed for dm on cifar10-zca; there are some on cifar10, "),
        ("rat_bpt", "cifar10", 1, "no figure is printed for method 'rat_bpt'; did you mean 'rat_bptt'"),
        (
            "cafe",
            "cifar10",
            10,
            "cafe is not a method here; those of other methods can: .*dc, dm, dream, dsa",
        ),
    ],
)
def test_what_is_not_printed_is_refused_with_what_is(method: str, task: str, ipc: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find(method, task, ipc)


def test_an_atlas_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        published([tmp_path])


def test_a_store_may_bring_its_own_figures(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    text = '[[reported]]\ntask = "digits"\nmethod = "dm"\nsource = "a paper"\nfigures = [[1, 12.5]]\n'
    (tmp_path / "reported.toml").write_text(text)
    page = published([tmp_path])
    assert "1 printed accuracies" in page and "12.5 ¹" in page and "cifar10" not in page
