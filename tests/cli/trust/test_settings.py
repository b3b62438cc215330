"""Settings that a run would refuse. More in tests/behaviour/test_audit_of_cheats.py."""

import pytest

from suite.cli.trust.settings import wrong
from suite.core.names import CORRECTED_RECIPES
from suite.records.record import Record
from tests.support.board_records import evaluated, trial


def scored(**settings: object) -> Record:
    made = evaluated(trial("dm"), 0.5, 0.6, 0.7)
    given = {"recipe": "dc-300", "network": "convnet-d1-w8-in", "copies": 3, **settings}
    return made.model_copy(update={"cell": made.cell.model_copy(update={"settings": given}), "described": ()})


@pytest.mark.parametrize("recipe", ["dc-300", "dsa-1000:bf16", *CORRECTED_RECIPES])
def test_what_a_run_takes_is_right(recipe: str) -> None:
    """Also recipes that a former release had."""
    assert not list(wrong(scored(recipe=recipe)))


@pytest.mark.parametrize(
    "settings", [{"copies": 3.0}, {"copies": True}, {"copies": 0}, {"recipe": "none"}, {"more": 1}]
)
def test_what_no_run_takes_is_an_error(settings: dict[str, object]) -> None:
    assert [each[:2] for each in wrong(scored(**settings))] == [("error", "settings")]


def test_plug_ins_are_not_loaded() -> None:
    made = scored(more=1)
    assert not list(
        wrong(made.model_copy(update={"cell": made.cell.model_copy(update={"source": "ab" * 32})}))
    )
    mine = made.cell.model_copy(update={"base": "/no/such/file.py"})
    assert not list(wrong(made.model_copy(update={"cell": mine})))
    assert not list(wrong(trial("dm")))
