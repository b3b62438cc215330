"""The rows of a grid that are tuned, each at one task and size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from suite.core.data.tasks import fingerprint
from suite.core.names import HOLDOUT
from suite.core.spec import Method
from suite.experiments import expand, grid
from suite.experiments.cells.context import load_task
from suite.experiments.schema import Grid
from suite.experiments.tuning.settings_file import Place
from suite.plugins import registry
from suite.records.cells import Study
from suite.records.jobs import Job, Wanted

ACCURACY = "accuracy"
"""The score that chooses."""


@dataclass(frozen=True)
class Row:
    """A row at one task and size.

    given: the hyper-parameters that the paper and the grid give, as in a settings file; evaluator: the name
    of the grid's first one; data: the fingerprint of the holdout, "" before it is read.
    """

    grid: Grid
    place: Place
    name: str
    method: type[Method]
    given: Mapping[str, Any]
    evaluator: str
    data: str = ""

    @property
    def has_steps(self) -> bool:
        """Whether its length is a number of outer steps."""
        return "steps" in registry.field_names(self.method)

    @property
    def holdout(self) -> str:
        """The task on which its tries run."""
        return self.place[1] + HOLDOUT

    @property
    def chosen_by(self) -> str:
        """The evaluation that chooses, in a few words."""
        return self.job({}).evaluations[0].title

    @property
    def wanted(self) -> Wanted:
        """The resources that the grid wants for it."""
        return self.grid.wanted(self.place[0])

    def build(self, changes: Mapping[str, Any]) -> Method:
        """Return the method with some values changed; raises ValueError for values that it refuses."""
        where = f"method.{self.place[0]}"
        (values,) = expand.combinations(self.method, {**self.given, **changes}, where)
        made: Method = registry.configure(self.method, values, where=where)
        return made

    def job(self, changes: Mapping[str, Any], seconds: float | None = None) -> Job:
        """Return a try: a trial on the holdout, and the first evaluation of the grid's first evaluator.

        seconds: device-seconds after which the trial stops, by default those of the grid's last budget.
        """
        label, _, ipc = self.place
        trial = grid.trial(self.grid, label, self.holdout, ipc, self.grid.seeds[0], self.build(changes))
        if seconds is not None:
            trial = trial.model_copy(update={"device_seconds": seconds})
        native = grid.native_recipe(self.grid, *self.place)
        table = self.grid.evaluator[self.evaluator]
        cells = expand.evaluations(
            trial, self.evaluator, table, network=grid.network(self.grid, self.place[1]), native=native
        )
        return Job(
            label=label,
            cell=trial,
            evaluations=(next(cells),),
            recipe=native,
            data=self.data,
            wanted=self.wanted,
        )

    def pace(self, seconds: float) -> Job:
        """Return the study that times outer steps, of which as many as fit into `seconds` are planned."""
        label, _, ipc = self.place
        settings = {
            "method": self.name,
            "hyperparameters": expand.plain(self.build({})),
            "source": registry.source(self.name),
            "seconds": seconds,
        }
        cell = Study(task=self.holdout, study="pace", settings=settings, ipc=ipc, seed=self.grid.seeds[0])
        return Job(label=label, cell=cell, data=self.data, wanted=self.wanted)

    def on_data(self) -> "Row":
        """Return the row with the fingerprint of its holdout; records on other data do not count for it."""
        return replace(self, data=fingerprint(load_task(self.holdout, "cpu")))


def rows(found: Grid) -> list[Row]:
    """Return the rows of a grid; raises ValueError for a grid that cannot be tuned."""
    grid.jobs(found)
    if not found.method:
        raise ValueError("the grid has no [method.NAME], so there is nothing to tune")
    if wrong := [task for task in found.tasks if task.endswith(HOLDOUT)]:
        raise ValueError(
            f"task {wrong[0]!r} is already a holdout, and tuning makes its own: name the task "
            f"{wrong[0].removesuffix(HOLDOUT)!r}"
        )
    evaluator = _evaluator(found)
    return [_row(found, place, evaluator) for place in grid.places(found)]


def _row(found: Grid, place: Place, evaluator: str) -> Row:
    name, given = grid.method_name(found, place[0]), grid.given(found, *place)
    cls = registry.method(name)
    where = f"method.{place[0]}"
    if len(list(expand.combinations(cls, given, where))) > 1:
        key = next(key for key, value in given.items() if isinstance(value, list) and len(value) > 1)
        raise ValueError(
            f"{where}: {key} = {given[key]}: a tuned row has one value; write a row with "
            f"base = {name!r} for each"
        )
    return Row(found, place, name, cls, given, evaluator)


def _evaluator(found: Grid) -> str:
    """Return the name of the evaluator that chooses."""
    for label, table in found.evaluator.items():
        if any(each.name == ACCURACY for each in registry.evaluator(str(table.get("base", label))).scores):
            return label
        raise ValueError(
            f"evaluator.{label} has no score {ACCURACY!r}, but tuning chooses by this score of the "
            "grid's first evaluator; write [evaluator.retrain] first"
        )
    raise ValueError("the grid has no evaluator to choose by; add [evaluator.retrain]")
