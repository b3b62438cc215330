"""One job from start to records, in this process and without Ray: the place that knows both sides.

A job is a trial and the evaluations of its artefact, or a reference. What is recorded is not done
again, so a job can be cut off anywhere and run once more.
"""

import traceback
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

import torch

from suite.core.data import tasks
from suite.core.data.atomic_write import disk_full
from suite.core.engine import compiling
from suite.core.limits import check_code
from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.sets.artefacts import load_artefact, write_artefact
from suite.core.sets.manifest import manifest, stored
from suite.core.sets.subsets import cut
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller, Evaluator, Method, Task, TestSplit
from suite.core.training.fit import accuracy, fit_full
from suite.core.training.recipes import recipe
from suite.experiments.device import Place as Place
from suite.experiments.loop import Diverged, HasMilestones, Trajectory, distil
from suite.experiments.provenance import peak_memory_bytes, provenance, reset_peak_memory
from suite.plugins import registry
from suite.records.cells import EXTERNAL, Cell, Evaluation, Reference, Trial
from suite.records.jobs import Job
from suite.records.record import Record, Status
from suite.records.store import Store

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class Progress:
    """A sign of life: outer steps taken, and every cell that was finished with its status."""

    job: str
    doing: str
    step: int = 0
    steps: int = 0
    finished: Mapping[str, str] = field(default_factory=dict)


def missing(job: Job, store: Store) -> list[Cell]:
    """Return the job's cells that are still to do: those without a record.

    What stands behind a diverged trial is never to do: there is nothing to evaluate.
    """
    record = store.record(job.id)
    if record and record.status == "diverged":
        return []
    rest: list[Cell] = [cell for cell in job.evaluations if store.record(cell.id) is None]
    return rest if record else [job.cell, *rest]


def run(job: Job, store: Store, place: Place) -> Generator[Progress, None, None]:
    """Do what is missing of a job, and yield signs of life; errors end in records, a full disk raises."""
    torch.set_num_threads(place.threads)
    compiling.allow(place.compile)
    if place.device.type == "cuda":
        # Published numbers are float32: torch would let convolutions round to TF32.
        torch.backends.cudnn.allow_tf32 = False
    worker, first = _JobRunner(job, store, place), job.cell
    yield from worker.distil(first) if isinstance(first, Trial) else worker.refer(first)
    for evaluation in job.evaluations:
        yield from worker.evaluate(evaluation)


class _JobRunner:
    def __init__(self, job: Job, store: Store, place: Place) -> None:
        self.job, self.store, self.place, self.opened = job, store, place, TestSplit.opened

    def distil(self, trial: Trial) -> Iterator[Progress]:
        """Run the trial unless it is recorded and what is to be evaluated is whole."""
        record = self.store.record(trial.id)
        if record is not None and record.status == "diverged":
            return
        waiting = {cell.step for cell in self.job.evaluations if self.store.record(cell.id) is None}
        if record is None or not all(self._artefact_is_whole(trial, step) for step in {None, *waiting}):
            yield from self._guarded(trial, self._distil(trial))

    def refer(self, cell: Reference) -> Iterator[Progress]:
        """Train the reference unless it is recorded."""
        if self.store.record(cell.id) is None:
            yield from self._guarded(cell, self._refer(cell))

    def evaluate(self, cell: Evaluation) -> Iterator[Progress]:
        """Evaluate the artefact unless that is recorded, or there is none: the trial failed."""
        trial = self.store.record(self.job.id)
        if trial is not None and trial.status == "done" and self.store.record(cell.id) is None:
            yield from self._guarded(cell, self._evaluate(cell))

    def _guarded(self, cell: Cell, work: Iterator[Progress]) -> Iterator[Progress]:
        """Turn an error into a record of the cell; a full disk stops everything."""
        try:
            yield from work
            return
        except (Exception, SystemExit) as error:  # a method that leaves has failed
            if disk_full(error):
                raise
            status: Status = "oom" if isinstance(error, torch.OutOfMemoryError) else "failed"
            reason = traceback.format_exception_only(error)[-1].strip()
            where = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{reason} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
        yield self._keep(cell, status, error=message)

    def _distil(self, trial: Trial) -> Iterator[Progress]:
        task = load_task(trial.task, str(self.place.device))
        reset_peak_memory(self.place.device)
        distiller, trajectory = self._start(trial, task)
        trajectory.attempts += 1
        self.opened -= trajectory.test_reads  # those of earlier attempts count, too
        self._keep_snapshot(trial, task, distiller, trajectory.step)
        loop = distil(
            distiller,
            trajectory,
            synchronise=self._synchronise,
            save=lambda state: self.store.save_checkpoint(trial.id, trajectory.step, state),
            every=CHECKPOINT_SECONDS,
        )
        try:
            for at in loop:
                self._keep_snapshot(trial, task, distiller, at.step)
                yield Progress(trial.id, "distilling", at.step, at.steps)
            yield self._finish(trial, task, distiller.synthetic(), trajectory)
        except Diverged as reason:
            yield self._keep(trial, "diverged", trajectory, error=str(reason))
        finally:
            if self.store.record(trial.id):
                self.store.drop_checkpoints(trial.id)

    def _start(self, trial: Trial, task: Task) -> tuple[Distiller, Trajectory]:
        """Start the distiller, from its last checkpoint if there is one that it can load."""
        start = partial(
            build_method(trial).start, task.train, Budget(trial.ipc, trial.nested), seed=trial.seed
        )
        distiller = start()
        if saved := self.store.load_checkpoint(trial.id):
            try:
                distiller.load_state_dict(saved["distiller"])
                return distiller, Trajectory(**saved["trajectory"])
            except torch.OutOfMemoryError:
                raise  # which is no fault of the checkpoint
            except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
                self.store.quarantine_checkpoints(trial.id, f"the method cannot load it: {error}")
                distiller = start()
        return distiller, Trajectory(distiller.steps)

    def _keep_snapshot(self, trial: Trial, task: Task, distiller: Distiller, step: int) -> None:
        if step in self.job.snapshots or (
            isinstance(distiller, HasMilestones) and step in distiller.milestones
        ):
            self._save(trial, task, distiller.synthetic(), step)

    def _finish(self, trial: Trial, task: Task, synthetic: SyntheticSet, trajectory: Trajectory) -> Progress:
        return self._keep(
            trial,
            "done",
            trajectory,
            artefact=self._save(trial, task, synthetic),
            data=tasks.fingerprint(task),
            **stored(synthetic),
        )

    def _save(self, trial: Trial, task: Task, synthetic: SyntheticSet, step: int | None = None) -> str:
        """Write the set, or a snapshot of it, with all that its evaluation needs; return its sha256."""
        if not (synthetic.images.isfinite().all() and synthetic.labels.isfinite().all()):
            raise Diverged("the synthetic set is not finite")
        check_code(synthetic, task.train, Budget(trial.ipc, trial.nested))
        file = self.store.artefact(trial.id, step).name
        facts = manifest(trial.model_dump(mode="json"), task, self.job.label, file, synthetic.parametrisation)
        return write_artefact(self.store.artefact(trial.id, step), synthetic, facts)

    def _evaluate(self, cell: Evaluation) -> Iterator[Progress]:
        yield Progress(self.job.id, f"evaluating: {cell.title}")
        task = load_task(self.job.cell.task, str(self.place.device)).to(self.place.device)
        synthetic, facts = load_artefact(self.store.artefact(self.job.id, cell.step))
        if facts["data"] != tasks.fingerprint(task):
            raise ValueError(
                "the artefact was made from other images, or otherwise preprocessed, than the task's"
            )
        scored = cut(synthetic, cell.part, seed=self.job.cell.seed).to(self.place.device)
        reset_peak_memory(self.place.device)
        started, opened = perf_counter(), TestSplit.opened
        scores = build_evaluator(cell).evaluate(scored, task, seed=cell.seed)
        yield self._keep(
            cell,
            "done",
            scores=dict(scores.values),
            seconds=perf_counter() - started,
            test_reads=max(task.split.reads, TestSplit.opened - opened),  # the latter with those on the side
            data=tasks.fingerprint(task),
        )

    def _refer(self, cell: Reference) -> Iterator[Progress]:
        task = load_task(cell.task, str(self.place.device)).to(self.place.device)
        net = network(cell.network, task.train.shape, task.train.classes)
        reset_peak_memory(self.place.device)
        started, trained = perf_counter(), []
        for copy in range(cell.copies):
            yield Progress(cell.id, "training on all of train", copy, cell.copies)
            seed = derive(cell.seed, "reference", copy)
            trained.append(fit_full(net, task.train, recipe(cell.recipe), cell.epochs, seed=seed))
        test = task.test  # the one read, when every copy has taken its last step
        yield self._keep(
            cell,
            "done",
            scores={"accuracy": tuple(accuracy(net, parameters, test) for parameters in trained)},
            seconds=perf_counter() - started,
            test_reads=task.split.reads,
            data=tasks.fingerprint(task),
        )

    def _keep(
        self, cell: Cell, status: Status, trajectory: Trajectory | None = None, **measured: Any
    ) -> Progress:
        """Record a cell; say so."""
        earlier = self.store.last_failure(cell.id)
        done = trajectory or Trajectory(steps=0, seconds=measured.pop("seconds", 0.0))
        measured |= {"test_reads": TestSplit.opened - self.opened} if isinstance(cell, Trial) else {}
        record = Record(
            cell=cell,
            label=self.job.label,
            task=self.job.cell.task,
            ipc=self.job.size(cell),
            status=status,
            recipe=self.job.recipe,
            seconds=done.seconds,
            device_seconds=self.place.charged(done.seconds + done.cached_seconds),
            peak_memory_bytes=peak_memory_bytes(self.place.device),
            attempts=max(1, done.attempts, earlier.attempts + 1 if earlier else 1),
            curve={name: tuple(values) for name, values in done.curve.items()},
            provenance=provenance(self.place.device),
            **(_described(cell) if status == "done" else {}),
            **measured,
        )
        self.store.write(record)
        return Progress(self.job.id, status, finished={cell.id: status})

    def _artefact_is_whole(self, trial: Trial, step: int | None) -> bool:
        try:
            _, facts = load_artefact(self.store.artefact(trial.id, step))
        except ValueError:
            return False
        return bool(facts.get("trial") == trial.model_dump(mode="json"))

    def _synchronise(self) -> None:
        if self.place.device.type == "cuda":
            torch.cuda.synchronize(self.place.device)


def _described(cell: Cell) -> dict[str, Any]:
    """Return what the board shows of a cell's method, or of its evaluator and its scores."""
    if isinstance(cell, Evaluation):
        evaluator = registry.evaluator(cell.evaluator)
        return {"title": evaluator.title, "described": evaluator.scores}
    if isinstance(cell, Trial) and not cell.method.startswith(EXTERNAL):
        method = registry.method(cell.method)
        return {"method_title": method.title, "paper": method.paper}
    return {}


def build_method(trial: Trial) -> Method:
    """Return the trial's method with its hyper-parameters; raises ValueError where it has no such ones."""
    where = f"method {trial.method}"
    made: Method = registry.configure(registry.method(trial.method), trial.hyperparameters, where=where)
    return made


def build_evaluator(evaluation: Evaluation) -> Evaluator:
    """Return the evaluator with its settings; raises ValueError where it has no such ones."""
    cls, where = registry.evaluator(evaluation.evaluator), f"evaluator {evaluation.evaluator}"
    made: Evaluator = registry.configure(cls, evaluation.settings, where=where)
    return made


@lru_cache(maxsize=2)
def load_task(name: str, device: str) -> Task:
    """Load a task once per process; trials of one worker share it."""
    return tasks.load(name, device=device)
