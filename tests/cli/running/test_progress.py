"""What is said, and shown, while a grid runs."""

import io
from contextlib import closing
from pathlib import Path
from socket import gethostname

import pytest
from rich.text import Text

from suite.cli.console import Plain
from suite.cli.running import progress
from suite.cli.running.progress import Display, clock
from suite.experiments import job_runner
from suite.experiments.cells.progress import Progress
from suite.experiments.resources import Resources
from suite.records.jobs import Job
from suite.records.record import Record, Status
from suite.records.store import Store
from tests.support.board_records import CPU


class Run:
    """A display of a run of the tiny grid, and what it wrote."""

    def __init__(self, jobs: list[Job], store: Store, *, width: int = 80, terminal: bool = False) -> None:
        self.file = io.StringIO()
        console = Plain(file=self.file, width=width, height=24, force_terminal=terminal)
        self.cells = [(job, cell) for job in jobs for cell in job.cells]
        self.display = Display(console, "tiny", jobs, self.cells, store)

    def lines(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def screen(self) -> list[str]:
        """What is live in the terminal."""
        texts = self.display._view().renderables
        return [text.plain for text in texts if isinstance(text, Text)]

    def finish(self, place: int, status: Status = "done", **measured: object) -> Record:
        job, cell = self.cells[place]
        fields = {"label": job.label, "task": "digits", "ipc": 1, "provenance": CPU, "seconds": 20.0}
        record = Record.model_validate({"cell": cell, "status": status, **fields, **measured})
        self.display.observe(Progress(job.id, status, finished={cell.id: record}))
        return record


@pytest.fixture
def run(jobs: list[Job], store: Store) -> Run:
    return Run(jobs, store)


@pytest.fixture
def live(jobs: list[Job], store: Store) -> Run:
    return Run(jobs, store, terminal=True)


def test_a_finished_cell_is_one_plain_line(run: Run) -> None:
    run.finish(2)
    run.finish(3, scores={"accuracy": (0.9, 0.95)}, seconds=0.1)
    assert run.lines() == [
        "[1/4] rat_bptt: distillation done, 20 s",
        "[2/4] rat_bptt: retrain rat-bptt-1000 done, 92.5%, < 1 s",
    ]


def test_a_failure_is_told_at_once_with_its_traceback(run: Run, store: Store) -> None:
    trace, error = "Traceback …", "RuntimeError: \x1b[31mbroken\n[red]method (my.py:3)"
    job, cell = run.cells[2]
    failure = Record(
        cell=cell, label=job.label, task="digits", ipc=1, status="failed", error=error, provenance=CPU
    )
    store.write(failure, trace)
    run.finish(2, "failed", error=error)
    told, where = run.lines()
    assert told == (
        r"[1/4] rat_bptt: distillation failed: RuntimeError: \u001b[31mbroken [red]method (my.py:3)"
    )
    path = Path(where.removeprefix("  traceback: "))
    assert path.read_text() == trace and len(path.name) == len("0123456789ab.txt")


def test_what_a_worker_recorded_before_it_died_is_told_at_the_end_of_its_job(
    run: Run, store: Store, resources: Resources
) -> None:
    (job,) = {job.id: job for job, _ in run.cells if job.label == "random_subset"}.values()
    with closing(job_runner.run(job, store, resources)) as work:
        while not next(work).finished:
            pass
    run.display.end(job.id)
    run.display.end(job.id)
    (line,) = run.lines()
    assert line.startswith("[1/4] random_subset: distillation done, ")

    store.artefact(job.id).unlink()
    again = Run([job], store)
    again.display.end(job.id)
    assert not again.lines(), "a record whose set is lost is no result of this run"


def test_of_other_scores_the_first_that_is_shown(run: Run) -> None:
    described = [
        {"name": "chosen/*", "title": "{}", "shown": False},
        {"name": "half", "title": "half right"},
    ]
    scores = {"chosen/a": (1.0,), "half": (0.25, 0.75)}
    run.finish(3, scores=scores, described=described)
    assert run.lines() == ["[1/4] rat_bptt: retrain rat-bptt-1000 done, half right 0.5, 20 s"]


def test_plain_lines_are_not_repeated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    for step in (1, 1, 1):
        run.display.observe(Progress(run.cells[2][0].id, "distilling", step, 100))
    assert run.lines() == ["0 of 4 cells done, 1 running, 0 failed, left unknown"]
    assert "\x1b" not in run.file.getvalue()


def test_two_lines_and_each_running_cell(live: Run) -> None:
    job = live.cells[2][0]
    metrics = {"step": 30.0, "seconds": 9.0, "outer_loss": 0.123456}
    live.display.observe(Progress(job.id, "distilling", 34, 80, latest=metrics))
    first, second, *cells = live.screen()
    assert first == "tiny: 0 of 4 cells done, 1 running, 0 failed"
    assert second == "elapsed 0:00 · left unknown"
    assert cells == ["  rat_bptt  34/80  loss 0.1235"]
    live.display.observe(
        Progress(job.id, "evaluating: retrain dsa-1000", latest=metrics, where="node7 gpu 1")
    )
    assert live.screen()[2:] == ["  rat_bptt  evaluating: retrain dsa-1000  node7 gpu 1"]
    live.display.end(job.id)
    assert len(live.screen()) == 2


@pytest.mark.parametrize(
    ("where", "shown"), [("", ""), (gethostname(), ""), (f"{gethostname()} gpu 3", "  gpu 3")]
)
def test_this_machine_is_not_named(live: Run, where: str, shown: str) -> None:
    live.display.observe(Progress(live.cells[0][0].id, "distilling", 1, 2, where=where))
    assert live.screen()[2:] == [f"  random_subset  1/2{shown}"]


def test_a_narrow_terminal_folds_nothing_and_shows_the_steps(jobs: list[Job], store: Store) -> None:
    named = [jobs[1].model_copy(update={"label": "a very long name of a row" * 4})]
    run = Run(named, store, width=40, terminal=True)
    with run.display:
        run.display.observe(Progress(named[0].id, "distilling", 1234, 5000))
        run.finish(0, "failed", error="RuntimeError: " + "x" * 100)
        run.display.observe(Progress(named[0].id, "distilling", 1234, 5000))
        run.display.live.refresh()
    assert run.screen()[2].endswith("…  1234/5000") and max(map(len, run.screen()[2:])) <= 40
    shown = [Text.from_ansi(line).plain for line in run.file.getvalue().replace("\r", "\n").splitlines()]
    assert max(map(len, shown)) <= 40 and any("distillation" in line or "…" in line for line in shown)


def test_more_cells_than_the_terminal_has_lines(jobs: list[Job], store: Store) -> None:
    many = [
        jobs[1].model_copy(update={"cell": jobs[1].cell.model_copy(update={"seed": seed})})
        for seed in range(40)
    ]
    run = Run(many, store, terminal=True)
    for job in many:
        run.display.observe(Progress(job.id, "starting"))
    assert len(run.screen()) < 24 and run.screen()[-1] == "  … and 20 more"
    assert run.screen()[2] == "  rat_bptt seed 0  starting"


def test_a_terminal_without_colours_or_control(
    jobs: list[Job], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Run(jobs, store, terminal=True).display.is_live
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    run = Run(jobs, store, terminal=True)
    with run.display:
        run.finish(2)
    assert "\x1b[3" not in run.file.getvalue(), "no colour"


def test_times_are_like_those_of_a_clock() -> None:
    assert [clock(each) for each in (0, 42.4, 90, 3723)] == ["0:00", "0:42", "1:30", "1:02:03"]
