"""References: networks trained on all of train."""

from time import perf_counter

from suite.core.data import tasks
from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.training.fit import accuracy, fit_full
from suite.core.training.recipes import recipe
from suite.experiments.cells.context import Context, Progress, Work
from suite.records.cells import Reference


def train_reference(cell: Reference, context: Context) -> Work:
    """Train the copies one after another, then measure them on test."""
    task = context.task().to(context.resources.device)
    net = network(cell.network, task.train.shape, task.train.classes)
    started, trained = perf_counter(), []
    for copy in range(cell.copies):
        yield Progress(cell.id, "training on all of train", copy, cell.copies)
        seed = derive(cell.seed, "reference", copy)
        trained.append(fit_full(net, task.train, recipe(cell.recipe), cell.epochs, seed=seed))
    test = task.test  # the only read, after the last training step
    return context.record(
        cell,
        "done",
        scores={"accuracy": tuple(accuracy(net, parameters, test) for parameters in trained)},
        seconds=perf_counter() - started,
        test_reads=task.split.reads,
        data=tasks.fingerprint(task),
    )
