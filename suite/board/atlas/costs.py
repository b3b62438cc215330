"""Measured seconds of outer steps, from a `costs.toml`, from which costs of cells are estimated."""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from suite.board.atlas.targets import Target
from suite.core.data.task_info import family


class StepCost(BaseModel):
    """Device-seconds of one outer step of a method.

    task: the family of the images; settings: those on which the time depends; source: where it was measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    task: str
    ipc: PositiveInt
    network: str
    settings: dict[str, Any]
    seconds: PositiveFloat
    device: str
    source: str

    def holds(self, target: Target) -> bool:
        """Return whether an outer step of `target` takes this time."""
        settings = json.loads(target.hyperparameters)
        same = all(settings.get(name) == value for name, value in self.settings.items())
        place = (target.method, family(target.task), target.ipc, settings.get("network"))
        return same and place == (self.method, self.task, self.ipc, self.network)


@dataclass(frozen=True)
class Cost:
    """The estimated device-seconds of a cell, the device on which they were measured, and where."""

    seconds: float
    device: str
    source: str


def step_costs(path: Path) -> tuple[StepCost, ...]:
    """Read the entries `[[step]]` of a file; raises ValueError for a mistake in it."""
    try:
        content = tomllib.loads(path.read_text())
        if unknown := sorted(set(content) - {"step"}):
            raise ValueError(f"unknown key {unknown[0]!r}; entries are [[step]]")
        return tuple(StepCost.model_validate(entry) for entry in content.get("step", []))
    except (ValidationError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def cost(target: Target, measured: Sequence[StepCost]) -> Cost | None:
    """Return the estimated cost of one set of `target`, from the cheapest device; None if not measured."""
    if target.steps is None:
        return None
    fitting = [each for each in measured if each.holds(target)]
    best = min(fitting, key=lambda each: each.seconds, default=None)
    return Cost(best.seconds * target.steps, best.device, best.source) if best else None
