"""Run jobs on a local Ray or on a cluster."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import ray
from ray import tune

from suite.experiments import job_runner
from suite.experiments.cells.progress import Lost
from suite.experiments.cluster import nodes, packing
from suite.experiments.cluster.asking import Question
from suite.experiments.cluster.connection import connected
from suite.experiments.cluster.ending import Ending, Observe, Stop, Watch
from suite.experiments.cluster.worker import Worker
from suite.experiments.isolation.job_process import StepLimit
from suite.experiments.job_runner import due
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store

RETRIES = 2  # of a job whose worker was killed; errors of the work are recorded and not retried

_Kind = tuple[Resources, tuple[tuple[str, str], ...]]  # the resources of a trial, and its node's labels


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    resources: Resources,
    *,
    address: str | None,
    observe: Observe,
    end: Callable[[str], None],
    stop: Stop = lambda needs: False,
    lost: Callable[[str], None],
    records: Iterable[Record] = (),
    step_limit: StepLimit | None = None,
) -> None:
    """Run jobs on a local Ray or the cluster at `address`, until all are done or `stop` says so.

    observe, end: get the progress of jobs, and the ids of those that ended; lost: called in another thread,
    with a reason, if Ray is lost, to interrupt this one; records: of earlier trials, whose peak memory tells
    how many of their kind share a GPU. Raises ValueError if this machine lacks the resources of a trial, or
    no node has its labels; ConnectionError if no cluster answers; OSError if the disk fails, or a machine has
    too little memory.
    """
    given = {job.id: resources.given(job.wanted) for job in jobs}
    work = partial(_tune, store=store, observe=observe, end=end, stop=stop, step_limit=step_limit)
    with connected(address, lost):
        if address is None:
            _refuse_too_much(given.values())
        nodes.refuse_missing([job.wanted.labels for job in jobs])
        for part in _rounds(jobs, given, store, records):
            if stop(0.0):
                return
            work(part, given)
        starved = [job for job in jobs if 0 < given[job.id].gpus < 1 and _out_of_memory(job, store)]
        if starved and not stop(0.0):
            # A trial that shares a GPU may need all of it: run it once more, alone.
            alone = {job.id: replace(given[job.id], gpus=1.0) for job in starved}
            work(starved, alone)


def _rounds(
    jobs: Sequence[Job], given: dict[str, Resources], store: Store, records: Iterable[Record]
) -> Iterator[Sequence[Job]]:
    """Yield the jobs that run together: those that begin, then those that waited for the peak of their kind.

    given: the resources by job, in which the shares of GPUs are set before a part is yielded.
    """
    packed = [job for job in jobs if given[job.id].packed]
    found = nodes.gpus() if packed else None
    if found is None:
        yield jobs
        return
    known = packing.peaks(records, found.names)
    begin = {job.id for job in packing.first(packed, known, found.number)}
    waiting = {job.id: job for job in packed if job.id not in begin}
    for part in ([job for job in jobs if job.id not in waiting], list(waiting.values())):
        for job in part:
            if given[job.id].packed and (peak := known.get(packing.kind(job))):
                given[job.id] = replace(given[job.id], gpus=packing.share(peak, found.memory_bytes))
        if part:
            yield part
        measured = (store.record_of(job, cell) for job in part for cell in job.cells)
        known |= packing.peaks(filter(None, measured), found.names)


def _refuse_too_much(given: Iterable[Resources]) -> None:
    """Raise ValueError if a trial wants more than this machine has: Tune would wait forever."""
    for name in ("CPU", "GPU"):
        wanted = max((getattr(each, f"{name.lower()}s") for each in given), default=0)
        if wanted > (available := ray.cluster_resources().get(name, 0)):  # type: ignore[no-untyped-call]
            raise ValueError(
                f"a trial needs {wanted:g} {name}s, but this machine has {available:g}; "
                f"lower --{name.lower()}s-per-trial, or {name.lower()}s in the grid's resources"
            )


def _tune(
    jobs: Sequence[Job],
    given: Mapping[str, Resources],
    *,
    store: Store,
    observe: Observe,
    end: Callable[[str], None],
    stop: Stop,
    step_limit: StepLimit | None,
) -> None:
    for job in jobs:
        store.write_job(job)
    store.send()
    # Tune copies all requests for each trial, so there is one for each kind, not for each job.
    kinds = dict.fromkeys(_kind(job, given) for job in jobs)
    requests, numbers = list(map(_request, kinds)), {kind: number for number, kind in enumerate(kinds)}
    wanted = {job.id: numbers[_kind(job, given)] for job in jobs}
    # For Tune's own files; in the store, where there is room.
    folder = tempfile.mkdtemp(dir=store.path.resolve(), prefix=".tune-")
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what it would say of lost workers is said here
    question = Question()
    ending = Ending(stop, question)
    watch = Watch(observe, end, ending)
    try:
        tune.Tuner(
            tune.with_resources(Worker, lambda config: requests[config["wanted"]]),
            param_space={
                "cell": tune.grid_search([job.id for job in jobs]),
                "wanted": tune.sample_from(lambda config: wanted[config["cell"]]),
                "store": store.address,
                "asked": question.key,
                "folder": str(Path.cwd()),
                "resources": {
                    name: getattr(given[jobs[0].id], name) for name in ("compile", "deterministic")
                },
                "step_limit": step_limit,
            },
            tune_config=tune.TuneConfig(reuse_actors=True),  # a reused worker starts at once
            run_config=tune.RunConfig(
                name="run",
                storage_path=folder,
                verbose=0,
                stop=ending,
                # Workers write checkpoints to our store.
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                callbacks=[watch],
            ),
        ).fit()
    except RuntimeError as error:
        if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
            raise
        raise OSError(
            "Ray killed workers, because their machine ran out of memory; free some, or run fewer trials "
            "at once with a larger --cpus-per-trial, and run the same command again"
        ) from None
    finally:
        question.close()
        shutil.rmtree(folder, ignore_errors=True)
    if ending.fault:
        raise OSError(ending.fault)
    store.fetch()
    for job in jobs:
        if job.id in watch.lost:
            _give_up(job, watch.lost[job.id], store, given[job.id], observe)


def _give_up(job: Job, reason: str, store: Store, resources: Resources, observe: Observe) -> None:
    """Record the failure of a job whose workers died at each try."""
    if cells := due(job, store):
        lost = Lost(f"its worker died {RETRIES + 1} times: {reason}", RETRIES + 1)
        here = replace(resources, gpus=0.0)
        with closing(job_runner.run(job, store, here, lost={cells[0].id: lost})) as work:
            observe(next(work))


def _kind(job: Job, given: Mapping[str, Resources]) -> _Kind:
    return given[job.id], tuple(sorted(job.wanted.labels.items()))


def _request(kind: _Kind) -> tune.PlacementGroupFactory:
    resources, labels = kind
    bundle = {"CPU": resources.cpus, "GPU": resources.gpus}
    return tune.PlacementGroupFactory([bundle], bundle_label_selector=[dict(labels)])


def _out_of_memory(job: Job, store: Store) -> bool:
    failures = [store.failure_of(job, cell) for cell in job.cells]
    return any(failure is not None and failure.status == "oom" for failure in failures)
