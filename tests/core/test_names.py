"""Open tables: their own names, those of files and of installed packages."""

from pathlib import Path

import pytest

from suite.core.names import Table, UnknownName, did_you_mean
from tests.support.packages import write_package


@pytest.fixture
def colours() -> Table[str]:
    return Table("colour", {"red": "#f00", "green": "#0f0"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, one of which brings a colour."""
    monkeypatch.syspath_prepend(tmp_path)
    return write_package(tmp_path, "paints", {"colours": {"dots": "string:punctuation", "gone": "no_such:X"}})


def test_did_you_mean() -> None:
    assert did_you_mean("gren", ["red", "green"]) == "did you mean 'green'?"
    assert did_you_mean("x", ["red", "green"]) == "known: green, red"
    assert did_you_mean("x", []) == "known: none"
    assert did_you_mean("segment", ["checkpoint_every", "steps"]) == "it is now called 'checkpoint_every'"
    assert did_you_mean("segment", ["segments", "steps"]) == "did you mean 'segments'?"


def test_an_unknown_name_is_a_value_error_and_a_key_error(colours: Table[str]) -> None:
    assert colours.get("gren") is None and "gren" not in colours
    with pytest.raises(UnknownName, match="unknown colour 'gren'; did you mean 'green'"):
        colours["gren"]


def test_a_name_has_one_owner(colours: Table[str]) -> None:
    colours.add("blue", "#00f", owner="mine.py")
    colours.add("blue", "#00e", owner="mine.py")  # which was edited
    assert colours["blue"] == "#00e" and colours.owner("blue") == "mine.py" and len(colours) == 3
    assert colours.owner("red") == "RaT-Bench"
    for name, owner in (("red", "RaT-Bench"), ("blue", "mine.py")):
        with pytest.raises(ValueError, match=f"colour '{name}' of other.py is taken by {owner}; rename it"):
            colours.add(name, "", owner="other.py")


def test_packages_bring_values(colours: Table[str], folder: Path) -> None:
    assert set(colours) == {"red", "green", "dots", "gone"}
    assert colours["dots"].startswith("!") and colours.owner("dots") == "the package paints"
    with pytest.raises(ValueError, match="colour 'gone' of the package paints cannot be imported: Module"):
        colours["gone"]


def test_a_package_does_not_take_a_name_that_is_taken(colours: Table[str], folder: Path) -> None:
    write_package(folder, "rival", {"colours": {"red": "string:digits", "dots": "string:digits"}})
    for name, owners in (
        ("red", "the package rival and RaT-Bench"),
        ("dots", "the package paints and the package rival"),
    ):
        with pytest.raises(ValueError, match=f"colour '{name}' comes with {owners}; rename its entry point"):
            colours[name]
