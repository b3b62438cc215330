"""Trials, evaluations and what was measured of them: JSON in and out, no torch, no ray."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

PROTOCOL = 1
"""Version of what a cell's id promises. Raise it when a change alters published numbers."""

STANDARD_RECIPE = "dsa-1000"
"""The recipe by which the board ranks."""

RETRAIN = "retrain"
"""The evaluator whose accuracy ranks."""

RANDOM = "random_subset"
"""The method whose sets others are compared with."""

EXTERNAL = "external:"
"""Before the name of a set that came from a file; its distillation was not run here."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no white space; refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def differing_keys(tables: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the keys whose values are not the same in all tables; one that is left out counts as None."""
    keys = {key for table in tables for key in table}
    return {key for key in keys if len({canonical_json(table.get(key)) for table in tables}) > 1}


def sha256_of(value: Any) -> str:
    """Return the sha256 of `value`'s canonical JSON as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class Frozen(BaseModel):
    """A value that is checked when it is made, and then stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Cell(Frozen):
    @property
    def id(self) -> str:
        """The cell's id: sha256 of its canonical JSON and the protocol version."""
        return sha256_of({"protocol": PROTOCOL, **self.model_dump(mode="json")})


class Trial(_Cell):
    """One distillation: which method, with what, on which task, at which budget and seed."""

    kind: Literal["distillation"] = "distillation"
    task: str
    method: str
    source: str = ""  # sha256 of the method's file where it was given by path: an edited one is another
    hyperparameters: dict[str, Any]
    ipc: int
    nested: tuple[int, ...] = ()
    seed: int


class Part(Frozen):
    """What of a set is scored: its prefix, a random subset of it, or all but one image of each class.

    ipc: images per class of the part; index: of a random subset its draw, of a set without one image
    the place of that image, both from 0.
    """

    how: Literal["prefix", "random", "without"]
    ipc: PositiveInt
    index: NonNegativeInt = 0

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        if self.how == "prefix":
            return f"first {self.ipc}"
        return (
            f"random {self.ipc}, draw {self.index}" if self.how == "random" else f"without image {self.index}"
        )


class Evaluation(_Cell):
    """One evaluator's work on a trial's artefact.

    step: outer steps after which the set was as it is scored, a snapshot; None for the finished set.
    part: which part of the set is scored; None for the whole. What is None is left out of the JSON
    and so of the id.
    """

    kind: Literal["evaluation"] = "evaluation"
    trial: str
    evaluator: str
    settings: dict[str, Any]
    seed: int
    step: NonNegativeInt | None = Field(default=None, exclude_if=lambda step: step is None)
    part: Part | None = Field(default=None, exclude_if=lambda part: part is None)

    @property
    def title(self) -> str:
        """What it does, in a few words."""
        recipe = self.settings.get("native_recipe") or self.settings.get("recipe", "")
        words = (self.evaluator, str(recipe))
        told = " ".join(filter(None, words)) + ("" if self.step is None else f" after {self.step} steps")
        return told if self.part is None else f"{told}, {self.part.title}"


class Reference(_Cell):
    """Networks trained on all of train: the ceiling which scores are a share of."""

    kind: Literal["reference"] = "reference"
    task: str
    network: str
    recipe: str
    epochs: int
    copies: int
    seed: int


Cell = Trial | Evaluation | Reference
