"""Trials with budgets: a table for each budget and device, in which sets count as they were then."""

from typing import Any

import pytest

from suite.board.cells import TableKey, Within
from suite.board.files import render
from suite.board.tables import Board, Table, board
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Planned
from suite.records.record import Moment, Record
from tests.support.board_records import CPU, STANDARD, evaluated, pair, trial

BUDGETS = (10.0, 100.0, 600.0)


def spending(
    label: str,
    *,
    spent: float = 590.0,
    moments: tuple[float, ...] = (10.0, 100.0),
    late: tuple[float, ...] = (),
    **changes: Any,
) -> Record:
    """A trial that had sets within some budgets before its last one, and none within others."""
    of = trial(label, ipc=1, device_seconds=spent, artefact="last", **changes)
    assert isinstance(of.cell, Trial)
    kept = [Moment(budget=budget, step=0, device_seconds=0.0) for budget in late]
    for place, budget in enumerate(moments):
        kept.append(Moment(budget=budget, step=place + 1, device_seconds=budget - 1))
    cell = of.cell.model_copy(update={"device_seconds": BUDGETS[-1]})
    return of.model_copy(update={"cell": cell, "moments": tuple(kept)})


def scored(of: Record, budget: float, *accuracy: float, **changes: Any) -> Record:
    found = evaluated(of, *accuracy, **changes)
    assert isinstance(found.cell, Evaluation)
    own = None if budget == BUDGETS[-1] else budget
    return found.model_copy(update={"cell": found.cell.model_copy(update={"device_seconds": own})})


def anytime(of: Record, *accuracies: float) -> list[Record]:
    """A trial with an accuracy for each budget."""
    found = zip(BUDGETS, accuracies, strict=True)
    return [of, *(scored(of, budget, value, value) for budget, value in found)]


def table(made: Board, budget: float) -> Table:
    (found,) = (each for each in made.tables if each.within and each.within.device_seconds == budget)
    return found


def shown(made: Board, budget: float) -> dict[str, tuple[int | None, float | None, float]]:
    """Rank, accuracy and cost of each row within a budget."""
    return {
        row.name: (row.rank, row.accuracy.mean if row.accuracy else None, row.costs.device_seconds)
        for row in table(made, budget).rows
    }


def test_each_budget_ranks_the_sets_of_its_moment_by_their_cost_until_then() -> None:
    made = board([*anytime(spending("slow"), 0.1, 0.5, 0.9), *anytime(spending("fast"), 0.4, 0.5, 0.6)])
    assert [each.within for each in made.tables] == [Within(budget, "a CPU") for budget in BUDGETS]
    assert shown(made, 10) == {"fast": (1, 0.4, 9), "slow": (2, 0.1, 9)}
    assert shown(made, 100) == {"fast": (1, 0.5, 99), "slow": (1, 0.5, 99)}
    assert shown(made, 600) == {"slow": (1, 0.9, 590), "fast": (2, 0.6, 590)}
    assert not made.warnings and not made.averages.complete, "sizes are averaged, budgets are not"


def test_what_was_finished_early_stands_in_all_later_tables() -> None:
    done = spending("quick", spent=14.0, moments=(), late=(10.0,))
    late = scored(done, 10, status="late")
    made = board([done, late, scored(done, 100, 0.3, 0.3), scored(done, 600, 0.3, 0.3)])
    assert shown(made, 100) == shown(made, 600) == {"quick": (1, 0.3, 14)}
    (row,) = table(made, 10).rows
    assert (row.rank, row.state) == (None, "late")
    assert row.errors == ("seed 0, late: no set was ready within 10 device-seconds",)


def test_a_set_that_came_after_the_last_budget_has_its_cost() -> None:
    """A last step that took long by surprise: the set counts, and says what was spent."""
    made = board(anytime(spending("slow", spent=650.0), 0.1, 0.5, 0.9))
    assert shown(made, 600) == {"slow": (1, 0.9, 650)} and table(made, 600).rows[0].costs.stored_bytes


def test_a_trial_that_diverged_has_its_earlier_sets() -> None:
    of = spending("bad", spent=300.0, status="diverged", error="nan")
    made = board([of, scored(of, 10, 0.2, 0.2), scored(of, 100, 0.3, 0.3)])
    assert shown(made, 100)["bad"][:2] == (1, 0.3)


def test_devices_and_trials_without_a_budget_never_share_a_table() -> None:
    gpu = CPU.model_copy(update={"device": "a GPU"})
    other = spending("slow", provenance=gpu, seed=1)
    records = [*anytime(spending("slow"), 0.1, 0.5, 0.9), *anytime(other, 0.7, 0.8, 0.9)]
    made = board([*records, *pair("plain", (0.5, 0.6), ipc=1)])
    found = {(each.within, row.name) for each in made.tables for row in each.rows}
    assert (None, "plain") in found and len(made.tables) == 7
    for budget in BUDGETS:
        for device in ("a CPU", "a GPU"):
            assert [name for within, name in found if within == Within(budget, device)] == ["slow"]


def test_another_recipe_of_another_budget_does_not_fill_a_table() -> None:
    of = spending("slow")
    native = scored(of, 100, 0.7, 0.8, recipe="rat-bptt-1000")
    made = board([*anytime(of, 0.1, 0.5, 0.9), native])
    recipes = {each.within.device_seconds: set(each.rows[0].scores) for each in made.tables if each.within}
    assert recipes == {10: {"dsa-1000"}, 100: {"dsa-1000", "rat-bptt-1000"}, 600: {"dsa-1000"}}


def test_missing_cells_wait_in_the_tables_of_their_budgets() -> None:
    records = anytime(spending("slow"), 0.1, 0.5, 0.9)
    planned = [Planned(label=each.label, task=each.task, ipc=1, cell=each.cell) for each in records]
    made = board(records[:2], planned=planned)
    assert shown(made, 10)["slow"][0] == 1 and shown(made, 100)["slow"][0] is None
    assert table(made, 100).rows[0].state == "incomplete: 0 of 1 seed"
    waiting = board([], planned=planned)
    assert [str(each.within) for each in waiting.tables] == [
        f"within {budget:g} device-seconds on any device" for budget in BUDGETS
    ]


@pytest.mark.parametrize("format", ["md", "csv", "json"])
def test_every_format_tells_budgets_apart(format: Any) -> None:
    text = render(board(anytime(spending("slow"), 0.1, 0.5, 0.9)), format)
    for budget in BUDGETS:
        assert f"within {budget:g} device-seconds on a CPU" in text


def test_a_key_as_csv_has_it() -> None:
    key = TableKey("digits", 1, STANDARD, "", Within(10.0, "a CPU"))
    assert key.facts["within"] == 10 and key._replace(within=None).facts["within"] is None
    assert key.place.conditions == "within 10 device-seconds on a CPU"


def test_random_subsets_without_a_budget_do_not_rename_those_with_one() -> None:
    reference = pair("random_subset", (0.2, 0.2), (0.3, 0.3), ipc=1)
    made = board([*reference, *anytime(spending("random_subset"), 0.2, 0.2, 0.2)])
    assert {row.name for each in made.tables for row in each.rows} == {"random_subset"}
