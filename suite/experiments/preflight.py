"""What is refused before any compute starts: missing data, budgets, networks, the machine, precisions."""

import os
from collections.abc import Iterator, Sequence

import torch

from suite.core.networks.named import network
from suite.core.precision import PRECISIONS, Precision, check_precision
from suite.core.spec import Budget
from suite.core.training.recipes import RECIPES, recipe
from suite.experiments.device import Place
from suite.experiments.job_runner import build_evaluator, build_method, load_task
from suite.records.cells import Reference, Trial
from suite.records.jobs import Job


def check(jobs: Sequence[Job], place: Place | None) -> None:
    """Raise ValueError for the first thing that cannot work.

    place: where the jobs will run; None for machines that cannot be asked, whose trials find out.
    """
    if place is not None:
        _check_machine(place)
    for job in jobs:
        if isinstance(job.cell, Reference):
            train = load_task(job.cell.task, "cpu").train
            network(job.cell.network, train.shape, train.classes)
            continue
        where = f"{job.label} on {job.cell.task} at ipc {job.cell.ipc}"
        try:
            _check_trial(job, job.cell)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if place is not None:
        check_precisions(jobs, place)


def check_precisions(jobs: Sequence[Job], place: Place) -> None:
    """Raise ValueError where the place cannot multiply as a method or a recipe says."""
    for job in jobs:
        for precision in _precisions(job):
            try:
                check_precision(precision, place.device)
            except ValueError as error:
                raise ValueError(f"{job.label}: {error}") from None


def _check_machine(place: Place) -> None:
    if place.device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("a GPU was asked for, and torch finds none; leave --gpus-per-trial at 0")
    if place.threads > (there := os.cpu_count() or 1):
        raise ValueError(
            f"a trial wants {place.threads} CPUs and this machine has {there}; lower --cpus-per-trial"
        )


def _check_trial(job: Job, trial: Trial) -> None:
    train = load_task(trial.task, "cpu").train
    build_method(trial).check(train, Budget(trial.ipc, trial.nested))
    if (count := train.classes * trial.ipc) > len(train):
        raise ValueError(f"it makes {count} images, more than train has ({len(train)}); lower ipc")
    for evaluation in job.evaluations:
        build_evaluator(evaluation).check(train)


def _precisions(job: Job) -> Iterator[Precision]:
    """Yield those that a method, its evaluators' recipes, or a reference's recipe declare."""
    if isinstance(job.cell, Reference):
        yield recipe(job.cell.recipe).precision
    else:
        own = job.cell.hyperparameters.get("precision")
        yield from (precision for precision in PRECISIONS if precision == own)
    for evaluation in job.evaluations:
        names = {evaluation.settings.get(key) for key in ("recipe", "native_recipe")}
        # A recipe may be a word, such as `chosen`, that stands for others.
        yield from (recipe(name).precision for name in names if name and name.partition(":")[0] in RECIPES)
