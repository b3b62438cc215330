"""Evaluations are repeated with the same bits on the same machine, and forged ones are found."""

import json
import shutil
from pathlib import Path

import pytest

from suite.core.examples import TestSplit
from suite.experiments.rescoring.repeating import Candidate, Candidates, Repeated, repeat
from suite.records.record import Record
from tests.support.command_line import ratbench
from tests.support.stores import change, content

GRID = """
title = "A grid to repeat"
tasks = ["digits"]
ipc = [1]
seeds = [0, 1]
network = "mlp-w16"
[method.random_subset]
[evaluator.retrain]
recipe = "dc-300"
copies = 3
[reference]
recipe = "dc-300"
epochs = 1
copies = 2
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "grid.toml").write_text(GRID)
    assert ratbench("run", folder / "grid.toml", "--store", folder / "store", "--inline").exit_code == 0
    return folder / "store"


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "store"))


def again(store: Path, of: str = "evaluation") -> Repeated:
    found = Candidates.of([store])
    chosen = next(each for each in found.choose(9, 0) if (of == "reference") == ("reference" in each.title))
    return repeat(chosen, *found.spreads(chosen))


def file_of(store: Path, chosen: Candidate) -> Path:
    return next((store / "records").glob(f"*/*/{chosen.cell}.json"))


@pytest.mark.parametrize("of", ["evaluation", "reference"])
def test_the_same_bits_come_again_and_nothing_is_written(of: str, store: Path) -> None:
    before = content(store)
    found = again(store, of)
    assert found.comparison.repeated == found.comparison.recorded and found.comparison.must_be_equal
    assert found.test_reads == 1 and content(store) == before


@pytest.mark.parametrize("points", [1, 2, 5])
def test_a_forged_record_is_found(points: int, store: Path) -> None:
    """Where the machine is another one, only a large cheat is: see the tests of judging."""
    chosen = next(each for each in Candidates.of([store]).choose(9, 0) if "reference" not in each.title)
    path = file_of(store, chosen)
    old = Record.model_validate_json(path.read_bytes()).scores
    raised = tuple((round(296 * each) + round(2.96 * points)) / 296 for each in old["accuracy"])
    change(path, scores={**old, "accuracy": raised})
    own = repeat(chosen, *Candidates.of([store]).spreads(chosen)).comparison
    assert own.repeated == old["accuracy"] and "bits must be equal" in own.reason(5)
    if points == 2:
        result = ratbench("audit", store, "--rescore", "9")
        assert (
            result.exit_code == 1 and "error: random_subset on digits ipc 1, retrain dc-300" in result.stdout
        )
        assert "3 evaluations repeated, 0 without a verdict, 0 not repeated, 1 error" in result.stdout


def test_the_choice_depends_on_the_seed_alone(store: Path) -> None:
    found = Candidates.of([store])
    assert len(found.every) == 3
    assert found.choose(2, 1) == Candidates.of([store]).choose(2, 1)
    assert len({tuple(each.cell for each in found.choose(2, seed)) for seed in range(20)}) > 1
    assert len(found.choose(9, 0)) == 3


def refused(store: Path, told: str) -> None:
    before = TestSplit.total_reads
    with pytest.raises(ValueError, match=told):
        again(store)
    assert TestSplit.total_reads == before


def test_a_set_that_is_another_one_is_not_scored(store: Path) -> None:
    for path in (store / "artefacts").glob("*.safetensors"):
        path.write_bytes(path.read_bytes() + b" ")
    refused(store, "not the recorded one")


def test_no_code_of_a_record_is_run(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('it was run')\n")
    for path in (store / "records").rglob("*.json"):
        record = Record.model_validate_json(path.read_bytes())
        if record.cell.kind == "evaluation":
            cell = record.cell.model_copy(update={"base": str(tmp_path / "mine.py")})
            made = record.model_copy(update={"cell": cell, "sha256": ""})
            path.unlink()
            path.with_name(f"{cell.id}.json").write_text(made.to_json())
    refused(store, "whose code an audit does not run")


def test_other_data_are_not_scored(store: Path) -> None:
    for path in (store / "records").rglob("*.json"):
        change(path, data="ee" * 32)
    refused(store, "its data differ")


def test_a_record_without_its_trial(store: Path) -> None:
    for path in (store / "records").rglob("*.json"):
        if json.loads(path.read_bytes())["cell"]["kind"] == "distillation":
            path.unlink()
    refused(store, "record of its trial")
