"""The tables of a grid file, by hand: which values hold where, and which parts are evaluated."""

from typing import Any

import pytest
from pydantic import ValidationError

from suite.experiments.schema import Grid, MethodTable, References, StudyTable, Where
from suite.records.cells import Part
from suite.records.jobs import Wanted


def table(**values: Any) -> MethodTable:
    return MethodTable.model_validate(values)


def test_later_exceptions_win_where_they_hold() -> None:
    found = table(
        steps=1,
        lr=0.1,
        where=[
            {"ipc": 10, "steps": 2},
            {"task": "digits", "steps": 3},
            {"task": "digits", "ipc": 10, "lr": 1.0},
        ],
    )
    assert found.values("mnist", 1) == {"steps": 1, "lr": 0.1}
    assert found.values("mnist", 10) == {"steps": 2, "lr": 0.1}
    assert found.values("digits", 1) == {"steps": 3, "lr": 0.1}
    assert found.values("digits", 10) == {"steps": 3, "lr": 1.0}


def test_an_exception_needs_a_place_that_exists() -> None:
    with pytest.raises(ValidationError, match="needs `task` or `ipc`"):
        Where.model_validate({"steps": 3})
    with pytest.raises(ValidationError, match="did you mean 'digits'"):
        Where.model_validate({"task": "digist"})
    with pytest.raises(ValidationError, match="with two brackets"):
        table(where={"ipc": 1})


def test_sizes_are_the_grids_or_some_of_them() -> None:
    assert table().sizes([1, 10]) == [1, 10] and table(ipc=[10]).sizes([1, 10]) == [10]
    for ipc, message in (
        ([], "must not be empty or have duplicates"),
        ([1, 1], "duplicates"),
        ([5], "is not among the grid's"),
    ):
        with pytest.raises(ValueError, match=message):
            table(ipc=list(ipc)).sizes([1, 10])


def test_tasks_are_the_grids_or_some_of_them() -> None:
    tasks = ["mnist", "digits"]
    assert table().tasks_of(tasks) == tasks and table(tasks=["digits"]).tasks_of(tasks) == ["digits"]
    for chosen, message in (([], "must not be empty"), (["svhn"], "is not among the grid's")):
        with pytest.raises(ValueError, match=message):
            table(tasks=chosen).tasks_of(tasks)


def test_parts_of_the_largest_set() -> None:
    found = table(prefixes=[1, 5], subsets=2, leave_one_out=2).parts([1, 3, 10], ordered=True)
    assert found == [
        *(Part(how="prefix", ipc=size) for size in (1, 5)),
        *(Part(how="random", ipc=size, index=index) for size in (1, 3) for index in (0, 1)),
        *(Part(how="without", ipc=9, index=index) for index in (0, 1)),
    ]
    assert table().parts([1], ordered=False) == []


@pytest.mark.parametrize(
    ("values", "ordered", "message"),
    [
        ({"prefixes": [10]}, True, r"prefixes \[10\] must be smaller than the largest set, of ipc 10"),
        ({"prefixes": [1, 1]}, True, "duplicate value"),
        ({"prefixes": [1]}, False, "does not order its images"),
        ({"leave_one_out": 11}, False, "leave_one_out 11: its largest set has ipc 10; lower it"),
        ({"subsets": 1, "ipc": [1]}, False, "has no size below 1"),
        ({"leave_one_out": 1, "ipc": [1]}, False, "its largest set has ipc 1"),
    ],
)
def test_parts_that_a_set_has_not_are_refused(values: dict[str, Any], ordered: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(**values).parts([1, 10], ordered=ordered)


def test_random_subsets_take_the_grids_seeds_first() -> None:
    references = References(epochs=2, random=4)
    assert references.seeds([5, 1]) == [5, 1, 0, 2]
    assert References(epochs=2, random=1).seeds([5, 1]) == [5] and References(epochs=2).seeds([5]) == []


def test_full_data_has_the_recipes_full_name() -> None:
    cell = References(epochs=2, copies=3, recipe="dc-300:bf16", random=9).full_data("digits", "mlp-w8")
    assert (cell.recipe, cell.epochs, cell.copies, cell.seed) == ("dc-300:bf16", 2, 3, 0)
    with pytest.raises(ValidationError, match="unknown recipe"):
        References(epochs=2, recipe="dc-30")


def test_a_studys_other_keys_are_its_settings() -> None:
    found = StudyTable.model_validate({"base": "gradient_study", "unroll": 4, "share": 0.5})
    assert found.values == {"unroll": 4, "share": 0.5} and found.base == "gradient_study"


def test_budgets_have_no_snapshots() -> None:
    """A run that its budget ends early would never have them, and would be done again and again."""
    values = {"title": "t", "tasks": ["digits"], "ipc": [1], "seeds": [0], "method": {"dm": {}}}
    with pytest.raises(ValidationError, match=r"snapshots \[0.5\]: they are shares of the outer steps"):
        Grid.model_validate({**values, "snapshots": [0.5], "budget": {"device_seconds": [1, 2]}})


def test_a_rows_resources_replace_the_grids_key_by_key() -> None:
    grid = Grid.model_validate(
        {
            "title": "t",
            "tasks": ["digits"],
            "ipc": [1],
            "seeds": [0],
            "resources": {"cpus": 2, "gpus": 0.5, "labels": {"zone": "a", "kind": "A100"}},
            "method": {"dm": {}, "dc": {"resources": {"gpus": 0, "labels": {"kind": "!A100"}}}},
            "study": {"dm": {"resources": {"cpus": 4}}},
        }
    )
    own = Wanted(cpus=2, gpus=0.5, labels={"zone": "a", "kind": "A100"})
    assert grid.wanted("dm") == grid.wanted("full_data") == own
    assert grid.wanted("dc") == Wanted(cpus=2, gpus=0, labels={"zone": "a", "kind": "!A100"})
    assert grid.wanted("dm", study=True) == own.model_copy(update={"cpus": 4})
    assert grid.method["dc"].values("digits", 1) == {}, "they are no hyper-parameters"
