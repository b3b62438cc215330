"""The tables of a grid file: a method's, with its exceptions, and the references."""

from collections.abc import Sequence
from itertools import count, islice
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, field_validator, model_validator

from suite.core.data import tasks
from suite.core.spec import Budget
from suite.core.training.recipes import recipe
from suite.records.cells import STANDARD_RECIPE, Part, Reference


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
            tasks.describe(self.task)
        return self

    def holds(self, task: str, ipc: int) -> bool:
        """Return whether its values are the ones to use."""
        return self.task in (None, task) and self.ipc in (None, ipc)


class MethodTable(BaseModel):
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


class References(BaseModel):
    """Networks trained on all of train, and on `random` random subsets of every size of the grid.

    A random subset is an ordinary trial of the method `random_subset`, so a grid that lists this
    method has the same cells, and no store does one twice. It is evaluated as every method of the grid is,
    under the native recipe of each: what a set is compared with has had the same training. A recipe
    that draws minibatches as the set's method does takes the whole subset, whose method draws none.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    epochs: PositiveInt
    copies: PositiveInt = 1
    recipe: str = STANDARD_RECIPE
    random: NonNegativeInt = 0

    @field_validator("recipe")
    @classmethod
    def _check(cls, name: str) -> str:
        return recipe(name).name

    def full_data(self, task: str, network: str) -> Reference:
        """Return the cell of full data; its id depends on nothing else that stands in the grid."""
        asked = self.model_dump(exclude={"random"})
        return Reference(task=task, network=network, seed=0, **asked)

    def seeds(self, grid: Sequence[int]) -> list[int]:
        """Return the seeds of the random subsets: the grid's own, so that differences pair, then others."""
        others = (seed for seed in count() if seed not in grid)
        return [*grid, *islice(others, max(0, self.random - len(grid)))][: self.random]
