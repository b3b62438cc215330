"""Studies: measurements over outer steps, recorded as a curve."""

from contextlib import closing
from functools import partial
from typing import Any

from suite.core.data import tasks
from suite.core.limits import Diverged
from suite.core.spec import Budget, TestSplit
from suite.experiments import studies
from suite.experiments.cells.context import Context
from suite.experiments.cells.progress import Progress, Work
from suite.experiments.outer_loop.loop import resume, take_steps
from suite.plugins import registry
from suite.records.cells import Study


def build_study(cell: Study) -> studies.Measurement:
    """Return the cell's study; raises ValueError if it refuses the settings."""
    where = f"study {cell.study}"
    made: studies.Measurement = registry.configure(studies.find(cell.study), cell.settings, where=where)
    return made


def measure(cell: Study, context: Context) -> Work:
    """Take all outer steps of the study, from its start or its last checkpoint."""
    before, task = TestSplit.total_reads, context.task()
    start = partial(build_study(cell).start, task.train, Budget(cell.ipc), seed=cell.seed)
    run, trajectory = resume(start, context.store, cell.id, context.resources, tasks.fingerprint(task))
    context.listener.moved("outer steps")
    before -= trajectory.test_reads  # those of earlier attempts count, too
    save, every = partial(context.save_checkpoint, cell.id), context.checkpoint_seconds
    ended: dict[str, Any] = {"status": "done"}
    try:
        with closing(take_steps(run, trajectory, context.resources, save=save, every=every)) as steps:
            for at in steps:
                yield Progress(cell.id, "measuring", at.step, at.steps, needs=at.needs, latest=at.latest)
    except Diverged as reason:
        ended = {"status": "diverged", "error": str(reason)}
    return context.record(
        cell,
        **ended,
        **trajectory.measured(),
        test_reads=TestSplit.total_reads - before,
    )
