"""Jobs run to their end, as tests do it."""

from suite.experiments import job_runner
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record
from suite.records.store import Store


def done(job: Job, store: Store) -> Record:
    record = store.record(job.id)
    assert record is not None
    return record


def one(jobs: list[Job], label: str) -> Job:
    return next(job for job in jobs if job.label == label)


def complete(job: Job, store: Store, resources: Resources) -> dict[str, str]:
    """Run a job to its end; return what was finished."""
    return {
        cell: record.status
        for at in job_runner.run(job, store, resources)
        for cell, record in at.finished.items()
    }
