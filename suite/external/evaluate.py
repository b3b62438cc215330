"""Record a distilled set in a file as the trial `external:<name>`, which is evaluated like others."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.core.data import tasks
from suite.core.limits import check_set
from suite.core.networks.named import network
from suite.core.sets.artefacts import is_whole
from suite.core.sets.manifest import stored
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Task
from suite.experiments import expand, grid
from suite.experiments.cells import distillation
from suite.experiments.cells.context import Context
from suite.experiments.resources import Resources
from suite.external import preprocess, sandbox
from suite.external.locate import SetFiles, locate
from suite.external.validate import Wanted
from suite.plugins import registry
from suite.records.cells import EXTERNAL, RETRAIN, Trial
from suite.records.datasets import told
from suite.records.jobs import Job
from suite.records.store import Store


@dataclass(frozen=True)
class Request:
    """A file or folder, the task of its set, and the networks to train.

    preprocessing: None to infer it; name: None for the file's name.
    """

    path: Path
    task: str
    ipc: int
    recipes: Sequence[str]
    network: str
    copies: int
    name: str | None = None
    preprocessing: preprocess.Kind | None = None


@dataclass(frozen=True)
class Submission:
    """A set that was read and checked. line: the decision on its preprocessing."""

    trial: Trial
    job: Job
    task: Task
    synthetic: SyntheticSet
    line: str


def read(request: Request) -> Submission:
    """Read and check a set; nothing is written. Raises ValueError if it is refused."""
    settings = _settings(request)  # refuse a misspelt recipe before a large file is read
    found = locate(request.path)
    label = _label(request, found)
    task = tasks.load(request.task)
    network(request.network, task.train.shape, task.train.classes)
    brought = sandbox.read(found, Wanted(task.train.classes, request.ipc, task.train.shape, task.class_names))
    if (own := brought.manifest.get("data")) and not tasks.is_of(own, task):
        both = f"{told(str(own))}, and {task.name} has {told(tasks.fingerprint(task))}"
        warnings.warn(f"the set was distilled from {both}", stacklevel=2)
    prepared = preprocess.prepare(brought, task, request.preprocessing)
    check_set(prepared.synthetic, task.train, Budget(request.ipc))
    trial = Trial(
        task=request.task,
        method=label,
        source=found.sha256(),
        hyperparameters={"format": brought.format, "preprocessing": prepared.kind},
        ipc=request.ipc,
        seed=0,
    )
    cells = [expand.evaluation(trial, RETRAIN, values) for values in settings]
    job = Job(label=label, cell=trial, evaluations=tuple(cells), data=tasks.fingerprint(task))
    return Submission(trial, job, task, prepared.synthetic, prepared.line)


def record(submission: Submission, store: Store, resources: Resources) -> None:
    """Write the plan, and the trial's artefact and record unless both exist."""
    trial, job = submission.trial, submission.job
    store.write_plan(f"{job.label.replace(':', '-')}-{trial.id[:12]}", grid.plan([job]).to_json())
    whole = is_whole(store.artefact(trial.id, data=job.data), trial.model_dump(mode="json"))
    if whole and store.record(trial.id, job.data):
        return
    context, path = Context(job, store, resources), store.new_artefact(trial.id, None, job.data)
    sha256 = distillation.write(submission.synthetic, path, submission.task, context)
    measured = stored(submission.synthetic)
    with resources.applied():
        made = context.record(trial, "done", artefact=sha256, peak_memory_bytes=0, **measured)
    store.write(made)


def _settings(request: Request) -> list[dict[str, object]]:
    """Return the settings of the evaluator for each recipe; raises ValueError for a wrong one."""
    common: dict[str, object] = {"network": request.network, "copies": request.copies}
    settings = [{"recipe": recipe, **common} for recipe in dict.fromkeys(request.recipes)]
    for values in settings:
        registry.configure(registry.evaluator(RETRAIN), values, where=f"evaluator.{RETRAIN}")
    return settings


def _label(request: Request, found: SetFiles) -> str:
    name = found.name if request.name is None else request.name
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"--name {name!r}: use letters, digits, . _ -, a letter or digit first")
    return EXTERNAL + name
