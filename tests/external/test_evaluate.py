"""`ratbench evaluate`: from somebody's file to a row of the board."""

import json
from dataclasses import replace
from pathlib import Path

import datasets as huggingface  # type: ignore[import-untyped]
import pytest
import torch
from typer.testing import Result

import suite
from suite.board import files
from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.core.sets.parametrisations import Linear, MultiFormation
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, Teacher
from suite.records.cells import Evaluation, Trial
from suite.records.record import Record
from tests.support import foreign_sets
from tests.support.command_line import ratbench, refused

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here")

UNTRAINED = pytest.mark.usefixtures("untrained")
"""Of tests that do not look at accuracies."""


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


@UNTRAINED
def test_teachers_of_a_file_are_left_out(tmp_path: Path) -> None:
    """Whoever made them may have shown them the test images."""
    made = replace(foreign_sets.digits(), teachers=(Teacher("mlp-w8", torch.ones(5)),))
    suite.save_set(made, tmp_path / "set.safetensors", tasks.load("digits"))
    result = evaluate(tmp_path / "set.safetensors")
    assert result.exit_code == 0 and "its teachers are left out" in " ".join(result.stdout.split())
    trial = records(Path("runs/external"))["distillation"]
    synthetic, _ = load_artefact(Path("runs/external/artefacts") / f"{trial.cell.id}.safetensors")
    assert trial.teacher_bytes == 0 and synthetic.teachers == ()
    assert torch.equal(synthetic.images, made.images)


@UNTRAINED
def test_running_it_again_does_nothing_twice(tmp_path: Path) -> None:
    path = foreign_sets.rat_bptt(tmp_path)
    first = evaluate(path, "--store", "mine")
    before = {file: file.read_bytes() for file in Path("mine").rglob("*.*") if file.suffix != ".lock"}
    again = evaluate(path, "--store", "mine")
    after = {file: file.read_bytes() for file in Path("mine").rglob("*.*") if file.suffix != ".lock"}
    assert first.exit_code == again.exit_code == 0 and before == after
    assert "retrain dc-300 done" in first.stdout and "retrain dc-300 done" not in again.stdout


@UNTRAINED
def test_a_lost_artefact_is_written_again(tmp_path: Path) -> None:
    path = foreign_sets.rat_bptt(tmp_path)
    evaluate(path)
    artefact = next(Path("runs/external/artefacts").glob("*.safetensors"))
    content = artefact.read_bytes()
    artefact.write_bytes(content[:-1])
    assert evaluate(path).exit_code == 0 and artefact.read_bytes() == content


@UNTRAINED
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
    assert "| device time" not in text  # nothing was distilled


@UNTRAINED
def test_a_picture_of_each_class_is_enough(tmp_path: Path) -> None:
    result = evaluate(foreign_sets.pictures(tmp_path / "set"))
    assert result.exit_code == 0 and "preprocessing: raw (bytes)" in result.stdout


@UNTRAINED
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


def set_of(store: str = "runs/external") -> SyntheticSet:
    (artefact,) = Path(store, "artefacts").glob("*.safetensors")
    return load_artefact(artefact)[0]


def settings_of(store: str = "runs/external") -> dict[str, object]:
    cell = records(Path(store))["distillation"].cell
    assert isinstance(cell, Trial)
    return cell.hyperparameters


def edit(path: Path, **facts: object) -> None:
    """Change the manifest beside an artefact."""
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps({**json.loads(beside.read_text()), **facts}))


def test_the_learned_rate_of_our_own_set(tmp_path: Path) -> None:
    """`mtt-1000` is `dsa-1000` at the learned rate: without it both give the same figures."""
    path = tmp_path / "own.safetensors"
    suite.save_set(replace(foreign_sets.digits(), lr=0.0717), path, foreign_sets.task())
    result = evaluate(path, "--recipe", "mtt-1000", "--recipe", "dsa-1000", "--copies", "1")
    assert result.exit_code == 0, result.output
    assert "the learned rate 0.0717 is read" in result.stdout
    assert settings_of()["lr"] == set_of().lr == 0.0717
    found = [
        record.scores["accuracy"] for record in files.read([Path("runs/external")]).records if record.scores
    ]
    assert len(found) == 2 and found[0] != found[1]


@UNTRAINED
class TestEveryFieldCounts:
    @pytest.mark.parametrize("recipe", ["mtt-1000", "datm-1000", "mtt-1000:bf16"])
    def test_a_missing_rate_is_refused(self, recipe: str, tmp_path: Path) -> None:
        """It would be `dsa-1000` in silence, also where another recipe is asked for beside it."""
        path = foreign_sets.mtt(tmp_path)
        result = evaluate(path, "--recipe", "dc-300", "--recipe", recipe)
        refused(result, "trains at the learned rate of a set, and this set has none; give it by --lr")
        assert not Path("runs").exists()

    def test_a_missing_rate_can_be_given(self, tmp_path: Path) -> None:
        path = foreign_sets.mtt(tmp_path)
        evaluate(path, "--recipe", "mtt-1000", "--copies", "1", "--lr", "0.5", "--store", "given")
        assert set_of("given").lr == settings_of("given")["lr"] == 0.5

    @pytest.mark.parametrize("lr", ["0", "-1", "nan", "inf"])
    def test_a_rate_that_is_none_is_refused(self, lr: str, tmp_path: Path) -> None:
        refused(evaluate(foreign_sets.mtt(tmp_path), "--lr", lr), f"--lr {lr}: give a number above 0")
        assert not Path("runs").exists()

    def test_a_factorised_set_stays_factorised(self, tmp_path: Path) -> None:
        task, path = foreign_sets.task(), tmp_path / "own.safetensors"
        images = torch.stack([task.train.images[rows[:8]] for rows in task.train.by_class()])
        own = SyntheticSet.from_parametrisation(MultiFormation.of(images, 2))
        suite.save_set(own, path, task)
        assert evaluate(path).exit_code == 0
        assert set_of().ipc == 8 and torch.equal(set_of().images, own.images)
        assert records(Path("runs/external"))["distillation"].decoded == 8

    def test_a_quantised_set_is_scored_as_its_bytes(self, tmp_path: Path) -> None:
        """From `export --bits` to the record, from which the board has bits per class."""
        path = tmp_path / "own.safetensors"
        suite.save_set(foreign_sets.digits(), path, foreign_sets.task())
        assert ratbench("export", path, "--bits", "2", "--output", "small").exit_code == 0
        assert evaluate(Path("small")).exit_code == 0
        own, made = set_of(), records(Path("runs/external"))["distillation"]
        assert torch.equal(own.images, foreign_sets.digits().quantised(2).images)
        assert (made.stored_bytes, made.decoded, made.classes) == (20 * (16 + 8), 2, 10)
        refused(evaluate(Path("small"), "--ipc", "3"), "the quantised set is one of ipc 2, not 3")

    def test_a_factorised_set_has_one_size(self, tmp_path: Path) -> None:
        task, path = foreign_sets.task(), tmp_path / "own.safetensors"
        images = torch.stack([task.train.images[rows[:8]] for rows in task.train.by_class()])
        suite.save_set(SyntheticSet.from_parametrisation(MultiFormation.of(images, 2)), path, task)
        refused(evaluate(path, "--ipc", "3"), "the multi_formation set is one of ipc 2, not 3; say --ipc 2")
        edit(path, trial={"ipc": 4})  # as `ratbench run` writes it
        refused(evaluate(path), "the multi_formation set is one of ipc 4, not 2; say --ipc 4")
        assert not Path("runs").exists()

    def test_a_code_whose_size_says_no_ipc(self, tmp_path: Path) -> None:
        task, path = foreign_sets.task(), tmp_path / "own.safetensors"
        means = torch.stack([task.train.images[rows].mean(0) for rows in task.train.by_class()])
        code = Linear(means, torch.eye(10)[:, None], 8, 8)  # the bytes of one image a class, and a little
        suite.save_set(SyntheticSet.from_parametrisation(code), path, task)
        doubted = evaluate(path, "--ipc", "3")
        assert "stores 2960 bytes; ipc 3 allows 7680: is --ipc 3 the one" in " ".join(doubted.stderr.split())
        edit(path, trial={"ipc": 2})
        refused(evaluate(path, "--ipc", "3"), "the linear set is one of ipc 2, not 3; say --ipc 2")
        assert evaluate(path, "--store", "right").exit_code == 0

    def test_what_a_manifest_says_makes_another_trial(self, tmp_path: Path) -> None:
        path = tmp_path / "own.safetensors"
        suite.save_set(replace(foreign_sets.digits(), minibatch=Minibatch(1)), path, foreign_sets.task())
        run = ("--recipe", "rat-bptt-1000", "--copies", "1")
        assert evaluate(path, *run).exit_code == 0 and settings_of()["minibatch"] == {"per_class": 1}
        assert "rat-bptt-1000 done" not in evaluate(path, *run).stdout
        edit(path, minibatch={"per_class": 2, "classes": 5})
        assert "rat-bptt-1000 done" in evaluate(path, *run).stdout
        found = [load_artefact(file)[0] for file in Path("runs/external/artefacts").glob("*.safetensors")]
        assert {made.minibatch for made in found} == {Minibatch(1), Minibatch(2, 5)}

    def test_so_does_the_order_of_its_classes(self, tmp_path: Path) -> None:
        own, path = foreign_sets.digits(), tmp_path / "own.safetensors"
        suite.save_set(SyntheticSet(own.images.flip(0), own.labels), path, foreign_sets.task())
        edit(path, class_names=list("9876543210"))
        assert evaluate(path).exit_code == 0 and torch.equal(set_of().images, own.images)
        assert settings_of()["classes"] == list("9876543210")

    def test_a_minibatch_larger_than_the_set_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "own.safetensors"
        suite.save_set(foreign_sets.digits(), path, foreign_sets.task())
        edit(path, minibatch={"per_class": 99})
        refused(evaluate(path), "minibatch per_class 99 is larger than the set's 2 images of each class")
        assert not Path("runs").exists()

    def test_multi_formations_of_idcs_files(self, tmp_path: Path) -> None:
        task = foreign_sets.task()
        images = torch.stack([task.train.images[rows[:8]] for rows in task.train.by_class()])
        code = MultiFormation.of(images, 2)
        torch.save(
            [code.formations.flatten(0, 1), torch.arange(10).repeat_interleave(2)], tmp_path / "data.pt"
        )
        assert evaluate(tmp_path / "data.pt", "--factor", "2").exit_code == 0
        assert torch.equal(set_of().images, code.decode()) and settings_of()["factor"] == 2

    def test_one_of_several_runs(self, tmp_path: Path) -> None:
        path = foreign_sets.dc(tmp_path)
        assert "run 1 of the runs 0 to 1 is read" in evaluate(path).stdout
        black = evaluate(path, "--run", "0")  # all its images are 0
        assert black.exit_code == 2 and "error: the labels look wrong: " in black.stderr
        first = evaluate(path, "--run", "0", "--trust-labels", "--store", "first")
        assert first.exit_code == 0 and "but are trusted" in " ".join(first.stdout.split())
        assert set_of("first").images.unique().numel() == 1
        assert settings_of("first") == {
            "format": "dc",
            "preprocessing": "raw",
            "run": 0,
            "trust_labels": True,
        }

    @pytest.mark.parametrize("kind", ["logits", "centred"])
    def test_learned_labels_of_each_kind(self, kind: str, tmp_path: Path) -> None:
        targets = foreign_sets.digits().flat()[1] * 0.5 + 0.05
        torch.save(foreign_sets.flat()[0], tmp_path / "images_best.pt")
        torch.save(targets.log() if kind == "logits" else targets - 0.1, tmp_path / "labels_best.pt")
        refused(evaluate(tmp_path), "the labels have negative entries", "--labels logits")
        assert evaluate(tmp_path, "--labels", kind).exit_code == 0
        assert torch.allclose(set_of().labels.flatten(0, 1), targets) and settings_of()["labels"] == kind

    def test_other_constants(self, tmp_path: Path) -> None:
        mtt = foreign_sets.mtt(tmp_path)
        torch.save((foreign_sets.pixels() / 255 - 0.5) / 0.25, mtt / "images_best.pt")
        result = evaluate(mtt, "--mean", "0.5", "--std", "0.25")
        assert result.exit_code == 0 and "preprocessing: normalised (mean 0.5, std 0.25)" in result.stdout
        assert torch.allclose(set_of().images, foreign_sets.digits().images, atol=1e-2)
        assert (settings_of()["mean"], settings_of()["std"]) == ([0.5], [0.25])
        refused(evaluate(mtt, "--mean", "0.5"), "--mean and --std belong together")


@UNTRAINED
class TestLabels:
    def test_classes_in_another_order_are_found_by_name(self, tmp_path: Path) -> None:
        result = evaluate(foreign_sets.saved_renamed(tmp_path))
        assert result.exit_code == 0 and "put into the task's order by their names" in " ".join(
            result.stdout.split()
        )
        assert torch.allclose(set_of().images, foreign_sets.digits().images, atol=1e-2)

    def test_names_that_are_not_the_tasks_are_refused(self, tmp_path: Path) -> None:
        foreign_sets.dataset().cast_column(
            "label", huggingface.ClassLabel(names=list("абвгдежзик"))
        ).to_parquet(tmp_path / "set.parquet")
        refused(evaluate(tmp_path / "set.parquet"), "'а', 'б'", "are not the task's 10", "--trust-labels")
        assert not Path("runs").exists()
        assert evaluate(tmp_path / "set.parquet", "--trust-labels").exit_code == 0

    def test_permuted_labels_are_refused(self, tmp_path: Path) -> None:
        mtt = foreign_sets.mtt(tmp_path)
        torch.save((foreign_sets.flat()[1] + 1) % 10, mtt / "labels_best.pt")
        refused(evaluate(mtt), "the labels look permuted: ", "of 20 labels agree with", "--trust-labels")
        assert not Path("runs").exists()
        assert evaluate(mtt, "--trust-labels").exit_code == 0
