"""Which records are compared with a printed figure, and which only stand beside it."""

from dataclasses import replace
from typing import Any

import pytest

from suite.board.atlas.rows import AtlasRow, atlas
from suite.records.cells import Part
from suite.records.record import Record
from tests.support.atlas_records import SETTINGS, measured, printed, target

TWO = [*measured(0.500, 0.504, seed=0), *measured(0.502, 0.506, seed=1)]


def row(*records: Record) -> AtlasRow:
    (found,) = atlas(records, [printed(10, 50.3, 0.2)]).rows
    return found


def test_seeds_of_the_published_cell_are_compared() -> None:
    found = row(*TWO)
    assert found.accuracy and found.accuracy.mean == pytest.approx(0.503) and found.accuracy.seeds == 2
    assert found.verdict and found.verdict.word == "reproduced" and not found.beside


def test_the_order_of_records_does_not_matter() -> None:
    assert row(*TWO) == row(*reversed(TWO))


@pytest.mark.parametrize(
    ("changes", "conditions"),
    [
        ({"network": "convnet-d3-w16-in"}, "convnet-d3-w16-in"),
        ({"settings": {**SETTINGS, "steps": 5}}, "convnet-d3-w128-in, other settings (steps)"),
        ({"settings": {**SETTINGS, "network": "mlp-w8"}, "network": "mlp-w8"}, "mlp-w8"),
        ({"task": "cifar10-zca"}, "cifar10-zca, convnet-d3-w128-in"),
        ({"task": "cifar10-jpeg"}, "cifar10-jpeg, convnet-d3-w128-in"),
    ],
    ids=str,
)
def test_another_cell_stands_beside_and_is_never_compared(changes: dict[str, Any], conditions: str) -> None:
    found = row(*measured(0.5, 0.5, **changes), *measured(0.5, 0.5, seed=1, **changes))
    assert found.accuracy is None and found.verdict is None
    assert [each.conditions for each in found.beside] == [conditions]
    both = row(*TWO, *measured(0.9, 0.9, **changes))
    assert both.accuracy and both.accuracy.mean == pytest.approx(0.503) and len(both.beside) == 1


@pytest.mark.parametrize(
    "changes",
    [{"recipe": "dc-300"}, {"method": "dc"}, {"task": "svhn"}, {"task": "cifar10:holdout"}],
    ids=str,
)
def test_what_has_another_recipe_method_or_task_is_not_shown(changes: dict[str, Any]) -> None:
    assert row(*measured(0.5, 0.5, **changes)) == row()


def test_the_evaluation_with_most_networks_counts() -> None:
    more = measured(0.52, 0.52, 0.52)
    found = row(*measured(0.5, 0.5), *more)
    assert found.accuracy and found.accuracy.copies == (3,)


def test_a_diverged_distillation_is_told() -> None:
    trial, _ = measured(0.5)
    assert row(trial.model_copy(update={"status": "diverged"})).failed == "div."


def test_a_figure_that_nothing_here_repeats_has_no_row_of_ours() -> None:
    of = printed(10, 50.3, of="no such method")
    (found,) = atlas(TWO, [of]).rows
    assert found == AtlasRow(of)


def test_an_evaluation_of_a_part_is_not_the_sets() -> None:
    trial, evaluation = measured(0.5, 0.5)
    cell = evaluation.cell.model_copy(update={"part": Part(how="prefix", ipc=10)})
    assert row(trial, evaluation.model_copy(update={"cell": cell})).accuracy is None


def test_another_target_sees_other_records() -> None:
    of = printed(10, 50.3, of=replace(target(), network="convnet-d3-w16-in"))
    records = [*measured(0.5, 0.51), *measured(0.4, 0.41, network="convnet-d3-w16-in")]
    (found,) = atlas(records, [of]).rows
    assert found.accuracy and found.accuracy.mean == pytest.approx(0.405)
    assert [each.network for each in found.beside] == ["convnet-d3-w128-in"]
