"""Jobs for workers, and plans, from which a board knows the missing cells."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import Field, NonNegativeFloat, PositiveInt

from suite.records.cells import Cell, Evaluation, Frozen, Reference, Study, Trial, differing_keys


class Wanted(Frozen):
    """What a grid wants for a job: CPUs, GPUs, labels of a Ray node; None leaves it to the command line."""

    cpus: PositiveInt | None = None
    gpus: NonNegativeFloat | None = None
    labels: dict[str, str] = {}

    def __str__(self) -> str:
        """Return what it wants in words; "" if it wants nothing."""
        counts = {"CPUs": self.cpus, "GPUs": self.gpus}
        words = [f"{count:g} {name}" for name, count in counts.items() if count is not None]
        words += [f"nodes with {key} = {value}" for key, value in self.labels.items()]
        return ", ".join(words)


class Tuned(Frozen):
    """How a trial's settings were chosen on the holdout: of how many tries, and what these cost together."""

    tries: PositiveInt
    device_seconds: NonNegativeFloat | None = None  # None: settings files of earlier releases do not tell


class Job(Frozen):
    """The work of one worker: a trial and its evaluations, a reference, or a study.

    data: the fingerprint of the task's data, "" if it is not known yet; records of other data do not count.
    tuned: None for settings that were not chosen by `ratbench tune`.
    """

    label: str
    cell: Trial | Reference | Study = Field(discriminator="kind")
    evaluations: tuple[Evaluation, ...] = ()
    recipe: str = ""  # the method's native recipe
    data: str = ""
    wanted: Wanted = Field(default=Wanted(), exclude_if=lambda wanted: wanted == Wanted())
    tuned: Tuned | None = Field(default=None, exclude_if=lambda tuned: tuned is None)

    @property
    def id(self) -> str:
        """The id of its first cell."""
        return self.cell.id

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells, in the order of the work."""
        return (self.cell, *self.evaluations)

    @property
    def ipc(self) -> int:
        """Images per class; 0 for a reference."""
        return 0 if isinstance(self.cell, Reference) else self.cell.ipc

    @property
    def title(self) -> str:
        """Its row, task, size and seed for people."""
        size = f" ipc {self.ipc}" if self.ipc else ""
        return f"{self.label} on {self.cell.task}{size} seed {self.cell.seed}"

    def size(self, cell: Cell) -> int:
        """Return the images per class of a cell's set, or of its scored part; 0 for a reference."""
        part = cell.part if isinstance(cell, Evaluation) else None
        return part.ipc if part else self.ipc

    @property
    def snapshots(self) -> frozenset[int]:
        """The outer steps of all snapshots that evaluations need."""
        return frozenset(cell.step for cell in self.evaluations if cell.step is not None)

    @property
    def budgets(self) -> list[float]:
        """The budgets in device-seconds within which evaluations need a snapshot, the smallest first."""
        return sorted({cell.device_seconds for cell in self.evaluations if cell.device_seconds is not None})


class Planned(Frozen):
    """A cell of a grid, and its row on the board."""

    label: str  # the row's name on the board
    task: str
    ipc: int  # 0 for a reference; for an evaluation, the size of the scored part
    cell: Cell
    data: str = Field(default="", exclude_if=lambda data: not data)  # the fingerprint of the task's data
    tuned: Tuned | None = Field(default=None, exclude_if=lambda tuned: tuned is None)  # of a trial


class Plan(Frozen):
    """All cells of the last run of a grid: `<store>/plan/<grid>.json`."""

    cells: tuple[Planned, ...]

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> Self:
        """Return the cells of jobs."""
        cells = [
            Planned(
                label=job.label,
                task=job.cell.task,
                ipc=job.size(cell),
                cell=cell,
                data=job.data,
                tuned=job.tuned if cell is job.cell else None,
            )
            for job in jobs
            for cell in job.cells
        ]
        return cls(cells=tuple(cells))

    def to_json(self) -> str:
        """Return the plan as indented JSON in a stable form."""
        return self.model_dump_json(indent=1) + "\n"


Named = tuple[str, Trial | Reference | Study]
"""A row's name on the board, and a cell of it."""


def titles(cells: Iterable[Named]) -> dict[str, str]:
    """Return a title for each cell, by its id: `ipc 10 rat_bptt window=40 seed 1`.

    Task, images per class and seed are named if cells differ in them, hyper-parameters if those of a row do.
    """
    named = list(cells)
    rows = dict[tuple[str, str, int], list[Mapping[str, Any]]]()
    for label, cell in named:
        rows.setdefault(_row(label, cell), []).append(_settings(cell))
    telling = {row: sorted(differing_keys(same)) for row, same in rows.items()}
    tasks = {cell.task for _, cell in named}
    sizes = {cell.ipc for _, cell in named if not isinstance(cell, Reference)}
    seeds = {cell.seed for _, cell in named}
    found = {}
    for label, cell in named:
        settings = _settings(cell)
        words = [cell.task] * (len(tasks) > 1)
        words += [f"ipc {_size(cell)}"] * (len(sizes) > 1 and _size(cell) > 0)
        words += [label.replace("_", " ") if isinstance(cell, Reference) else label]
        words += [f"{key}={settings[key]}" for key in telling[_row(label, cell)] if key in settings]
        words += [f"seed {cell.seed}"] * (len(seeds) > 1)
        found[cell.id] = " ".join(words)
    return found


def _row(label: str, cell: Trial | Reference | Study) -> tuple[str, str, int]:
    return label, cell.task, _size(cell)


def _size(cell: Trial | Reference | Study) -> int:
    return 0 if isinstance(cell, Reference) else cell.ipc


def _settings(cell: Trial | Reference | Study) -> Mapping[str, Any]:
    if isinstance(cell, Trial):
        return cell.fields
    return cell.settings if isinstance(cell, Study) else {}
