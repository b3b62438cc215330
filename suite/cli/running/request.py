"""What a run is asked for: a grid, changes to it, and options."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suite.cli.logs import writers
from suite.cli.logs.writers import Writer
from suite.cli.running.deadline import parse
from suite.experiments import grid, preflight
from suite.experiments.isolation.job_process import StepLimit
from suite.experiments.resources import Resources
from suite.experiments.schema import Grid
from suite.experiments.tables import grid_files
from suite.plugins import registry
from suite.records.cells import STANDARD_RECIPE, Study
from suite.records.jobs import Job

COPIES = 3
"""Networks that score a try of a method that is tuned without a grid."""


@dataclass(frozen=True)
class Request:
    """A grid by name or path, changes to it, and options of the run.

    made: a grid that was not read from a file; then `grid` is its name, and `settings` are empty. store: by
    default `runs/<grid>`; log: where the run is logged besides its records; inline: whether jobs run one
    after another, without Ray; address: of a Ray cluster, by default Ray starts locally; step_timeout: the
    longest time of an outer step, as given by `--step-timeout`. Raises ValueError for options that exclude
    each other.
    """

    grid: str
    settings: tuple[str, ...] = ()
    made: Grid | None = None
    store: Path | None = None
    inline: bool = False
    address: str | None = None
    resources: Resources = field(default_factory=Resources)
    log: writers.Kind | None = None
    step_timeout: str | None = None

    def __post_init__(self) -> None:
        if self.log:
            writers.check(self.log)
        _ = self.step_limit  # raises ValueError for one that cannot be read
        if self.inline and self.address is not None:
            raise ValueError("--inline runs without Ray: leave out --address")
        if not (self.inline or _is_utf8(self.folder)):
            raise ValueError(
                f"Ray takes only UTF-8 paths, and {self.folder.resolve()} is none; choose another --store, "
                "or use --inline"
            )
        if self.address == "":
            raise ValueError("--address is empty: give HOST:PORT, or auto, or leave it out")
        if (self.address or "").startswith("ray://"):
            raise ValueError(
                f"--address {self.address}: start a run on a node of the cluster that sees its store: "
                "ray job submit --address http://HEAD:8265 -- ratbench run GRID --store STORE --address auto"
            )

    @property
    def step_limit(self) -> StepLimit | None:
        """The longest time of an outer step, as given and in seconds; None for no limit."""
        if self.step_timeout is None:
            return None
        return self.step_timeout, parse(self.step_timeout, "--step-timeout")

    @property
    def name(self) -> str:
        """The grid's name."""
        return Path(self.grid).stem

    @property
    def folder(self) -> Path:
        """The store's path."""
        return self.store or Path("runs") / self.name

    @property
    def plan(self) -> str:
        """The name of the grid's plan: its own if it comes with the package, else also that of its path."""
        path = Path(self.grid)
        if path.suffix != ".toml":
            return self.grid
        # Two files of one name have two plans; in one plan, cells of the other file would not be missed.
        return f"{path.stem}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"

    def writer(self, folder: Path) -> Writer | None:
        """Return what writes the log, below the store's `folder`; raises ValueError if it cannot."""
        return writers.writer(self.log, folder / "log" / self.log, self.name) if self.log else None

    def table(self) -> Grid:
        """Return the grid; raises ValueError for a mistake in its file."""
        return self.made or grid.load(grid_files.locate(self.grid), self.settings)

    def jobs(self) -> list[Job]:
        """Return the jobs of the grid; raises ValueError for a mistake in the grid."""
        table = self.table()
        found = [
            job.model_copy(update={"wanted": table.wanted(job.label, study=isinstance(job.cell, Study))})
            for job in grid.jobs(table)
        ]
        if self.inline and any(job.wanted.labels for job in found):
            raise ValueError(
                "--inline runs without Ray, whose nodes have labels: leave out --inline, or labels"
            )
        return found


def _is_utf8(path: Path) -> bool:
    try:
        return bool(str(path.resolve()).encode())
    except UnicodeEncodeError:
        return False


def check_settings(request: Request, tasks: Collection[str]) -> None:
    """Raise ValueError if the grid's settings file was made on other data than these of its tasks have."""
    if (table := request.table()).settings:
        preflight.check_settings(grid_files.locate(request.grid), table.settings, tasks)


def one_method(what: str, task: str | None, ipc: int | None, settings: Sequence[str] = ()) -> Grid | None:
    """Return the grid of one method, by name or the path of a .py file; None if `what` is no method.

    Its title is the method's name. Raises ValueError for a method without a task or a size, and for a grid
    with one.
    """
    if not (what.endswith(".py") or (what in registry.names("method") and what not in grid_files.names())):
        if given := [name for name, value in (("--task", task), ("--ipc", ipc)) if value is not None]:
            raise ValueError(f"{given[0]} is for a method, but {what!r} is none: a grid has tasks and sizes")
        return None
    if task is None or ipc is None:
        raise ValueError(f"{what} is a method: give the images to tune it on, with --task and --ipc")
    name, path = (Path(what).stem, {"base": what}) if what.endswith(".py") else (what, {})
    table = {
        "title": name,
        "tasks": [task],
        "ipc": [ipc],
        "seeds": [0],
        "method": {name: path},
        "evaluator": {"retrain": {"recipe": STANDARD_RECIPE, "copies": COPIES}},
    }
    return grid.made(name, table, settings)
