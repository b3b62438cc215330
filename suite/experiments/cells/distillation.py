"""Trials: run a method to its end and write its set as an artefact."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from suite.core.data import tasks
from suite.core.limits import Diverged, check_set
from suite.core.sets.artefacts import write_artefact
from suite.core.sets.manifest import manifest, stored
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Method, Task, TestSplit
from suite.experiments.cells import sets
from suite.experiments.cells.context import Context
from suite.experiments.cells.progress import Progress, Work
from suite.experiments.outer_loop.budgets import Budgets, Kept
from suite.experiments.outer_loop.loop import resume, take_steps
from suite.plugins import registry
from suite.records.cells import Trial
from suite.records.record import Late


def build_method(trial: Trial) -> Method:
    """Return the trial's method; raises ValueError if it refuses the hyper-parameters."""
    where = f"method {trial.method}"
    made: Method = registry.stored(registry.method(trial.method), trial.hyperparameters, where=where)
    return made


def distil(trial: Trial, context: Context) -> Work:
    """Run the method from its start or its last checkpoint, and write the set and its snapshots."""
    before, task, method = TestSplit.total_reads, context.task(), build_method(trial)
    start = partial(method.start, task.train, Budget(trial.ipc), seed=trial.seed)
    distiller, trajectory = resume(start, context.store, trial.id, context.resources, tasks.fingerprint(task))
    context.listener.moved("outer steps")
    before -= trajectory.test_reads  # those of earlier attempts count, too
    steps_kept = context.job.snapshots | set(distiller.milestones)
    last = trial.device_seconds
    given = [*context.job.budgets, *([last] if last else [])]
    budgets, ending = Budgets(given, distiller, trajectory, context.resources), None
    try:
        if trajectory.step in steps_kept:
            _write_snapshot(distiller.synthetic(), trajectory.step, method, task, context)
        loop = take_steps(
            distiller,
            trajectory,
            context.resources,
            save=partial(context.save_checkpoint, trial.id),
            every=context.checkpoint_seconds,
            careful=budgets.near,
            resumable=lambda: not budgets.passing,
        )
        with closing(loop):
            for at in loop:
                if at.step in steps_kept:
                    _write_snapshot(distiller.synthetic(), at.step, method, task, context)
                for budget, found in budgets.look():
                    kept = found if found and _whole(found.synthetic, method, trial.ipc) else None
                    if budget != last:
                        at.moments[budget] = _write_moment(kept, method, task, context)
                    elif kept is None:
                        raise Late(budget)
                    else:
                        ending, at.steps = kept, at.step  # the loop ends here
                if ending:
                    continue  # a checkpoint of this step, which is one too many, would count it
                steps = budgets.planned() if last else at.steps
                yield Progress(trial.id, "distilling", at.step, steps, needs=at.needs, latest=at.latest)
        ending = ending or budgets.keep()
        check_set(ending.synthetic, task.train, Budget(trial.ipc))
        path = context.store.new_artefact(trial.id, None, trajectory.data)
        # A set that another process finished and recorded meanwhile stays.
        made = sets.kept(context.job, context.store) or write(ending.synthetic, path, task, context)
        measured: dict[str, Any] = {"status": "done", "artefact": made, **stored(ending.synthetic)}
        measured |= ending.at.measured()
    except (Diverged, Late) as reason:
        status = "late" if isinstance(reason, Late) else "diverged"
        measured = {"status": status, "error": str(reason), **trajectory.measured()}
    return context.record(
        trial,
        **measured,
        method_title=method.title,
        paper=method.paper,
        cached_seconds=distiller.cached_seconds,
        test_reads=TestSplit.total_reads - before,
    )


def write(synthetic: SyntheticSet, path: Path, task: Task, context: Context) -> str:
    """Write a set of the job's trial with its manifest; return the sha256 of its file."""
    context.listener.leave_if_forked()
    trial = context.job.cell.model_dump(mode="json")
    facts = manifest(trial, task, context.job.label, path.name, synthetic.parametrisation)
    for each in (path, path.with_suffix(".json")):
        context.store.make_way(each)
    return write_artefact(path, synthetic, facts)


def _whole(synthetic: SyntheticSet, method: Method, ipc: int) -> bool:
    """Return whether a set is not one that still grows."""
    return not method.ordered or synthetic.parametrisation is not None or synthetic.ipc >= ipc


def _write_moment(kept: Kept | None, method: Method, task: Task, context: Context) -> tuple[int, float]:
    """Write the snapshot that counts for a budget; return its step and device-seconds, 0 without one."""
    if kept is None:
        return 0, 0.0
    _write_snapshot(kept.synthetic, kept.at.step, method, task, context)
    return kept.at.step, kept.device_seconds


def _write_snapshot(synthetic: SyntheticSet, step: int, method: Method, task: Task, context: Context) -> None:
    check_set(synthetic, task.train, Budget(context.job.ipc), growing=method.ordered)
    path = context.store.new_artefact(context.job.id, step, tasks.fingerprint(task))
    write(synthetic, path, task, context)
