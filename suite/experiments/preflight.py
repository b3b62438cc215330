"""Check a run before compute starts: data, budgets, networks, the machine, precisions."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from suite.core.data.stored_images import StoredImages
from suite.core.data.tasks import DataMissing, fingerprint, former_fingerprint
from suite.core.names import HOLDOUT
from suite.core.networks.named import network
from suite.core.precision import PRECISIONS, Precision, check_precision
from suite.core.spec import Budget
from suite.core.training.recipes import RECIPES, recipe
from suite.experiments.cells.context import load_task
from suite.experiments.cells.distillation import build_method
from suite.experiments.cells.evaluation import BASELINES, build_evaluator, recipes_of
from suite.experiments.cells.study import build_study
from suite.experiments.resources import Resources
from suite.experiments.tuning.settings_file import REMEDY, SettingsFile
from suite.records.cells import Evaluation, Reference, Study, Trial
from suite.records.datasets import told
from suite.records.jobs import Job


def check(jobs: Sequence[Job], resources: Resources | None) -> None:
    """Raise ValueError for the first problem, DataMissing if files of a task are missing.

    resources: of a job on this machine; None for a cluster, which is not checked.
    """
    load_task.cache_clear()  # files may have changed since an earlier run of this process
    if resources is not None:
        for given in {resources.given(job.wanted) for job in jobs}:
            given.check()
    for job in jobs:
        size = f" at ipc {job.ipc}" if job.ipc else ""
        try:
            _check_cell(job)
            if resources is not None:
                images = load_task(job.cell.task, "cpu").train.images
                if not isinstance(images, StoredImages):  # those stay on the host where there is no room
                    resources.given(job.wanted).check_memory("train", images.nbytes)
        except ValueError as error:
            kind = DataMissing if isinstance(error, DataMissing) else ValueError
            raise kind(f"{job.label} on {job.cell.task}{size}: {error}") from None
    if resources is not None:
        check_precisions(jobs, resources)


def on_data(jobs: Sequence[Job]) -> tuple[list[Job], dict[str, str]]:
    """Return the jobs with the fingerprints of their data, and those by which earlier releases know the data.

    The latter by fingerprint.
    """
    found, formers = {}, {}
    for name in dict.fromkeys(job.cell.task for job in jobs):
        task = load_task(name, "cpu")
        found[name] = fingerprint(task)
        formers[found[name]] = former_fingerprint(task)
    return [job.model_copy(update={"data": found[job.cell.task]}) for job in jobs], formers


def check_settings(file: Path, settings: str, tasks: Collection[str]) -> None:
    """Raise ValueError if the settings file of a grid was made on other data than the tasks have now.

    file: of the grid; settings: the path of the settings file, from there.
    """
    path = file.parent / settings
    for entry in SettingsFile.read(path).chosen:
        if entry.task in tasks:
            now = fingerprint(load_task(entry.task + HOLDOUT, "cpu"))
            if entry.data != now:
                raise ValueError(
                    f"{path}: the settings for {entry.row!r} were chosen on {told(entry.data)} of "
                    f"{entry.task}, which now has {told(now)}; {REMEDY}"
                )


def check_precisions(jobs: Sequence[Job], resources: Resources) -> None:
    """Raise ValueError if the device lacks the precision of a method or a recipe."""
    for job in jobs:
        for precision in _precisions(job):
            try:
                check_precision(precision, resources.given(job.wanted).device)
            except ValueError as error:
                raise ValueError(f"{job.label}: {error}") from None


def _check_cell(job: Job) -> None:
    cell, train = job.cell, load_task(job.cell.task, "cpu").train
    if isinstance(cell, Reference):
        network(cell.network, train.shape, train.classes)
    elif isinstance(cell, Study):
        build_study(cell).check(train, Budget(cell.ipc))
    else:
        build_method(cell).check(train, Budget(cell.ipc))
        if (count := train.classes * cell.ipc) > len(train):
            raise ValueError(f"the set has {count} images, more than train ({len(train)}); lower ipc")
    for evaluation in job.evaluations:
        build_evaluator(evaluation).check(train)
        _check_rate(job, evaluation)


def _check_rate(job: Job, evaluation: Evaluation) -> None:
    """Raise ValueError for a recipe that trains at a learned rate where sets have none.

    A method that learns a rate has a native recipe that uses it. Recipes state a rate for baselines.
    """
    if not isinstance(job.cell, Trial) or job.cell.method in BASELINES:
        return
    own = RECIPES.get(job.recipe.partition(":")[0])
    for name in (each.name for each in recipes_of(evaluation) if each.learned_lr):
        if not (own and own.learned_lr):
            raise ValueError(
                f"recipe {name!r} trains at the learned rate of a set, but sets of this method have none, as "
                f"its own recipe {job.recipe!r} shows; choose that one, or 'native' for each method's own"
            )


def _precisions(job: Job) -> Iterator[Precision]:
    """Yield the precisions of a method, of its evaluators' recipes, or of a reference's recipe."""
    if isinstance(job.cell, Reference):
        yield recipe(job.cell.recipe).precision
    elif isinstance(job.cell, Trial):
        own = job.cell.hyperparameters.get("precision")
        yield from (precision for precision in PRECISIONS if precision == own)
    for evaluation in job.evaluations:
        yield from (each.precision for each in recipes_of(evaluation))
