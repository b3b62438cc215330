"""The order that a process of jobs gets, and its limits; needs neither torch nor ray."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suite.experiments.cells.progress import Lost
from suite.records.jobs import Job

REPORT_SECONDS = 0.1
"""Seconds between two reports of outer steps."""

KEPT_BYTES = 2**30
"""A process that holds so many bytes more after a job than at its start is replaced."""

ATTEMPTS = 3
"""How often a cell is tried whose process dies."""

LOST_CONNECTION = 71
"""Exit code of a process that lost the connection to the one that started it."""


@dataclass(frozen=True)
class Order:
    """A job to do in a store; `settled` and `lost` as in `job_runner.run`."""

    job: Job
    store: Path
    checkpoint_seconds: float = 60.0
    settled: frozenset[str] = frozenset()
    lost: Mapping[str, Lost] = field(default_factory=dict)
