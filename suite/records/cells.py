"""The cells of a grid: trials, evaluations, references and studies. A cell's id is a hash of its content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat

from suite.core.sets.part import Part as Part

PROTOCOL = 2
"""Version of the protocol. Increase it if a change alters published numbers or the JSON of cells."""

STANDARD_RECIPE = "dsa-1000"
"""The recipe by which the board ranks."""

RETRAIN = "retrain"
"""The evaluator whose accuracy ranks."""

RANDOM = "random_subset"
"""The method of random real images, the baseline."""

RELABELLED = "random_relabelled"
"""The method of the same images with a teacher's labels, another baseline of sets with soft labels."""

EXTERNAL = "external:"
"""Prefix of the names of sets that were read from a file and not distilled here."""

SUBMITTED = "submission:"
"""Prefix of the names of sets that others handed in; see `suite.records.submission`."""


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no white space; refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def protocol_remedy(found: object, store: str = "OLD") -> str:
    """Return a remedy for a store of another protocol, as the end of an error message."""
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
    """An immutable value that is checked when it is created."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Cell(Frozen):
    kind: str

    @property
    def title(self) -> str:
        """A few words for people."""
        return self.kind

    @cached_property  # boards of many cells ask again and again
    def id(self) -> str:
        """The cell's id: sha256 of its canonical JSON and the protocol version."""
        return sha256_of({"protocol": PROTOCOL, **self.model_dump(mode="json")})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with changed fields, and the id of these."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("id", None)
        return copied


class Trial(_Cell):
    """One distillation: a method with its hyper-parameters, a task, a budget and a seed.

    source: sha256 of the method's file if it is not part of RaT-Bench, so that an edited file gives another
    trial; for an external set, sha256 of its files. device_seconds: after which it stops, if it has a budget.
    device: the class of devices, on boards on which several ran the same trial.
    """

    kind: Literal["distillation"] = "distillation"
    task: str
    method: str
    source: str = ""
    hyperparameters: dict[str, Any]
    ipc: int
    seed: int
    device_seconds: PositiveFloat | None = Field(default=None, exclude_if=lambda seconds: seconds is None)
    device: str = Field(default="", exclude_if=lambda device: not device)

    @property
    def anywhere(self) -> str:
        """The id of the trial, whatever the device."""
        return self.model_copy(update={"device": ""}).id if self.device else self.id

    @property
    def fields(self) -> dict[str, Any]:
        """What distinguishes it from trials of the same row and size, except the seed."""
        source = {"source": self.source[:12]} if self.source else {}
        budget = {"device_seconds": self.device_seconds} if self.device_seconds else {}
        return {"method": self.method, **source, **self.hyperparameters, **budget}


class Evaluation(_Cell):
    """One evaluation of a trial's set.

    evaluator: the name of its table in the grid, which boards show; base: the evaluator, by name or path, if
    different; source: sha256 of the files of the evaluator and its recipes, as in a trial; step: outer steps
    of the scored snapshot; device_seconds: the budget within which the scored snapshot was made; neither for
    the finished set; part: the scored part, None for the whole set. Empty fields are left out of the JSON and
    of the id.
    """

    kind: Literal["evaluation"] = "evaluation"
    trial: str
    evaluator: str
    base: str = Field(default="", exclude_if=lambda base: not base)
    source: str = Field(default="", exclude_if=lambda source: not source)
    settings: dict[str, Any]
    seed: int
    step: NonNegativeInt | None = Field(default=None, exclude_if=lambda step: step is None)
    device_seconds: PositiveFloat | None = Field(default=None, exclude_if=lambda seconds: seconds is None)
    part: Part | None = Field(default=None, exclude_if=lambda part: part is None)

    @property
    def of_snapshot(self) -> bool:
        """Whether it scores the set as it was during the trial."""
        return self.step is not None or self.device_seconds is not None

    @property
    def recipe(self) -> str:
        """The retraining recipe, "" without one."""
        return str(self.settings.get("native_recipe") or self.settings.get("recipe", ""))

    @property
    def title(self) -> str:
        """A few words for people."""
        words = " ".join(filter(None, (self.evaluator, self.recipe)))
        told = words if self.step is None else f"{words} after {self.step} steps"
        told += f" within {self.device_seconds:g} device-seconds" if self.device_seconds else ""
        return told if self.part is None else f"{told}, {self.part.title}"


class Reference(_Cell):
    """Networks trained on all of train, the upper reference of the scores."""

    kind: Literal["reference"] = "reference"
    task: str
    network: str
    recipe: str
    epochs: int
    copies: int
    seed: int


def scoring(cell: Evaluation | Reference) -> str:
    """Return a digest of how a cell scores networks: of its fields without the trial and the seed."""
    return sha256_of(cell.model_dump(mode="json", exclude={"trial", "seed"}))


class Study(_Cell):
    """Measurements over outer steps that produce no set; see `suite.experiments.studies`."""

    kind: Literal["study"] = "study"
    task: str
    study: str
    settings: dict[str, Any]
    ipc: int
    seed: int


Cell = Annotated[Trial | Evaluation | Reference | Study, Field(discriminator="kind")]
