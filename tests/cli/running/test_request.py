"""What a run is asked for."""

from pathlib import Path

import pytest

from suite.cli.running.request import Request


def test_a_store_is_by_default_named_after_the_grid(tmp_path: Path) -> None:
    assert Request("demo").folder == Path("runs/demo")
    assert Request(str(tmp_path / "mine.toml")).folder == Path("runs/mine")
    assert Request("demo", store=tmp_path).folder == tmp_path


def test_two_files_of_one_name_have_two_plans(tmp_path: Path) -> None:
    """Else cells of the first would no longer be missed."""
    one, two = (str(tmp_path / folder / "mine.toml") for folder in ("a", "b"))
    assert Request("demo").plan == "demo" and Request(one).plan.startswith("mine-")
    assert Request(one).plan == Request(one).plan != Request(two).plan


def test_a_cluster_and_inline_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="--inline runs without Ray: leave out --address"):
        Request("demo", inline=True, address="auto")


def test_settings_change_the_grids_jobs(quick: Path) -> None:
    one, two = Request(str(quick)), Request(str(quick), settings=("seeds=[0, 1]",))
    assert len(two.jobs()) == 2 * len(one.jobs()) == 4
