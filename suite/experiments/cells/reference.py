"""References: networks trained on all of train."""

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Any

from torch import Tensor

from suite.core.data import tasks
from suite.core.networks.named import Network, network
from suite.core.seeding import derive
from suite.core.spec import Examples
from suite.core.training.fit import accuracy, fit_full
from suite.core.training.recipes import recipe
from suite.experiments.cells.context import Context
from suite.experiments.cells.progress import Progress, Work
from suite.experiments.outer_loop.loop import resume, take_steps
from suite.records.cells import Reference


def train_reference(cell: Reference, context: Context) -> Work:
    """Train the copies one after another, then measure them on test."""
    task = context.task().to(context.resources.device)
    net = network(cell.network, task.train.shape, task.train.classes)
    start = partial(_Copies, cell, net, task.train)
    copies, trajectory = resume(start, context.store, cell.id, context.resources, tasks.fingerprint(task))
    context.listener.moved("training")
    save, every = partial(context.save_checkpoint, cell.id), context.checkpoint_seconds
    with closing(take_steps(copies, trajectory, context.resources, save=save, every=every)) as steps:
        for at in steps:
            yield Progress(cell.id, "training on all of train", at.step, at.steps, needs=at.needs)
    test = task.test  # the only read, after the last training step
    return context.record(
        cell,
        "done",
        **trajectory.measured() | {"curve": {}},
        scores={"accuracy": tuple(accuracy(net, parameters, test) for parameters in copies.trained)},
        test_reads=task.split.reads,
    )


class _Copies:
    """Networks with fresh seeds; each outer step trains one."""

    cached_seconds = 0.0

    def __init__(self, cell: Reference, net: Network, train: Examples) -> None:
        self.steps, self.cell, self.net, self.train = cell.copies, cell, net, train
        self.trained: list[Tensor] = []

    def step(self) -> Mapping[str, float]:
        """Train the next copy."""
        seed = derive(self.cell.seed, "reference", len(self.trained))
        how = recipe(self.cell.recipe)
        self.trained.append(fit_full(self.net, self.train, how, self.cell.epochs, seed=seed))
        return {}

    def diagnosis(self) -> str:
        """Return nothing: a step has no metrics."""
        return ""

    def state_dict(self) -> dict[str, Any]:
        """Return the trained networks."""
        return {"trained": list(self.trained)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the trained networks."""
        self.trained = [parameters.to(self.train.images.device) for parameters in state["trained"]]
