"""Costs: for which cells a measured outer step holds, and that the committed seconds were measured."""

import json
from pathlib import Path
from typing import Any

import pytest

from suite.board.atlas.costs import StepCost, cost, step_costs
from suite.board.atlas.targets import COSTS
from suite.records.cells import canonical_json
from tests.support.atlas_records import SETTINGS, target
from tests.support.board_records import STANDARD

RESULTS = Path(__file__).parents[3] / "results"


def step(**changes: Any) -> StepCost:
    values: dict[str, Any] = {
        "method": "dm",
        "task": "cifar10",
        "ipc": 10,
        "network": STANDARD,
        "settings": {"steps": 10},
        "seconds": 0.5,
        "device": "a GPU",
        "source": "measured",
    }
    return StepCost.model_validate({**values, **changes})


def test_a_set_costs_its_outer_steps() -> None:
    found = cost(target(), [step(), step(seconds=0.2, device="a faster GPU")])
    assert found and (found.seconds, found.device) == (2.0, "a faster GPU")


def test_whitening_costs_nothing() -> None:
    assert cost(target(task="cifar10-zca"), [step()])


@pytest.mark.parametrize(
    "changes",
    [{"method": "dc"}, {"ipc": 1}, {"task": "svhn"}, {"network": "mlp-w8"}, {"settings": {"batch": 64}}],
    ids=str,
)
def test_an_outer_step_of_another_cell_tells_nothing(changes: dict[str, Any]) -> None:
    assert cost(target(), [step(**changes)]) is None


def test_a_cell_at_other_settings_has_no_cost() -> None:
    assert cost(target(hyperparameters=canonical_json({**SETTINGS, "steps": 20})), [step()]) is None
    assert cost(target(steps=None), [step()]) is None


def test_the_committed_seconds_are_those_of_the_measurements() -> None:
    for each in step_costs(COSTS):
        path, _, where = each.source.removeprefix("results/").partition(": ")
        part, _, how = where.partition(", ")
        measured = json.loads((RESULTS / path).read_text())[part][f"seconds a step, {how}"]
        assert each.seconds == pytest.approx(measured, abs=5e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[[steps]]", "unknown key 'steps'"), ("[[step]]\nmethod = 3", "string"), ("[[step]", "Expected")],
)
def test_a_mistake_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"costs\.toml: [\s\S]*{message}"):
        step_costs(path)
