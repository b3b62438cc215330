"""Jobs for workers, and plans, from which a board knows the missing cells."""

from pydantic import Field

from suite.records.cells import Cell, Evaluation, Frozen, Reference, Study, Trial


class Job(Frozen):
    """The work of one worker: a trial and its evaluations, a reference, or a study.

    data: the fingerprint of the task's data, "" if it is not known yet; records of other data do not count.
    """

    label: str
    cell: Trial | Reference | Study = Field(discriminator="kind")
    evaluations: tuple[Evaluation, ...] = ()
    recipe: str = ""  # the method's native recipe
    data: str = ""

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

    def size(self, cell: Cell) -> int:
        """Return the images per class of a cell's set, or of its scored part; 0 for a reference."""
        part = cell.part if isinstance(cell, Evaluation) else None
        return part.ipc if part else self.ipc

    @property
    def snapshots(self) -> frozenset[int]:
        """The outer steps of all snapshots that evaluations need."""
        return frozenset(cell.step for cell in self.evaluations if cell.step is not None)


class Planned(Frozen):
    """A cell of a grid, and its row on the board."""

    label: str  # the row's name on the board
    task: str
    ipc: int  # 0 for a reference; for an evaluation, the size of the scored part
    cell: Cell
    data: str = Field(default="", exclude_if=lambda data: not data)  # the fingerprint of the task's data


class Plan(Frozen):
    """All cells of the last run of a grid: `<store>/plan/<grid>.json`."""

    cells: tuple[Planned, ...]

    def to_json(self) -> str:
        """Return the plan as indented JSON in a stable form."""
        return self.model_dump_json(indent=1) + "\n"
