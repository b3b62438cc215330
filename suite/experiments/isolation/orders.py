"""What a process of jobs is told, and by which limits it is judged; needs neither torch nor ray."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from suite.experiments.cells.progress import Lost
from suite.records.jobs import Job

REPORT_SECONDS = 0.1
"""Seconds between two reports of outer steps."""

KEPT_BYTES = 2**30
"""Bytes that a process may hold after a job, above those at its start; one that holds more is replaced."""

ATTEMPTS = 3
"""Attempts at a cell whose process dies."""

LOST_CONNECTION = 71
"""Exit code of a process that cannot talk any more to the one that started it."""


@dataclass(frozen=True)
class Order:
    """A job to do in a store; `settled` and `lost` as in `job_runner.run`."""

    job: Job
    store: Path
    checkpoint_seconds: float = 60.0
    settled: frozenset[str] = frozenset()
    lost: Mapping[str, Lost] = field(default_factory=dict)
