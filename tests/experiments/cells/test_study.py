"""Studies: asked for by a grid, resumed with the same bits, refused where they cannot work."""

from pathlib import Path

import pytest

from suite.experiments import grid, job_runner, preflight
from suite.experiments.resources import Resources
from suite.records.cells import Study
from suite.records.jobs import Job, Plan
from suite.records.store import Store
from tests.support.job_runs import complete, done

GRID = """
title = "A study"
tasks = ["digits"]
ipc = [1]
seeds = [0, 1]
network = "convnet-d1-w8-in"

[study.t_bptt]
base = "gradient_study"
truncation = "fixed"
unroll = [2, 4]
share = 0.5
initialisations = 4
real_batch = 32
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(GRID)
    return tmp_path / "study.toml"


def jobs(path: Path, old: str = "", new: str = "") -> list[Job]:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return grid.jobs(grid.load(path))


def test_a_grid_has_a_cell_for_each_setting_and_seed(path: Path) -> None:
    cells = [job.cell for job in jobs(path)]
    studies = [cell for cell in cells if isinstance(cell, Study)]
    assert [(cell.settings["unroll"], cell.seed) for cell in studies] == [(2, 0), (2, 1), (4, 0), (4, 1)]
    assert {cell.settings["network"] for cell in studies} == {"convnet-d1-w8-in"}
    assert len(Plan.of(jobs(path)).cells) == len(cells) == len(studies)


def test_a_study_cut_off_goes_on_with_the_same_bits(
    path: Path, store: Store, tmp_path: Path, resources: Resources
) -> None:
    job, other = jobs(path)[0], Store.create(tmp_path / "undisturbed")
    assert complete(job, other, resources) == {job.id: "done"}
    work = job_runner.run(job, store, resources, checkpoint_seconds=0.0)
    assert [next(work).step for _ in range(2)] == [1, 2]
    work.close()
    assert job_runner.missing(job, store) == [job.cell]
    assert [at.step for at in job_runner.run(job, store, resources)][:2] == [3, 4]
    for name in ("norm", "mean_gradient_norm", "cosine_to_full"):
        assert done(job, store).curve[name] == done(job, other).curve[name]
    assert done(job, store).attempts == 2 and done(job, store).test_reads == 0
    assert not (store.path / "checkpoints" / job.id).exists() and complete(job, store, resources) == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"gradient_study"',
            '"gradient_studdy"',
            "'gradient_studdy'; did you mean 'gradient_s",
        ),
        ("share = 0.5", "shares = 0.5", "study.t_bptt: unknown key 'shares'; did you mean 'share'"),
        ("share = 0.5", "share = 1.5", "share 1.5 must be above 0 and at most 1"),
        ('"convnet-d1-w8-in"', '"convnet-d9-w8-in"', "t_bptt on digits at ipc 1: .*too small for 9 blocks"),
        ("[study.t_bptt]", "[study.full_data]", "invalid row name 'full_data'"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(
    path: Path, resources: Resources, old: str, new: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        preflight.check(jobs(path, old, new), resources)


def test_a_grid_needs_a_method_or_a_study(path: Path) -> None:
    path.write_text(GRID[: GRID.index("[study")])
    with pytest.raises(ValueError, match=r"no \[method.NAME\] and no \[study.NAME\]"):
        grid.load(path)
