"""Rows of a figure are chosen by task, size and method."""

import pandas as pd
import pytest

from suite.figures.narrowing import narrowed

ROWS = pd.DataFrame(
    {"task": ["digits", "digits", "svhn"], "ipc": [1, 10, 1], "method": ["dm", "dm (steps=3)", "dc"]}
)
ALL = ("task", "ipc", "method")


def test_values_are_chosen_and_none_takes_all() -> None:
    assert len(narrowed(ROWS, {"task": [], "ipc": []}, ALL, "loss")) == 3
    assert list(narrowed(ROWS, {"task": ["digits"], "ipc": [10]}, ALL, "loss")["method"]) == ["dm (steps=3)"]
    assert list(narrowed(ROWS, {"method": ["dm"]}, ALL, "loss")["ipc"]) == [1, 10], "with all its settings"
    assert len(narrowed(ROWS, {"method": ["dm", "dc"]}, ALL, "loss")) == 3


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="--method dsa: nothing in the stores has it"):
        narrowed(ROWS, {"method": ["dsa"]}, ALL, "loss")
    with pytest.raises(ValueError, match="--ipc: figure curve is not chosen by it; leave it out"):
        narrowed(ROWS, {"ipc": [1]}, ("task",), "curve")
