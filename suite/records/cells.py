"""The cells of a grid: trials, evaluations, references and studies, each with an id of its content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from suite.core.sets.part import Part as Part

PROTOCOL = 2
"""Version of what a cell's id promises. Raise it when a change alters published numbers, or a cell's JSON."""

STANDARD_RECIPE = "dsa-1000"
"""The recipe by which the board ranks."""

RETRAIN = "retrain"
"""The evaluator whose accuracy ranks."""

RANDOM = "random_subset"
"""The method whose sets others are compared with."""

EXTERNAL = "external:"
"""Prefix of the names of sets that were read from a file, and not distilled here."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no white space; refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def protocol_remedy(found: object, store: str = "OLD") -> str:
    """Return how to use what was written by another protocol, in the words of an error's end."""
    if isinstance(found, int) and found < PROTOCOL:
        return f"convert it by `ratbench migrate {store} NEW`, or use the release that wrote it"
    return "use the release that wrote it"


def differing_keys(tables: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the keys whose values differ between tables; a missing one counts as None."""
    keys = {key for table in tables for key in table}
    return {key for key in keys if len({canonical_json(table.get(key)) for table in tables}) > 1}


def sha256_of(value: Any) -> str:
    """Return the sha256 of `value`'s canonical JSON as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


class Frozen(BaseModel):
    """A value that is checked when it is made, and immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Cell(Frozen):
    kind: str

    @property
    def title(self) -> str:
        """A few words for people."""
        return self.kind

    @property
    def id(self) -> str:
        """The cell's id: sha256 of its canonical JSON and the protocol version."""
        return sha256_of({"protocol": PROTOCOL, **self.model_dump(mode="json")})


class Trial(_Cell):
    """One distillation: a method with its hyper-parameters, a task, a budget and a seed.

    source: sha256 of the method's file where it is no part of RaT-Bench, so that an edited one is another
    trial; of an external set that of its files.
    """

    kind: Literal["distillation"] = "distillation"
    task: str
    method: str
    source: str = ""
    hyperparameters: dict[str, Any]
    ipc: int
    seed: int


class Evaluation(_Cell):
    """One evaluation of a trial's set.

    evaluator: the name of its table in the grid, under which boards show it; base: the evaluator itself, by
    name or path, if that is another; source: as that of a trial, for the evaluator's file; step: outer steps
    after which the snapshot was taken that is scored, None for the finished set; part: of the set, None for
    the whole. Empty ones are left out of the JSON and of the id.
    """

    kind: Literal["evaluation"] = "evaluation"
    trial: str
    evaluator: str
    base: str = Field(default="", exclude_if=lambda base: not base)
    source: str = Field(default="", exclude_if=lambda source: not source)
    settings: dict[str, Any]
    seed: int
    step: NonNegativeInt | None = Field(default=None, exclude_if=lambda step: step is None)
    part: Part | None = Field(default=None, exclude_if=lambda part: part is None)

    @property
    def title(self) -> str:
        """A few words for people."""
        recipe = self.settings.get("native_recipe") or self.settings.get("recipe", "")
        words = (self.evaluator, str(recipe))
        told = " ".join(filter(None, words)) + ("" if self.step is None else f" after {self.step} steps")
        return told if self.part is None else f"{told}, {self.part.title}"


class Reference(_Cell):
    """Networks trained on all of train: the ceiling of the scores."""

    kind: Literal["reference"] = "reference"
    task: str
    network: str
    recipe: str
    epochs: int
    copies: int
    seed: int


class Study(_Cell):
    """Measurements over outer steps that make no set; `suite.experiments.studies` has the kinds."""

    kind: Literal["study"] = "study"
    task: str
    study: str
    settings: dict[str, Any]
    ipc: int
    seed: int


Cell = Annotated[Trial | Evaluation | Reference | Study, Field(discriminator="kind")]
