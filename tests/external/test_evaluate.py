"""`ratbench evaluate`: from somebody's file to a row of the board."""

from pathlib import Path

import pytest
import torch
from typer.testing import Result

from suite.board import files
from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.records.cells import Evaluation, Trial
from suite.records.record import Record
from tests.support import foreign_sets
from tests.support.command_line import ratbench, refused

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here")


def evaluate(path: Path, *more: str | Path) -> Result:
    quick = ("--task", "digits", "--ipc", "2", "--network", "convnet-d1-w8-in", "--copies", "2", "--cpu")
    recipes = () if "--recipe" in more else ("--recipe", "dc-300")
    return ratbench("evaluate", path, *quick, *recipes, *more)


def records(store: Path) -> dict[str, Record]:
    return {record.cell.kind: record for record in files.read([store]).records}


def test_a_file_becomes_a_trial_and_its_evaluation(tmp_path: Path) -> None:
    path = foreign_sets.dc(tmp_path)
    result = evaluate(path)
    assert result.exit_code == 0, result.output
    assert "preprocessing: task (inferred: values from" in result.stdout
    found = records(Path("runs/external"))
    trial, evaluation = found["distillation"], found["evaluation"]
    assert isinstance(trial.cell, Trial) and isinstance(evaluation.cell, Evaluation)
    assert trial.cell.method == trial.label == "external:res_DC_digits_ConvNet_2ipc"
    assert trial.cell.hyperparameters == {"format": "dc", "preprocessing": "task"}
    assert len(trial.cell.source) == 64 and trial.seconds == 0 and trial.test_reads == 0
    assert trial.data == tasks.fingerprint(tasks.load("digits"))
    assert evaluation.test_reads == 1 and len(evaluation.scores["accuracy"]) == 2
    assert min(evaluation.scores["accuracy"]) > 0.5
    synthetic, manifest = load_artefact(Path("runs/external/artefacts") / f"{trial.cell.id}.safetensors")
    assert torch.equal(synthetic.images, foreign_sets.digits().images)
    assert manifest["sha256"] == trial.artefact and manifest["trial"]["source"] == trial.cell.source


def test_running_it_again_does_nothing_twice(tmp_path: Path) -> None:
    path = foreign_sets.rat_bptt(tmp_path)
    first = evaluate(path, "--store", "mine")
    before = {file: file.read_bytes() for file in Path("mine").rglob("*.*") if file.suffix != ".lock"}
    again = evaluate(path, "--store", "mine")
    after = {file: file.read_bytes() for file in Path("mine").rglob("*.*") if file.suffix != ".lock"}
    assert first.exit_code == again.exit_code == 0 and before == after
    assert "retrain dc-300 done" in first.stdout and "retrain dc-300 done" not in again.stdout


def test_a_lost_artefact_is_written_again(tmp_path: Path) -> None:
    path = foreign_sets.rat_bptt(tmp_path)
    evaluate(path)
    artefact = next(Path("runs/external/artefacts").glob("*.safetensors"))
    content = artefact.read_bytes()
    artefact.write_bytes(content[:-1])
    assert evaluate(path).exit_code == 0 and artefact.read_bytes() == content


def test_the_board_ranks_it_and_says_where_it_is_from(tmp_path: Path) -> None:
    result = evaluate(
        foreign_sets.mtt(tmp_path), "--recipe", "dsa-1000", "--recipe", "dc-300", "--name", "mtt-2021"
    )
    assert result.exit_code == 0, result.output
    assert "external:…: read from a file; not distilled here" in result.stdout
    text = ratbench("leaderboard", "runs/external").stdout
    row = next(line for line in text.splitlines() if "`external:mtt-2021`" in line)
    assert [cell.strip() for cell in row.split("|")][1] == "1"
    assert "read from a file; not distilled here" in text
    assert "device time" not in text  # nothing was distilled


def test_a_picture_of_each_class_is_enough(tmp_path: Path) -> None:
    result = evaluate(foreign_sets.pictures(tmp_path / "set"))
    assert result.exit_code == 0 and "preprocessing: raw (bytes)" in result.stdout


def test_doubtful_statistics_draw_a_warning(tmp_path: Path) -> None:
    result = evaluate(foreign_sets.pixel_pair(tmp_path), "--preprocessing", "task")
    assert result.exit_code == 0
    assert "warning: pixels have mean" in result.stderr and "--preprocessing task" in result.stderr


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (("--name", "../mine"), "--name '../mine': use letters"),
        (("--recipe", "dc300"), "did you mean 'dc-300'?"),
        (("--recipe", "chossen"), "did you mean 'chosen'?"),
        (("--network", "convnet-d9-w8-in"), "too small for 9 blocks"),
        (("--task", "digist"), "did you mean 'digits'?"),
        (("--ipc", "3"), "10 classes of 3 images make 30"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    more: tuple[str, str], part: str, tmp_path: Path
) -> None:
    refused(evaluate(foreign_sets.mtt(tmp_path), *more), part)
    assert not Path("runs").exists()


def test_a_misspelt_recipe_is_told_before_the_file_is_read(tmp_path: Path) -> None:
    refused(evaluate(tmp_path / "none.pt", "--recipe", "dc300"), "did you mean 'dc-300'?")
