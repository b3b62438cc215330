"""A method's table in a grid: where it runs, with what, and which parts of its sets are evaluated too."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, field_validator, model_validator

from suite.core import datasets
from suite.core.spec import Budget
from suite.records import Part


class Where(BaseModel):
    """An exception to a method's values: for a task, an IPC, or both. Its other keys are the values."""

    model_config = ConfigDict(extra="allow", strict=True)

    task: str | None = None
    ipc: PositiveInt | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.task is None and self.ipc is None:
            raise ValueError("needs a `task` or an `ipc` for which it holds")
        if self.task is not None:
            datasets.describe(self.task)
        return self

    def holds(self, task: str, ipc: int) -> bool:
        """Return whether its values are the ones to use."""
        return self.task in (None, task) and self.ipc in (None, ipc)


class Row(BaseModel):
    """A method's table. base: the method, where the row has another name. Its other keys are values.

    ipc: those of the grid's sizes at which it runs, else all. Of its set of the largest of them are
    also evaluated: `nested` sizes of prefixes, where the method orders its images; so many random
    `subsets` of every smaller size of the grid; and, for so many images of each class in turn, the set
    without it (`leave_one_out`).
    """

    model_config = ConfigDict(extra="allow", strict=True)

    base: str | None = None
    ipc: list[PositiveInt] | None = None
    nested: list[PositiveInt] = []
    subsets: NonNegativeInt = 0
    leave_one_out: NonNegativeInt = 0
    where: list[Where] = []

    @field_validator("where", mode="before")
    @classmethod
    def _check(cls, where: Any) -> Any:
        if not isinstance(where, list):
            raise ValueError("is written [[method.….where]], with two brackets")
        return where

    def values(self, task: str, ipc: int) -> dict[str, Any]:
        """Return the hyper-parameters that the grid gives at (task, ipc)."""
        given = dict(self.model_extra or {})
        for exception in self.where:
            if exception.holds(task, ipc):
                given |= exception.model_extra or {}
        return given

    def sizes(self, grid: Sequence[int]) -> list[int]:
        """Return the sizes at which it runs, of those of the grid; raises ValueError for any other."""
        if self.ipc is None:
            return list(grid)
        if not self.ipc or len(set(self.ipc)) < len(self.ipc):
            raise ValueError(f"ipc {self.ipc} must be one or more sizes, each once")
        if strange := [size for size in self.ipc if size not in grid]:
            raise ValueError(f"ipc {strange} is not among the grid's, {list(grid)}; add it there")
        return self.ipc

    def parts(self, grid: Sequence[int], *, ordered: bool) -> list[Part]:
        """Return the parts of its largest set; raises ValueError where that set has no such parts.

        ordered: whether the method orders its images.
        """
        largest = max(self.sizes(grid))
        Budget(largest, tuple(self.nested))
        if self.nested and not ordered:
            raise ValueError(
                f"nested {self.nested}: this method does not order its images, so that no prefix is better "
                "than another subset; leave nested out, or use subsets"
            )
        smaller = [size for size in sorted(grid) if size < largest]
        if self.subsets and not smaller:
            raise ValueError(
                f"subsets {self.subsets}: the grid's ipc {list(grid)} has no size below {largest}"
            )
        if self.leave_one_out > largest or (self.leave_one_out and largest == 1):
            raise ValueError(
                f"leave_one_out {self.leave_one_out}: its largest set has ipc {largest}; lower it"
            )
        return [
            *(Part(how="prefix", ipc=size) for size in self.nested),
            *(Part(how="random", ipc=size, index=draw) for size in smaller for draw in range(self.subsets)),
            *(Part(how="without", ipc=largest - 1, index=place) for place in range(self.leave_one_out)),
        ]
