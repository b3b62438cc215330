"""Shares of GPUs by measured memory."""

from hypothesis import given
from hypothesis import strategies as st

from suite.experiments.cluster import packing
from suite.experiments.cluster.packing import CONTEXT_BYTES, MARGIN, MOST, first, kind, peaks, share
from suite.records.cells import Trial
from suite.records.jobs import Job
from suite.records.record import Provenance, Record
from tests.support.job_runs import one

GIB = 2**30
H100, OTHER = "NVIDIA H100 80GB HBM3", "NVIDIA A10"


def trials(kinds: int, seeds: int) -> list[Job]:
    cells = [
        Trial(task="digits", method="m", hyperparameters={"width": number}, ipc=1, seed=seed)
        for number in range(kinds)
        for seed in range(seeds)
    ]
    return [Job(label="m", cell=cell) for cell in cells]


def measured(job: Job, peak: int, device: str = H100) -> Record:
    where = Provenance(commit="none", versions={}, device=device, threads=1)
    return Record(
        cell=job.cell,
        label=job.label,
        task=job.cell.task,
        ipc=job.ipc,
        status="done",
        peak_memory_bytes=peak,
        provenance=where,
    )


bytes_ = st.integers(0, 200 * GIB)


@given(peak=bytes_, total=st.integers(GIB, 200 * GIB))
def test_trials_that_share_a_gpu_fit_into_it_with_their_margin(peak: int, total: int) -> None:
    own = share(peak, total)
    together = round(1 / own)
    assert 0 < own <= 1 and 1 <= together <= MOST and together * own <= 1
    if together > 1:
        assert together * (MARGIN * peak + CONTEXT_BYTES) <= total
        assert own * total >= peak, "its limit leaves it what it needed"


@given(peak=bytes_, more=bytes_, total=st.integers(GIB, 200 * GIB))
def test_who_needs_more_gets_no_less(peak: int, more: int, total: int) -> None:
    assert share(peak + more, total) >= share(peak, total)
    assert share(peak, total + more) <= share(peak, total)


def test_shares_by_hand() -> None:
    assert [share(peak * GIB, 80 * GIB) for peak in (0, 8, 16, 30, 60, 200)] == [
        0.125,
        0.1428,
        0.3333,
        0.5,
        1,
        1,
    ]


def test_the_peak_of_a_kind_is_the_highest_of_its_seeds_and_evaluations(jobs: list[Job]) -> None:
    job = one(jobs, "rat_bptt")
    other = job.model_copy(update={"cell": job.cell.model_copy(update={"seed": 7})})
    assert kind(job) == kind(other) != kind(one(jobs, "random_subset"))
    scored = measured(job, 5).model_copy(update={"cell": job.evaluations[0]})
    found = [measured(job, 3), scored, measured(other, 4), measured(one(jobs, "random_subset"), 9, OTHER)]
    assert peaks(found, {H100}) == peaks(reversed(found), {H100}) == {kind(job): 5}
    assert peaks([scored], {H100}) == {}, "a score without its trial is of no known kind"


@given(kinds=st.integers(1, 4), seeds=st.integers(1, 6), gpus=st.integers(0, 9), known=st.integers(0, 4))
def test_some_of_each_kind_begin_and_no_gpu_waits_while_jobs_do(
    kinds: int, seeds: int, gpus: int, known: int
) -> None:
    jobs = trials(kinds, seeds)
    peak = {kind(job): GIB for job in jobs[: known * seeds]}
    begin = first(jobs, peak, gpus)
    assert {kind(job) for job in begin} == {kind(job) for job in jobs}
    assert [job for job in jobs if kind(job) in peak and job not in begin] == []
    new = [job for job in begin if kind(job) not in peak]
    unknown = len({kind(job) for job in new})
    assert len(new) <= max(gpus, unknown)
    if unknown:
        each = [sum(kind(job) == name for job in new) for name in {kind(job) for job in new}]
        assert all(count == min(seeds, max(1, gpus // unknown)) for count in each)


def test_no_share_is_below_what_ray_counts() -> None:
    assert packing.share(0, 10**15) == 1 / MOST
