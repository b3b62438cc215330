"""What a run was asked for: jobs for workers, and cells that the board expects."""

from pydantic import BaseModel, ConfigDict, Field

from suite.records.cells import Cell, Evaluation, Reference, Trial


class Job(BaseModel):
    """What one worker does in one go: a trial and its evaluations, or a reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    cell: Trial | Reference = Field(discriminator="kind")
    evaluations: tuple[Evaluation, ...] = ()
    recipe: str = ""  # the method's native recipe

    @property
    def id(self) -> str:
        """The id of its first cell."""
        return self.cell.id

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells in the order in which they are done."""
        return (self.cell, *self.evaluations)

    @property
    def ipc(self) -> int:
        """Images per class; 0 for a reference."""
        return self.cell.ipc if isinstance(self.cell, Trial) else 0

    def size(self, cell: Cell) -> int:
        """Return the images per class of what a cell of this job makes or scores; 0 for a reference."""
        part = cell.part if isinstance(cell, Evaluation) else None
        return part.ipc if part else self.ipc

    @property
    def snapshots(self) -> frozenset[int]:
        """The outer steps at which the set is kept as it stands, because an evaluation asks for it."""
        return frozenset(cell.step for cell in self.evaluations if cell.step is not None)


class Planned(BaseModel):
    """One cell that was asked for, and the row of the board that waits for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str  # the row's name on the board
    task: str
    ipc: int  # 0 for a reference; of an evaluation, of the part that it scores
    cell: Cell = Field(discriminator="kind")


class Plan(BaseModel):
    """All cells of one grid, as it was last run: `<store>/plan/<grid>.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: tuple[Planned, ...]

    def to_json(self) -> str:
        """Return the plan as indented JSON, one stable form."""
        return self.model_dump_json(indent=1) + "\n"
