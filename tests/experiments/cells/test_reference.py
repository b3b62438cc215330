"""References: networks on all of train, each with its own seed, and one read of test."""

from pathlib import Path

from suite.core.data import tasks
from suite.core.networks.named import network
from suite.core.seeding import derive
from suite.core.training.fit import accuracy, fit_full
from suite.core.training.recipes import recipe
from suite.experiments import job_runner
from suite.experiments.cells.context import Context
from suite.experiments.cells.reference import train_reference
from suite.experiments.resources import Resources
from suite.records.cells import Reference
from suite.records.jobs import Job
from suite.records.store import Store
from tests.support.job_runs import complete, done

CELL = Reference(task="digits", network="mlp-w8", recipe="dc-300", epochs=2, copies=2, seed=4)


def test_copies_are_trained_and_test_is_read_once(store: Store) -> None:
    work = train_reference(CELL, Context(Job(label="full_data", cell=CELL), store, Resources()))
    signs = []
    while True:
        try:
            signs.append(next(work))
        except StopIteration as end:
            record = end.value
            break
    assert [(sign.step, sign.steps) for sign in signs] == [(1, 2), (2, 2)]
    task = tasks.load("digits")
    net = network("mlp-w8", task.train.shape, task.train.classes)
    seeds = [derive(4, "reference", copy) for copy in range(2)]
    trained = [fit_full(net, task.train, recipe("dc-300"), 2, seed=seed) for seed in seeds]
    assert record.scores == {"accuracy": tuple(accuracy(net, each, task.test) for each in trained)}
    assert record.test_reads == 1 and record.ipc == 0 and record.data == tasks.fingerprint(task)
    assert len(set(record.scores["accuracy"])) == 2 and record.curve == {}


def test_cut_off_between_copies_it_goes_on_with_the_same_networks(store: Store, tmp_path: Path) -> None:
    job, other = Job(label="full_data", cell=CELL), Store.create(tmp_path / "undisturbed")
    complete(job, other, Resources())
    work = job_runner.run(job, store, Resources())
    assert next(work).step == 1
    work.close()
    assert store.record(job.id) is None and store.checkpoint_step(job.id) == 1
    assert [sign.step for sign in job_runner.run(job, store, Resources())] == [2, 0]
    assert done(job, store).scores == done(job, other).scores and done(job, store).attempts == 2
    assert store.checkpoint_step(job.id) is None
