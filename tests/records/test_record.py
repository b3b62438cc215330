"""Records: sealed JSON, and fields that only some have."""

import json

import pytest

from suite.core.scores import Score
from suite.records.record import Record, loss
from tests.support.board_records import trial


@pytest.mark.parametrize(
    "field", ["decoded", "classes", "title", "described", "method_title", "paper", "devices", "gpu"]
)
def test_a_field_that_is_empty_is_not_in_the_json(field: str) -> None:
    """So records from before it was there keep their sha256."""
    assert f'"{field}"' not in trial("rat_bptt").to_json()


def test_declared_scores_are_sealed_and_read_back() -> None:
    declared = (Score("ece", "ECE", unit="fraction", better="lower", ranks=True),)
    text = trial("rat_bptt", decoded=29, title="Calibration", described=declared).to_json()
    found = Record.model_validate_json(text)
    assert (found.decoded, found.title, found.described) == (29, "Calibration", declared)
    damaged = json.loads(text)
    damaged["described"][0]["better"] = "higher"
    with pytest.raises(ValueError, match="does not match its sha256"):
        Record.model_validate(damaged)


def test_the_loss_is_found_by_its_name() -> None:
    assert loss({"step": 1.0, "my_loss": 3.0, "outer_loss": 2.0}) == 2.0
    assert loss({"step": 1.0, "my_loss": 3.0, "other_loss": 4.0}) == 3.0
    assert loss({"step": 1.0, "accuracy": 0.5}) is None and loss({}) is None
