"""Metrics over outer steps, as records hold them: which one is the loss."""

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

LOSS = "outer_loss"
"""What methods of RaT-Bench call the loss of an outer step."""


def loss(metrics: Mapping[str, Value]) -> Value | None:
    """Return the loss among metrics, or else the first with this word in its name; None without one."""
    names = [name for name in metrics if "loss" in name]
    return metrics[LOSS if LOSS in names else names[0]] if names else None
