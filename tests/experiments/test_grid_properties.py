"""What holds of every grid: one trial for each combination, each once, whatever the order of the lists."""

from math import prod
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suite.experiments import grid
from suite.records.cells import Trial

CHOICES: dict[str, list[Any]] = {
    "unroll": [60, 80, 200],
    "window": [1, 20, 40, 60],
    "outer_lr": [0.001, 0.01],
    "learn_labels": [True, False],
}
FAST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
lists = st.fixed_dictionaries(
    {}, optional={key: st.lists(st.sampled_from(of), min_size=1, unique=True) for key, of in CHOICES.items()}
)
sizes = st.lists(st.integers(1, 20), min_size=1, max_size=3, unique=True)
seeds = st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)


def toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def written(path: Path, ipc: list[int], seeds: list[int], values: dict[str, list[Any]]) -> Path:
    lines = ['title = "a grid"', 'tasks = ["digits"]', f"ipc = {ipc}", f"seeds = {seeds}"]
    lines += ['network = "convnet-d1-w8-in"', "[method.random_subset]", "[method.rat_bptt]"]
    lines += [f"{key} = [{', '.join(map(toml, of))}]" for key, of in values.items()]
    lines += ["[evaluator.retrain]", "copies = 1"]
    path.write_text("\n".join(lines))
    return path


def trials(path: Path) -> list[Trial]:
    return [job.cell for job in grid.jobs(grid.load(path)) if isinstance(job.cell, Trial)]


@given(sizes, seeds, lists)
@FAST
def test_every_combination_is_a_trial_and_none_is_twice(
    tmp_path: Path, ipc: list[int], seeds: list[int], values: dict[str, list[Any]]
) -> None:
    found = trials(written(tmp_path / "grid.toml", ipc, seeds, values))
    count = len(ipc) * len(seeds)
    assert len(found) == count * (1 + prod(map(len, values.values())))
    assert len({trial.id for trial in found}) == len(found)
    for trial in (each for each in found if each.method == "rat_bptt"):
        assert all(trial.hyperparameters[key] in of for key, of in values.items())


@given(sizes, seeds, lists)
@FAST
def test_the_order_of_lists_changes_no_cell(
    tmp_path: Path, ipc: list[int], seeds: list[int], values: dict[str, list[Any]]
) -> None:
    turned = {key: of[::-1] for key, of in reversed(values.items())}
    one = trials(written(tmp_path / "one.toml", ipc, seeds, values))
    other = trials(written(tmp_path / "other.toml", ipc[::-1], seeds[::-1], turned))
    assert {trial.id for trial in one} == {trial.id for trial in other}
