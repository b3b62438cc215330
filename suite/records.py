"""Trials, evaluations and what was measured of them: JSON in and out, no torch, no ray."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

PROTOCOL = 1
"""Version of what a cell's id promises. Raise it when a change alters published numbers."""

STANDARD_RECIPE = "dsa"
"""The recipe by which the board ranks."""

RANDOM = "random_subset"
"""The method whose sets others are compared with."""

EXTERNAL = "external:"
"""Before the name of a set that came from a file; its distillation was not run here."""

Status = Literal["done", "diverged", "failed", "oom"]


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no white space; refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def differing(tables: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return the keys whose values are not the same in all tables; one that is left out counts as None."""
    keys = {key for table in tables for key in table}
    return {key for key in keys if len({canonical(table.get(key)) for table in tables}) > 1}


def digest(value: Any) -> str:
    """Return the sha256 of `value`'s canonical JSON as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Cell(_Frozen):
    @property
    def id(self) -> str:
        """The cell's id: sha256 of its canonical JSON and the protocol version."""
        return digest({"protocol": PROTOCOL, **self.model_dump(mode="json")})


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


class Part(_Frozen):
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
        recipe = self.settings.get("own") or self.settings.get("recipe", "")
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


class Provenance(_Frozen):
    """Where and by what a record was made."""

    commit: str  # git commit of the code, "+changes" where the tree differed, or "none"
    versions: dict[str, str]
    device: str
    threads: int
    deterministic: bool = False  # whether the same run gives the same bits: on a CPU


class Record(_Frozen):
    """What was measured of one cell.

    scores: per name one value per copy, accuracies in [0, 1]. seconds: wall time of the work;
    device_seconds: seconds times the share of a GPU, or times CPU threads. Bytes where "bytes".
    decoded: images per class that a factorised set decodes to; 0, and not in the JSON, for others.
    """

    protocol: int = PROTOCOL
    cell: Cell = Field(discriminator="kind")
    label: str  # the row's name on the board
    task: str
    ipc: int  # of the part where one is scored; 0 for a reference
    status: Status
    error: str = ""
    scores: dict[str, tuple[float, ...]] = {}
    curve: dict[str, tuple[float, ...]] = {}  # metrics over outer steps, thinned
    seconds: float = 0.0
    device_seconds: float = 0.0
    peak_memory_bytes: int = 0
    stored_bytes: int = 0
    decoded: NonNegativeInt = Field(default=0, exclude_if=lambda count: count == 0)  # a factorised set's
    label_kind: Literal["hard", "soft", ""] = ""
    artefact: str = ""  # sha256 of the artefact's file
    data: str = ""  # fingerprint of the task's images, labels and preprocessing
    test_reads: int = 0
    attempts: int = 1
    recipe: str = ""  # the trial's native recipe, for the board
    provenance: Provenance
    sha256: str = ""

    def sealed(self) -> Self:
        """Return the record with the sha256 of everything else in it."""
        return self.model_copy(update={"sha256": self._content()})

    @model_validator(mode="after")
    def _undamaged(self) -> Self:
        if self.sha256 and self.sha256 != self._content():
            raise ValueError("the record's content does not match its sha256")
        return self

    def _content(self) -> str:
        return digest(self.model_dump(mode="json", exclude={"sha256"}))

    def to_json(self) -> str:
        """Return the sealed record as indented JSON, one stable form."""
        value = self.sealed().model_dump(mode="json")
        return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
