"""results/reported.toml: what it must hold, and what is refused."""

from pathlib import Path

import pytest

from suite.board.cells import TableKey
from suite.board.reported import PaperFigures, Reported, figures, reported
from suite.core.data.task_info import family
from suite.core.names import STANDARD_NETWORK as STANDARD
from suite.experiments import grid
from suite.experiments.tables import grid_files

ROOT = Path(__file__).parents[2]


def test_the_published_figures_can_be_read() -> None:
    entries = reported(ROOT / "results" / "reported.toml")
    found = {(e.task, e.method, e.network): e for e in entries}
    rat = found["cifar10", "rat_bptt", STANDARD]
    assert [rat.text(ipc) for ipc in (1, 10, 50, 100)] == ["53.2 ± 0.7", "69.4 ± 0.4", "75.3 ± 0.3", ""]
    assert found["cifar10", "full_data", STANDARD].text(0) == "84.8 ± 0.1"
    assert ("fashion-mnist", "rat_bptt", STANDARD) not in found
    assert all(0 < figure[1] <= 100 for entry in entries for figure in entry.figures)


def test_unknown_keys_of_reported_figures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "reported.toml"
    path.write_text("[[figures]]\n")
    with pytest.raises(ValueError, match="unknown key 'figures'"):
        reported(path)


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reported.toml"
    entry = '[[reported]]\ntask = "digits"\nmethod = "kip"\nsource = "a paper"\nfigures = [[1, 50.0]]\n'
    path.write_text(entry * 2)
    with pytest.raises(ValueError, match="kip on digits from 'a paper' is listed twice"):
        reported(path)


def test_a_figure_is_of_one_size_network_and_task_family() -> None:
    entry = Reported(task="cifar10", method="kip", figures=((1, 49.9, 0.2), (10, 62.0)), source="a paper")
    key = TableKey("cifar10-zca", 10, STANDARD, "")
    assert figures([entry], key, "kip") == PaperFigures(same_network=(entry,))
    assert (entry.text(1), entry.text(10)) == ("49.9 ± 0.2", "62.0")
    assert figures([entry], key._replace(network="mlp-w128"), "kip") == PaperFigures(other_networks=(entry,))
    assert figures([entry], key, "frepo") == PaperFigures()
    for other in (key._replace(task="cifar10:holdout"), key._replace(ipc=50)):
        assert figures([entry], other, "kip") == PaperFigures()


def test_reported_figures_stand_beside_the_rows_of_the_full_benchmark() -> None:
    """Under its rows' names, but for methods that are not run here."""
    rows = {job.label for job in grid.jobs(grid.load(grid_files.locate("paper")))}
    others = "at_bptt bptt cafe haba hmn inf_match kip label_solve speed"
    labels = {entry.method for entry in reported(ROOT / "results" / "reported.toml")}
    assert labels - rows == set(others.split())


def test_a_figure_is_shown_with_the_decimals_of_its_source() -> None:
    entry = Reported(task="cifar10", method="dm", figures=((1, 29.34), (10, 56.0, 0.25)), source="a paper")
    assert (entry.text(1), entry.text(10)) == ("29.34", "56.0 ± 0.25")


def test_whitened_variants_are_of_one_family_and_told_in_the_note() -> None:
    entry = Reported(task="cifar10", method="dm", figures=((1, 29.3),), source="a paper", preprocessing="zca")
    assert entry.variant == "cifar10-zca" and family("cifar10-zca") == family("cifar10") == "cifar10"
    assert entry.note == "a paper; images preprocessed as in cifar10-zca"
    assert entry.note_beside("cifar10-zca") == entry.note
    assert entry.note_beside("cifar10").endswith("; other preprocessing: zca")
    plain = entry.model_copy(update={"preprocessing": "plain"})
    assert plain.note_beside("cifar10-zca") == "a paper; other preprocessing: plain"
    unknown = entry.model_copy(update={"preprocessing": None})
    assert unknown.note_beside("cifar10-zca") == unknown.note_beside("cifar10") == "a paper"
    assert (plain.variant, plain.note) == ("cifar10", "a paper")


def test_every_comparable_figure_has_a_recipe_and_a_preprocessing() -> None:
    """And what was read in another paper says where."""
    for entry in reported(ROOT / "results" / "reported.toml"):
        assert not entry.our_recipe or entry.preprocessing or entry.task == "imagenet-64"
        if "quoted in" in entry.source:
            assert entry.second_hand, entry
