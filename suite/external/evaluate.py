"""Record a distilled set in a file as the trial `external:<name>`, which is evaluated like others."""

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from suite.core.data import tasks
from suite.core.limits import check_set
from suite.core.networks.named import network
from suite.core.sets.manifest import stored
from suite.core.sets.parametrisations import MultiFormation, describe
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Task
from suite.core.training.recipes import RECIPES
from suite.experiments import expand
from suite.experiments.cells import distillation, sets
from suite.experiments.cells.context import Context
from suite.experiments.resources import Resources
from suite.external import agreement, preprocess
from suite.external.labels import Kind, as_targets, as_the_tasks
from suite.external.locate import SetFiles, locate
from suite.external.sandbox.parent import ForeignSet
from suite.external.sandbox.parent import read as read_foreign
from suite.external.validate import Wanted
from suite.plugins import registry
from suite.records.cells import EXTERNAL, RETRAIN, Trial
from suite.records.datasets import told
from suite.records.jobs import Job, Plan
from suite.records.store import Store


@dataclass(frozen=True)
class Request:
    """A file or folder, the task of its set, and the networks to train.

    preprocessing: None to infer it; name: None for the file's name; normalised: the constants that the images
    were normalised with, None for the task's; labels: what learned labels are, None for what the format has;
    run: see `Wanted`; factor: of a multi-formation, which IDC's files do not say; lr: the learned rate, None
    for the file's; trust_labels: take classes by number, and labels that do not agree with train.
    """

    path: Path
    task: str
    ipc: int
    recipes: Sequence[str]
    network: str
    copies: int
    name: str | None = None
    preprocessing: Literal["task", "raw"] | None = None
    normalised: preprocess.Constants | None = None
    labels: Kind | None = None
    run: int | None = None
    factor: int | None = None
    lr: float | None = None
    trust_labels: bool = False

    def __post_init__(self) -> None:
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise ValueError(f"--lr {self.lr:g}: give a number above 0, or leave it out for the file's")


@dataclass(frozen=True)
class ReadSet:
    """A set that was read and checked.

    lines: what was read, and the decisions about it; layers: what confined the process that read it.
    """

    trial: Trial
    job: Job
    task: Task
    synthetic: SyntheticSet
    lines: tuple[str, ...]
    layers: tuple[str, ...]


def read(request: Request) -> ReadSet:
    """Read and check a set; nothing is written. Raises ValueError if it is refused."""
    settings = _settings(request)  # refuse a misspelt recipe before a large file is read
    found = locate(request.path)
    label = _label(request, found)
    task = tasks.load(request.task)
    network(request.network, task.train.shape, task.train.classes)
    wanted = Wanted(task.train.classes, request.ipc, task.train.shape, request.run)
    brought = read_foreign(found, wanted)
    if (own := brought.manifest.get("data")) and not tasks.is_of(own, task):
        both = f"{told(str(own))}, and {task.name} has {told(tasks.fingerprint(task))}"
        warnings.warn(f"the set was distilled from {both}", stacklevel=2)
    kind = request.labels or ("weights" if _keeps_weights(brought) else "probabilities")
    synthetic, meant = as_targets(brought.synthetic, kind)
    named = () if request.trust_labels else brought.class_names
    placed, ordered = as_the_tasks(synthetic, named, task)
    moved = () if placed is synthetic else named
    brought = replace(brought, synthetic=placed)
    prepared = preprocess.prepare(brought, task, request.preprocessing, request.normalised)
    synthetic = _with_factor(prepared, request, task)
    synthetic = replace(synthetic, lr=synthetic.lr if request.lr is None else request.lr)
    check_set(synthetic, task.train, Budget(request.ipc))
    _check_ipc(synthetic, brought.manifest.get("ipc"), request.ipc)
    _check_rate(request.recipes, synthetic)
    agreed = agreement.check(synthetic, task, trusted=request.trust_labels)
    trial = Trial(
        task=request.task,
        method=label,
        source=brought.source,
        hyperparameters={
            "format": brought.format,
            "preprocessing": prepared.kind,
            **_choices(request, kind, synthetic, moved),
        },
        ipc=request.ipc,
        seed=0,
    )
    cells = [expand.evaluation(trial, RETRAIN, values) for values in settings]
    job = Job(label=label, cell=trial, evaluations=tuple(cells), data=tasks.fingerprint(task))
    lines = (*brought.notes, *meant, *ordered, prepared.line, agreed)
    return ReadSet(trial, job, task, synthetic, lines, brought.layers)


def record(found: ReadSet, store: Store, resources: Resources) -> None:
    """Write the plan, and the trial's artefact and record unless both exist."""
    trial, job = found.trial, found.job
    store.write_plan(f"{job.label.replace(':', '-')}-{trial.id[:12]}", Plan.of([job]).to_json())
    if store.record(trial.id, job.data) and not sets.lost(job, store):
        return
    context, path = Context(job, store, resources), store.new_artefact(trial.id, None, job.data)
    sha256 = distillation.write(found.synthetic, path, found.task, context)
    measured = stored(found.synthetic)
    with resources.applied():
        made = context.record(trial, "done", artefact=sha256, peak_memory_bytes=0, **measured)
    store.write(made)


def _keeps_weights(brought: ForeignSet) -> bool:
    """Return whether the format is known to have targets of any sum: our artefacts, RaT-BPTT's files."""
    return "preprocessing" in brought.manifest or brought.format == "h5"


def _check_ipc(synthetic: SyntheticSet, distilled: int | None, ipc: int) -> None:
    """Raise ValueError for a factorised set of another size, which its number of images does not show.

    distilled: the ipc in its manifest. Without it a code may not tell; then few bytes draw a warning.
    """
    if (code := synthetic.parametrisation) is None:
        return
    own = code.stored_ipc if distilled is None else distilled
    if own is not None and own != ipc:
        raise ValueError(f"the {code.kind} set is one of ipc {own}, not {ipc}; say --ipc {own}")
    image = 4 * synthetic.classes * synthetic.images[0, 0].numel()
    if own is None and synthetic.stored_bytes <= image * (ipc - 1):
        warnings.warn(
            f"the {code.kind} set stores {synthetic.stored_bytes} bytes; ipc {ipc} allows {image * ipc}: "
            f"is --ipc {ipc} the one that it was distilled at?",
            stacklevel=3,
        )


def _choices(request: Request, kind: str, synthetic: SyntheticSet, moved: Sequence[str]) -> Mapping[str, Any]:
    """Return what makes another set of the same files; it is part of the trial.

    Some of it may come from a manifest beside them. moved: the classes that were put into another order.
    """
    by, code = request.normalised, synthetic.parametrisation
    minibatch = {name: size for name, size in asdict(synthetic.minibatch).items() if size is not None}
    given = {
        "mean": list(by.mean) if by else None,
        "std": list(by.std) if by else None,
        "labels": None if synthetic.hard else kind,
        "lr": synthetic.lr,
        "run": request.run,
        "factor": request.factor,
        "trust_labels": request.trust_labels or None,
        "minibatch": minibatch or None,
        "parametrisation": describe(code) if code and request.factor is None else None,
        "classes": list(moved) or None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _with_factor(prepared: preprocess.Prepared, request: Request, task: Task) -> SyntheticSet:
    """Return the set, decoded if its images are a multi-formation."""
    synthetic, factor = prepared.synthetic, request.factor
    if factor is None:
        return synthetic
    if synthetic.parametrisation is not None:
        raise ValueError(f"--factor {factor}: the file says how it is decoded; leave --factor out")
    if prepared.kind != "task" and task.preprocessing.describe()["kind"] != "normalise":
        raise ValueError(f"--factor {factor}: pixels would be decoded after whitening; choose a plain task")
    code = MultiFormation(synthetic.images, factor)
    each = synthetic.labels.repeat_interleave(factor**2, 1)
    return SyntheticSet(code.decode(), each, synthetic.minibatch, code, synthetic.lr)


def _check_rate(recipes: Sequence[str], synthetic: SyntheticSet) -> None:
    """Raise ValueError for a recipe that trains at the learned rate of a set that has none."""
    for name in recipes:
        if (known := RECIPES.get(name.partition(":")[0])) and known.learned_lr:
            known.for_set(synthetic)


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
