"""A grid file and its tables: methods with their exceptions, studies and references."""

import re
from collections.abc import Mapping, Sequence
from itertools import count, islice
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    PrivateAttr,
    field_validator,
    model_validator,
)

from suite.core.data import tasks
from suite.core.training.recipes import recipe_on_real
from suite.experiments.tables.budget import BudgetTable
from suite.experiments.tables.resources import ResourcesTable
from suite.experiments.tuning.settings_file import Chosen, Place
from suite.records.cells import STANDARD_RECIPE, Part, Reference
from suite.records.jobs import Wanted

Value = TypeVar("Value", int, str)

FULL_DATA = "full_data"
"""The row of the networks that are trained on all of train."""


class Where(BaseModel):
    """Values of a method for one task, one size, or both. Its other keys are hyper-parameters."""

    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)

    task: str | None = None
    """The task to which the values apply; by default every task."""
    ipc: PositiveInt | None = None
    """The size to which the values apply; by default every size. Give `task`, `ipc` or both."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.task is None and self.ipc is None:
            raise ValueError("needs `task` or `ipc`")
        if self.task is not None:
            tasks.describe(self.task)
        return self

    def holds(self, task: str, ipc: int) -> bool:
        """Return whether its values apply."""
        return self.task in (None, task) and self.ipc in (None, ipc)


class StudyTable(BaseModel):
    """A study's table. Its other keys are settings."""

    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)

    base: str | None = None
    """The study, if the row has another name."""
    resources: ResourcesTable = ResourcesTable()
    """The table `[study.NAME.resources]`: resources of its trials, as in `[resources]`."""

    @property
    def values(self) -> dict[str, Any]:
        """The settings that the grid gives."""
        return dict(self.model_extra or {})


class MethodTable(BaseModel):
    """A method's table. Its other keys are hyper-parameters.

    `prefixes`, `subsets` and `leave_one_out` select parts of its largest set that are also evaluated.
    """

    model_config = ConfigDict(extra="allow", strict=True, use_attribute_docstrings=True)

    base: str | None = None
    """The method, if the row has another name: a name or the path of a .py file."""
    tasks: list[str] | None = None
    """The tasks of the grid on which it runs; all by default."""
    ipc: list[PositiveInt] | None = None
    """The sizes of the grid at which it runs; all by default."""
    prefixes: list[PositiveInt] = []
    """Evaluate prefixes of these sizes; only for a method that orders its images."""
    subsets: NonNegativeInt = 0
    """Evaluate this number of random subsets of every smaller size of the grid."""
    leave_one_out: NonNegativeInt = 0
    """Evaluate this number of sets without one image of each class: without the first, the second, …"""
    resources: ResourcesTable = ResourcesTable()
    """The table `[method.NAME.resources]`: resources of its trials, as in `[resources]`."""
    where: list[Where] = []
    """Exceptions for a task or a size: `[[method.NAME.where]]`."""

    @field_validator("where", mode="before")
    @classmethod
    def _check(cls, where: Any) -> Any:
        if not isinstance(where, list):
            raise ValueError("write [[method.….where]], with two brackets")
        return where

    def values(self, task: str, ipc: int) -> dict[str, Any]:
        """Return the hyper-parameters that the grid gives at (task, ipc)."""
        given = dict(self.model_extra or {})
        for exception in self.where:
            if exception.holds(task, ipc):
                given |= exception.model_extra or {}
        return given

    def sizes(self, grid: Sequence[int]) -> list[int]:
        """Return its sizes; raises ValueError for a size that the grid does not have."""
        return _some("ipc", self.ipc, grid)

    def tasks_of(self, grid: Sequence[str]) -> list[str]:
        """Return its tasks; raises ValueError for a task that the grid does not have."""
        return _some("tasks", self.tasks, grid)

    def parts(self, grid: Sequence[int], *, ordered: bool) -> list[Part]:
        """Return the evaluated parts of its largest set; raises ValueError for parts that do not exist.

        ordered: whether the method orders its images.
        """
        largest = max(self.sizes(grid))
        self._check_prefixes(largest, ordered=ordered)
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
            *(Part(how="prefix", ipc=size) for size in self.prefixes),
            *(Part(how="random", ipc=size, index=index) for size in smaller for index in range(self.subsets)),
            *(Part(how="without", ipc=largest - 1, index=index) for index in range(self.leave_one_out)),
        ]

    def _check_prefixes(self, largest: int, *, ordered: bool) -> None:
        if wrong := [size for size in self.prefixes if size >= largest]:
            raise ValueError(f"prefixes {wrong} must be smaller than the largest set, of ipc {largest}")
        if len(set(self.prefixes)) < len(self.prefixes):
            raise ValueError(f"prefixes {self.prefixes}: duplicate value")
        if self.prefixes and not ordered:
            raise ValueError(
                f"prefixes {self.prefixes}: this method does not order its images, so no prefix is "
                "better than another subset; use subsets, or leave prefixes out"
            )


def _some(key: str, chosen: list[Value] | None, grid: Sequence[Value]) -> list[Value]:
    """Return the values of a row's `key`, by default all of the grid's."""
    if chosen is None:
        return list(grid)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"{key} {chosen} must not be empty or have duplicates")
    if strange := [value for value in chosen if value not in grid]:
        raise ValueError(f"{key} {strange} is not among the grid's, {list(grid)}; add it there")
    return chosen


class References(BaseModel):
    """Networks trained on all of train, and on `random` random subsets of every size of the grid.

    A random subset is an ordinary trial of the method `random_subset`, with the same cells as in a grid that
    lists this method. It is evaluated under the native recipe of every method that runs on its task, so that
    compared sets have the same training. A recipe without a batch size takes the whole subset in each step.
    """

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    epochs: PositiveInt
    """Epochs of training on all of train."""
    copies: PositiveInt = 1
    """Networks trained on all of train."""
    recipe: str = STANDARD_RECIPE
    """The recipe of this training; `epochs` replaces its number of epochs."""
    random: NonNegativeInt = 0
    """Random subsets of each size, evaluated under every method's recipe."""
    relabelled: bool = False
    """Also evaluate the same subsets with a teacher's labels, as trials of `random_relabelled`, and compare
    methods with soft labels with both. This doubles the trainings on random subsets."""

    @field_validator("recipe")
    @classmethod
    def _check(cls, name: str) -> str:
        return recipe_on_real(name).name

    @model_validator(mode="after")
    def _check_relabelled(self) -> Self:
        if self.relabelled and not self.random:
            raise ValueError("relabelled = true needs random subsets; add random = 3")
        return self

    def full_data(self, task: str, network: str) -> Reference:
        """Return the cell of full data; its id depends on nothing else in the grid."""
        settings = self.model_dump(exclude={"random", "relabelled"})
        return Reference(task=task, network=network, seed=0, **settings)

    def seeds(self, grid: Sequence[int]) -> list[int]:
        """Return the seeds of the random subsets: first those of the grid, so that differences are paired."""
        others = (seed for seed in count() if seed not in grid)
        return [*grid, *islice(others, max(0, self.random - len(grid)))][: self.random]


class Grid(BaseModel):
    """A grid file."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    title: str
    """The title in lists of grids."""
    tasks: list[str] = Field(min_length=1)
    """Tasks by name, `folder:/path` or `hf:OWNER/NAME`; append `:holdout` to choose settings."""
    ipc: list[PositiveInt] = Field(min_length=1)
    """Sizes: images per class."""
    seeds: list[int] = Field(min_length=1)
    """Distillation seeds."""
    network: str | None = None
    """The value of the field `network` in every method, evaluator and study that has one. By default each
    task has the ConvNet for the size of its images: `convnet-d3-w128-in` up to 63 pixels, depth 4 from 64,
    depth 5 from 128."""
    settings: str = ""
    """The settings file that `ratbench tune` wrote, by its path from the grid's folder. Its settings replace
    those of the methods' tables; `--set` replaces both."""
    method: dict[str, MethodTable] = {}
    """A table `[method.NAME]` for each row."""
    study: dict[str, StudyTable] = {}
    """A table `[study.NAME]` for each study: a measurement over outer steps that makes no set."""
    evaluator: dict[str, dict[str, Any]] = {}
    """A table `[evaluator.NAME]` of settings for each evaluator; a list runs every value."""
    snapshots: list[Annotated[float, Field(ge=0, lt=1)]] = []
    """Fractions of a trial's outer steps after which its set is also evaluated; 0 is the initial set.
    `ratbench figure curve` plots the accuracies."""
    budget: BudgetTable | None = None
    """The table `[budget]`: device-seconds after which the sets of all rows are compared."""
    reference: References | None = None
    """The table `[reference]`: full data and random subsets."""
    resources: ResourcesTable = ResourcesTable()
    """The table `[resources]`: CPUs, GPUs and node labels of each trial."""

    _chosen: Mapping[Place, Chosen] = PrivateAttr(default_factory=dict)

    @property
    def chosen(self) -> Mapping[Place, Chosen]:
        """What its settings file has for each row, task and size."""
        return self._chosen

    def with_chosen(self, chosen: Mapping[Place, Chosen]) -> Self:
        """Return the grid with what its settings file has, whose values its tables have already."""
        own = self.model_copy()
        own._chosen = chosen
        return own

    def wanted(self, label: str, *, study: bool = False) -> Wanted:
        """Return the resources of each trial of a row; those of `[resources]` for a reference."""
        row = (self.study if study else self.method).get(label)
        return (row.resources if row else self.resources).over(self.resources)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.method and not self.study:
            raise ValueError("the grid has no [method.NAME] and no [study.NAME]; add one")
        for name in (*self.method, *self.study):
            if name == FULL_DATA or not re.fullmatch(r"\w[\w.-]*", name):
                raise ValueError(
                    f"invalid row name {name!r}: use letters, digits, . _ -, and not {FULL_DATA!r}"
                )
        if self.snapshots and self.budget:
            raise ValueError(
                f"snapshots {self.snapshots}: they are shares of the outer steps, and with [budget] the time "
                "decides how many there are; leave snapshots out, or give budgets between by `moments`"
            )
        lists: dict[str, list[Any]] = {"tasks": self.tasks, "ipc": self.ipc, "seeds": self.seeds}
        for key, values in lists.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{key} {values}: duplicate value")
        return self
