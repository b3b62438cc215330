"""Grid files on top of others, and what they say of mistakes."""

from pathlib import Path

import pytest

from suite.experiments import grid
from suite.experiments.tables import grid_files

UNDER = """
title = "under"
tasks = ["digits"]
ipc = [1]
seeds = [0]

[method.dm]
steps = 5
image_lr = 0.5

[method.k_means]

[evaluator.retrain]
copies = 2
"""


@pytest.fixture
def under(tmp_path: Path) -> Path:
    (tmp_path / "under.toml").write_text(UNDER)
    return tmp_path


def over(folder: Path, text: str) -> Path:
    path = folder / "over.toml"
    path.write_text(text)
    return path


def test_keys_and_rows_replace_those_of_the_grid_below(under: Path) -> None:
    path = over(
        under, 'base = "under.toml"\ntitle = "over"\nseeds = [3]\n[method.dm]\nsteps = 7\n[method.dc]\n'
    )
    found = grid.load(path)
    assert (found.title, found.seeds, found.ipc) == ("over", [3], [1])
    assert list(found.method) == ["dm", "k_means", "dc"] and list(found.evaluator) == ["retrain"]
    assert grid.given(found, "dm", "digits", 1)["steps"] == 7
    assert "image_lr" not in grid.given(found, "dm", "digits", 1), "a row is replaced as a whole"


def test_a_row_can_be_left_out(under: Path) -> None:
    found = grid.load(over(under, 'base = "under.toml"\nmethod.k_means = false\n'))
    assert list(found.method) == ["dm"]


def test_a_packaged_grid_can_lie_below(tmp_path: Path) -> None:
    found = grid.load(
        over(tmp_path, 'base = "cifar10-small"\nseeds = [5]\n[budget]\ndevice_seconds = [1, 2]\n')
    )
    assert "rat_bptt" in found.method and found.seeds == [5]
    tuned = {job.label for job in grid.jobs(found) if job.tuned}
    assert "rat_bptt" in tuned, "its settings file is found from its own folder"


def test_several_can_lie_on_each_other(under: Path) -> None:
    (under / "middle.toml").write_text('base = "under.toml"\nipc = [2]\n[method.dc]\n')
    found = grid.load(over(under, 'base = "middle.toml"\ntitle = "top"\n'))
    assert (found.title, found.ipc, list(found.method)) == ("top", [2], ["dm", "k_means", "dc"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "over.toml"', r"over\.toml: base: the grid is based on itself"),
        ('base = "absent.toml"', r"over\.toml: base: no file '.*absent\.toml'"),
        (
            'base = "cifar10-smal"',
            r"over\.toml: base: unknown grid 'cifar10-smal'; did you mean 'cifar10-small'",
        ),
        ("base = 3", r"over\.toml: base: unknown grid '3'"),
        ('base = "under.toml"\nmethod = 3', r"over\.toml: method: "),
        ('base = "under.toml"\nmethod.dn = false', r"method\.dn = false: .* did you mean 'dm'"),
        ('base = "under.toml"\nsettings = 3', r"over\.toml: settings: input should be a valid string"),
        ('base = "under.toml"\nbasis = 3', r"over\.toml: unknown key 'basis'"),
    ],
)
def test_mistakes_are_named(under: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid.load(over(under, text))


def test_a_mistake_below_names_the_file_in_which_it_is(under: Path) -> None:
    (under / "under.toml").write_text("title = ")
    with pytest.raises(ValueError, match=r"under\.toml: Invalid value"):
        grid.load(over(under, 'base = "under.toml"'))


def test_names_are_those_of_grids_and_not_of_settings_files() -> None:
    assert "cifar10-small" in grid_files.names() and not any(
        "settings" in name for name in grid_files.names()
    )
