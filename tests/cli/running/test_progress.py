"""What is said while a grid runs."""

import io

import pytest
from rich.console import Console

from suite.cli.running import progress
from suite.cli.running.progress import Display
from suite.experiments.cells.context import Progress
from suite.records.jobs import Job


def said(jobs: list[Job], *progress: Progress, terminal: bool = False) -> str:
    output = io.StringIO()
    with Display(Console(file=output, width=100, force_terminal=terminal), jobs, total=4) as shown:
        for each in progress:
            shown.observe(each)
        shown.end(jobs[0].id)
    return output.getvalue()


def test_a_finished_cell_is_one_plain_line(jobs: list[Job]) -> None:
    job = jobs[1]
    text = said(
        jobs,
        Progress(job.id, "done", finished={job.id: "done"}),
        Progress(job.id, "failed", finished={job.evaluations[0].id: "failed"}),
    )
    assert text.splitlines() == [
        "[1/4] digits ipc 1 rat_bptt seed 0: distillation done",
        "[2/4] digits ipc 1 rat_bptt seed 0: retrain rat-bptt-1000 failed",
    ]


def test_cells_that_still_run_are_summed_up_now_and_then(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_SECONDS", -1.0)
    monkeypatch.setattr(progress, "monotonic", iter([0.0, *[10.0] * 20]).__next__)
    text = said(jobs, *(Progress(jobs[1].id, "distilling", step, 100) for step in (1, 21)))
    # 20 steps were seen in 10 seconds.
    assert text.splitlines()[-1] == "0 done · 1 running · 0 failed · 2.0 outer steps/s"


def test_a_terminal_shows_a_bar_with_time_left(jobs: list[Job]) -> None:
    text = said(jobs, Progress(jobs[1].id, "distilling", 1, 4), terminal=True)
    assert "1 running" in text and "left" in text
