"""Evaluations: the set that is scored is the one that was asked for, on the task it was made from."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from suite.core.data import tasks
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.artefacts import load_set
from suite.core.sets.synthetic_set import Teacher
from suite.core.training.recipes import RECIPES
from suite.experiments.cells.context import Context
from suite.experiments.cells.distillation import write
from suite.experiments.cells.evaluation import build_evaluator, evaluate
from suite.experiments.cells.progress import Progress
from suite.experiments.notebook import evaluate as scored
from suite.experiments.resources import Resources
from suite.plugins import registry
from suite.plugins.smoke import smoke_set
from suite.records.cells import Evaluation, Part, Trial
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store
from tests.support.recipes import replaced

SETTINGS = {"recipe": "dc-300", "network": "mlp-w8", "copies": 2}
TRIAL = Trial(task="digits", method="random_subset", hyperparameters={}, ipc=2, seed=0)
WHOLE = Evaluation(trial=TRIAL.id, evaluator="retrain", settings=SETTINGS, seed=7)


@pytest.fixture
def context(store: Store) -> Context:
    """A finished trial, whose set is the first two images of each class."""
    made = Context(Job(label="row", cell=TRIAL, evaluations=(WHOLE,)), store, Resources())
    write(smoke_set(), store.artefact(TRIAL.id), tasks.load("digits"), made)
    return made


def finish(cell: Evaluation, context: Context) -> Record:
    work = evaluate(cell, context)
    assert next(work) == Progress(TRIAL.id, f"evaluating: {cell.title}")
    with pytest.raises(StopIteration) as end:
        next(work)
    record = end.value.value
    assert isinstance(record, Record)
    return record


def accuracies(ipc: int) -> tuple[float, ...]:
    made, task = smoke_set().prefix(ipc), tasks.load("digits")
    return scored(made, task, "dc-300", network="mlp-w8", copies=2, seed=7).values["accuracy"]


def test_scores_are_the_evaluators_with_how_they_are_shown(context: Context) -> None:
    record = finish(WHOLE, context)
    assert record.scores["accuracy"] == accuracies(2) and record.test_reads == 1
    assert record.title == "Retrained networks" and record.described[0].ranks
    assert record.data == tasks.fingerprint(tasks.load("digits")) and record.seconds > 0


@pytest.mark.parametrize(
    "name", sorted({*registry.names("evaluator")} - {"cross_architecture"})
)  # it takes long
def test_every_evaluator_is_a_cell(name: str, context: Context) -> None:
    settings = {"network": "mlp-w8", "copies": 1, **registry.evaluator(name).smoke}
    record = finish(WHOLE.model_copy(update={"evaluator": name, "settings": settings}), context)
    assert record.status == "done" and record.scores["seconds"] and record.test_reads >= 1


def test_a_baseline_takes_the_rate_that_a_recipe_states_as_its_learned_one(context: Context) -> None:
    """`mtt-1000` states that of `dsa-1000`, by which random subsets are compared with a method's sets."""
    settings = {"recipe": "mtt-1000", "network": "mlp-w8", "copies": 1}
    record = finish(WHOLE.model_copy(update={"settings": settings}), context)
    task = tasks.load("digits")
    plain = scored(smoke_set(), task, "dsa-1000", network="mlp-w8", copies=1, seed=7)
    assert record.scores["accuracy"] == plain.values["accuracy"]
    learned = Context(
        Job(label="row", cell=TRIAL.model_copy(update={"method": "dm"})), context.store, Resources()
    )
    write(smoke_set(), context.store.artefact(learned.job.id), task, learned)
    with pytest.raises(ValueError, match="this set has none"):
        list(evaluate(WHOLE.model_copy(update={"settings": settings, "trial": learned.job.id}), learned))


@pytest.mark.parametrize("brings", [False, True])
def test_the_bytes_of_teachers_are_recorded_where_they_label(brings: bool, context: Context) -> None:
    """A set's own are larger here than the one that is trained where it brings none."""
    net, own = (network(name, (1, 8, 8), 10) for name in ("convnet-d1-w8-bn", "convnet-d1-w4-bn"))
    weights = torch.cat([net.initialise(generator(0)), net.first_statistics()])
    teachers = (Teacher(net.name, weights),) if brings else ()
    made = replace(smoke_set(), teachers=teachers)
    write(made, context.store.artefact(TRIAL.id), tasks.load("digits"), context)
    short = replace(RECIPES["sre2l-300"], epochs=1, teacher_epochs=1)
    with replaced(short):
        for recipe, told in (("sre2l-300", net if brings else own), ("dc-300", None)):
            settings = {"recipe": recipe, "network": "convnet-d1-w4-in", "copies": 1}
            record = finish(WHOLE.model_copy(update={"settings": settings}), context)
            assert record.teacher_bytes == (4 * (told.size + told.statistics_size) if told else 0)


def test_a_part_alone_is_scored(context: Context) -> None:
    record = finish(WHOLE.model_copy(update={"part": Part(how="prefix", ipc=1)}), context)
    assert record.scores["accuracy"] == accuracies(1) and record.ipc == 1


def test_a_snapshot_is_scored_in_place_of_the_end(context: Context) -> None:
    path = context.store.artefact(TRIAL.id, 0)
    write(smoke_set().prefix(1), path, tasks.load("digits"), context)
    assert load_set(path).ipc == 1
    assert finish(WHOLE.model_copy(update={"step": 0}), context).scores["accuracy"] == accuracies(1)


def test_an_evaluator_has_a_name_of_its_own_or_a_base() -> None:
    named = WHOLE.model_copy(update={"evaluator": "quick", "base": "retrain"})
    assert build_evaluator(named) == build_evaluator(WHOLE)
    with pytest.raises(ValueError, match="evaluator quick: copies 0 must be at least 1"):
        build_evaluator(named.model_copy(update={"settings": {"copies": 0}}))


def test_a_set_of_other_images_is_not_scored(context: Context) -> None:
    path = context.store.artefact(TRIAL.id).with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": "other"}))
    work = evaluate(WHOLE, context)
    next(work)
    with pytest.raises(ValueError, match="distilled from other images or with other preprocessing"):
        next(work)


def test_it_may_take_as_long_as_the_same_evaluation_of_another_set_of_its_row(context: Context) -> None:
    assert next(evaluate(WHOLE, context)).needs == 0
    for changes, seconds in (({"seed": 8}, 30.0), ({"seed": 9}, 20.0), ({"settings": {"copies": 9}}, 90.0)):
        other = WHOLE.model_copy(update=changes)
        context.store.write(context.record(other, "done", seconds=seconds))
    context.store.write(context.record(TRIAL, "done", seconds=500.0))
    assert next(evaluate(WHOLE, context)).needs == 30


def test_a_row_is_read_seldom_however_many_of_its_sets_are_evaluated(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation that always fails has no time; reading its row each time would take ever longer."""
    read, row = list[str](), Store.row

    def noted(store: Store, task: str, ipc: int, label: str) -> Iterator[Record]:
        read.append(label)
        return row(store, task, ipc, label)

    monkeypatch.setattr(Store, "row", noted)
    for _ in range(40):
        assert next(evaluate(WHOLE, context)).needs == 0
    assert len(read) <= 7
    context.store.write(context.record(WHOLE.model_copy(update={"seed": 8}), "done", seconds=30.0))
    needs = [next(evaluate(WHOLE, context)).needs for _ in range(40)]
    assert needs[-1] == 30 and len(read) <= 8
