"""What is said before compute: networks that were chosen, and records on other data."""

from pathlib import Path

import pytest
from typer.testing import Result

from suite.cli.running.announced import lost_sets, on_other_data, say_networks
from suite.experiments import grid
from suite.experiments.resources import Resources
from suite.records.store import Store
from tests.support.command_line import ratbench
from tests.support.job_runs import complete

TASKS = '["digits", "cifar10", "tiny-imagenet"]'


def test_networks_are_told_only_where_they_were_chosen(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_networks(grid.load(quick))
    assert capsys.readouterr().out == ""
    text = quick.read_text().replace('network = "convnet-d1-w8-in"\n', "").replace('["digits"]', TASKS)
    quick.write_text(text)
    say_networks(grid.load(quick))
    said = capsys.readouterr().out
    assert "network: convnet-d3-w128-in for digits, cifar10, by image size" in said
    assert "network: convnet-d4-w128-in for tiny-imagenet, by image size" in said


def test_cells_that_are_recorded_on_other_data_are_told(quick: Path, store: Store) -> None:
    job, *_ = grid.jobs(grid.load(quick))
    assert not list(on_other_data([job], store))
    complete(job, store, Resources())
    data = next(iter(store.records(job.id))).data
    others = [job.model_copy(update={"data": "f" * 64})]
    (line,) = on_other_data(others, store)
    assert f"{len(job.cells)} cells were recorded on data {data[:12]}" in line
    assert "the task has data ffffffffffff now: to do again" in line
    assert not list(on_other_data([job.model_copy(update={"data": data})], store))


def test_sets_that_are_lost_are_told_and_to_do_again(
    copied: Path, finished: tuple[Path, Path, Result]
) -> None:
    assert not list(lost_sets(grid.jobs(grid.load(finished[0])), Store(copied)))
    path = sorted(copied.glob("artefacts/*.safetensors"))[0]
    path.unlink()
    for words in (["--dry-run"], ["--inline"]):
        said = ratbench("run", finished[0], "--store", copied, *words).stdout
        assert f": {path} is missing\n" in said and "4 cells, 3 done, 1 to do" in said
        assert "1 finished trial without the set of the record: to distil again" in said
    assert path.is_file()
    assert "0 to do" in ratbench("run", finished[0], "--store", copied, "--dry-run").stdout


def test_many_are_counted(copied: Path, finished: tuple[Path, Path, Result]) -> None:
    (copied / "artefacts").rename(copied / "elsewhere")
    jobs = grid.jobs(grid.load(finished[0]))
    *named, more, counted = lost_sets(jobs * 7, Store(copied))
    assert len(named) == 10 and more == "… and 4 more" and counted.startswith("14 finished trials without")
