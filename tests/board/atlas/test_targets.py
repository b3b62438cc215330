"""The figures of all entries, and the files that come with the package."""

from pathlib import Path

from suite.board.atlas.targets import COSTS, REPORTED, each_figure
from suite.board.reported import Reported, reported

RESULTS = Path(__file__).parents[3] / "results"


def entry(task: str, method: str, *sizes: int) -> Reported:
    figures = tuple((size, 50.0) for size in sizes)
    return Reported(task=task, method=method, figures=figures, source="a paper")


def test_every_figure_is_yielded_by_task_and_method() -> None:
    entries = [entry("b", "x", 10, 1), entry("a", "y", 1), entry("a", "x", 50)]
    found = [(each.task, each.method, figure[0]) for each, figure in each_figure(entries)]
    assert found == [("a", "x", 50), ("a", "y", 1), ("b", "x", 10), ("b", "x", 1)]


def test_the_packages_files_are_those_of_results() -> None:
    assert REPORTED.read_bytes() == (RESULTS / "reported.toml").read_bytes()
    assert COSTS.read_bytes() == (RESULTS / "costs.toml").read_bytes()
    assert len(list(each_figure(reported(REPORTED)))) > 250
