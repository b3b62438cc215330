"""A distilled set in a file becomes an ordinary trial, `external:<name>`, and is evaluated like any other."""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from suite.board import files
from suite.board.render.terminal import terminal
from suite.cli import driver
from suite.cli.progress import Display
from suite.core.data import tasks
from suite.core.networks.named import network
from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.manifest import manifest, stored
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task
from suite.experiments import expand, grid, job_runner, preflight
from suite.experiments.device import Place
from suite.experiments.provenance import provenance
from suite.external import preprocess, sandbox
from suite.external.locate import Found, locate
from suite.external.validate import Wanted
from suite.plugins import registry
from suite.records.cells import EXTERNAL, Trial
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store


@dataclass(frozen=True)
class Request:
    """What the user asked for. preprocessing None: inferred; name None: that of the file."""

    path: Path
    task: str
    ipc: int
    recipes: Sequence[str]
    network: str
    copies: int
    store: Path
    name: str | None = None
    preprocessing: preprocess.Kind | None = None


def evaluate(request: Request, place: Place, console: Console) -> bool:
    """Read, check, evaluate and print; return whether every cell is done.

    Raises ValueError, before compute, where the file is refused.
    """
    asked = _settings(request)  # a misspelt recipe is said before a large file is read
    found = locate(request.path)
    label = _label(request, found)
    task = tasks.load(request.task)
    network(request.network, task.train.shape, task.train.classes)
    prepared, form = _read(request, found, task)
    driver.say(console, prepared.line)
    trial = Trial(
        task=request.task,
        method=label,
        source=found.sha256(),
        hyperparameters={"format": form, "preprocessing": prepared.kind},
        ipc=request.ipc,
        seed=0,
    )
    evaluations = tuple(expand.evaluate(trial, "retrain", values) for values in asked)
    job = Job(label=trial.method, cell=trial, evaluations=evaluations)
    preflight.check_precisions([job], place)
    torch.set_num_threads(place.threads)  # which the record names
    store = Store.create(request.store)
    with store.locked():
        store.write_plan(f"{label.replace(':', '-')}-{trial.id[:12]}", grid.plan([job]).to_json())
        _keep(store, job, task, prepared.synthetic, place)
        _finish(job, store, place, console)
    for table in terminal(files.load([store.path])):
        console.print(table)
    return not driver.report([job], store, console)


def _settings(request: Request) -> list[dict[str, Any]]:
    """Return what the evaluator is given, for each recipe; raises ValueError where it refuses."""
    common = {"network": request.network, "copies": request.copies}
    asked = [{"recipe": recipe, **common} for recipe in dict.fromkeys(request.recipes)]
    for values in asked:
        registry.configure(registry.evaluator("retrain"), values, where="evaluator.retrain")
    return asked


def _label(request: Request, found: Found) -> str:
    name = found.name if request.name is None else request.name
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"--name {name!r}: use letters, digits, . _ -, a letter or digit first")
    return EXTERNAL + name


def _read(request: Request, found: Found, task: Task) -> tuple[preprocess.Prepared, str]:
    wanted = Wanted(task.train.classes, request.ipc, task.train.shape, task.class_names)
    brought = sandbox.read(found, wanted)
    return preprocess.prepare(brought, task, request.preprocessing), brought.format


def _keep(store: Store, job: Job, task: Task, synthetic: SyntheticSet, place: Place) -> None:
    """Write the artefact and the record of the trial, unless both are there."""
    trial = job.cell
    assert isinstance(trial, Trial)
    record, path = store.record(trial.id), store.artefact(trial.id)
    if record is not None and _is_whole(path, record):
        return
    facts = manifest(trial.model_dump(mode="json"), task, job.label, path.name)
    sha256 = write_artefact(path, synthetic, facts)
    store.write(
        Record(
            cell=trial,
            label=job.label,
            task=trial.task,
            ipc=trial.ipc,
            status="done",
            **stored(synthetic),
            artefact=sha256,
            data=facts["data"],
            provenance=provenance(place.device),
        )
    )


def _is_whole(path: Path, record: Record) -> bool:
    try:
        return bool(load_artefact(path)[1]["sha256"] == record.artefact)
    except ValueError:
        return False


def _finish(job: Job, store: Store, place: Place, console: Console) -> None:
    if rest := job_runner.missing(job, store):
        with (
            Display(console, [job], len(rest)) as display,
            closing(job_runner.run(job, store, place)) as work,
        ):
            for progress in work:
                display.observe(progress)
