"""The record of one cell as JSON, sealed by its sha256."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Generic, Literal, Self, TypeGuard

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    ValidationInfo,
    model_validator,
)
from typing_extensions import TypeVar

from suite.core.scores import Score
from suite.records.audit.ranges import impossible
from suite.records.cells import (
    PROTOCOL,
    Cell,
    Evaluation,
    Frozen,
    Reference,
    Study,
    Trial,
    protocol_remedy,
    sha256_of,
)

LOSS = "outer_loss"
"""What methods of RaT-Bench call the loss of an outer step, in their metrics and in a record's curve."""

_SEAL = re.compile(rb'\n "sha256": "([0-9a-f]{64})",')

Final = Literal["done", "diverged", "late"]
Status = Final | Literal["failed", "oom"]
"""late: no outer step ended, or no whole set was there, within the budget."""

FINAL: tuple[Final, ...] = ("done", "diverged", "late")
"""The statuses of cells that are not tried again, since the result would be equal."""

Of = TypeVar("Of", bound=Cell, default=Cell, covariant=True)
Value = TypeVar("Value")
Kind = TypeVar("Kind", Trial, Evaluation, Reference, Study)


class Provenance(Frozen):
    """The code and the machine of a record. Empty fields are left out of the JSON."""

    commit: str  # git commit of the code, "+changes" if the tree differed, or "none"
    versions: dict[str, str]
    device: str
    threads: int
    deterministic: bool = False  # whether the same run gives the same bits: on a CPU
    # All devices that took part, for work that went on on another one; `device` is the last.
    devices: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    # Versions of a GPU's software; the precision and the choice of its products, unless a cell declares more.
    gpu: dict[str, str] = Field(default={}, exclude_if=lambda facts: not facts)
    # What the work left changed of its process, such as torch's precision; the process was then replaced.
    changed: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)


class Late(ValueError):
    """No set was ready when a budget in device-seconds was spent."""

    def __init__(self, budget: float) -> None:
        super().__init__(f"no set was ready within {budget:g} device-seconds")


class Moment(Frozen):
    """The snapshot of a trial that counts for a budget: that of the last outer step which ended within it.

    step: 0 if none had ended; device_seconds: of the trial until then.
    """

    budget: PositiveFloat
    step: NonNegativeInt
    device_seconds: NonNegativeFloat


class Record(Frozen, Generic[Of]):
    """The measurements of one cell; `Record[Trial]` is the record of a trial.

    scores: for each name one value per copy, accuracies in [0, 1]; title, described: the evaluator's title
    and the descriptions of its scores. seconds: wall time of the work; device_seconds: seconds times the GPU
    share, or times CPU threads; compile_seconds: further ones, of compiling. moments: of budgets that a trial
    has spent, without the last one, for which its set counts. decoded: images per class to which a factorised
    set decodes; classes: of a trial's set. teacher_bytes: of the teachers that a trial's set brings, or that
    label every augmented batch of an evaluation's trainings. method_title, paper: of a trial's method.
    measured_under: for a migrated record, the protocol under which it was measured. Empty fields are left out
    of the JSON.
    """

    protocol: int = PROTOCOL
    cell: Of
    label: str  # the row's name on the board
    task: str
    ipc: int  # of the part if a part is scored; 0 for a reference
    status: Status
    error: str = ""
    scores: dict[str, tuple[float, ...]] = {}
    title: str = Field(default="", exclude_if=lambda title: not title)
    described: tuple[Score, ...] = Field(default=(), exclude_if=lambda scores: not scores)
    curve: dict[str, tuple[float, ...]] = {}  # metrics over outer steps, thinned
    seconds: float = 0.0
    device_seconds: float = 0.0
    compile_seconds: float = Field(default=0.0, exclude_if=lambda seconds: seconds == 0)
    moments: tuple[Moment, ...] = Field(default=(), exclude_if=lambda moments: not moments)
    peak_memory_bytes: int = 0
    stored_bytes: int = 0
    teacher_bytes: NonNegativeInt = Field(default=0, exclude_if=lambda count: count == 0)
    decoded: NonNegativeInt = Field(default=0, exclude_if=lambda count: count == 0)
    classes: NonNegativeInt = Field(default=0, exclude_if=lambda count: count == 0)
    label_kind: Literal["hard", "soft", ""] = ""
    artefact: str = ""  # sha256 of the file of the set that a trial made, or an evaluation scored
    data: str = ""  # fingerprint of the task's images, labels and preprocessing
    test_reads: int = 0
    attempts: int = 1
    recipe: str = ""  # the trial's native recipe, for the board
    method_title: str = Field(default="", exclude_if=lambda title: not title)
    paper: str = Field(default="", exclude_if=lambda paper: not paper)
    measured_under: int = Field(
        default=PROTOCOL, ge=1, le=PROTOCOL, exclude_if=lambda protocol: protocol == PROTOCOL
    )
    provenance: Provenance
    sha256: str = ""

    def step_of(self, cell: Evaluation) -> int | None:
        """Return the outer step of the snapshot of this trial that an evaluation scores.

        None for the finished set, also if it was finished within the budget. Raises Late if the trial had no
        set then, and ValueError if it is not known.
        """
        if (budget := cell.device_seconds) is None:
            if is_of(self, Trial) and self.status == "late":
                raise Late(self.cell.device_seconds or 0.0)
            return cell.step
        if moment := self._moment(budget):
            if not moment.step:
                raise Late(budget)
            return moment.step
        if self.status == "late":
            raise Late(budget)
        if self.device_seconds <= budget:
            return None
        raise ValueError(
            f"trial {self.cell.id[:12]} kept no set for {budget:g} device-seconds, because this budget was "
            f"added later; set it aside by `ratbench forget STORE {self.cell.id[:12]} --yes`, and run again"
        )

    def within(self, budget: float) -> Self | None:
        """Return the record of a trial as it was when it had spent a budget; None if it is not known."""
        moment = self._moment(budget)
        if moment is None:
            ended = is_of(self, Trial) and self.cell.device_seconds == budget
            known = ended or self.device_seconds <= budget or self.status != "done"
            return self if known else None
        spent = {"device_seconds": moment.device_seconds, "artefact": ""}
        if not moment.step:
            return self.model_copy(update={"status": "late", "error": str(Late(budget)), **spent})
        return self.model_copy(update={"status": "done", "error": "", **spent})

    def _moment(self, budget: float) -> Moment | None:
        return next((each for each in self.moments if each.budget == budget), None)

    def sealed(self) -> Self:
        """Return the record with the sha256 of its other fields."""
        return self.model_copy(update={"sha256": self._content()})

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Return the record in the content of a file; raises ValueError if it is none, or damaged."""
        record = cls.model_validate_json(content, context=_seal_that_holds(content))
        _share(record)
        return record

    @model_validator(mode="after")
    def _check_figures(self) -> Self:
        figures = {
            "ipc": self.ipc,
            "seconds": self.seconds,
            "device_seconds": self.device_seconds,
            "compile_seconds": self.compile_seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
            "stored_bytes": self.stored_bytes,
            "teacher_bytes": self.teacher_bytes,
            "decoded": self.decoded,
            "classes": self.classes,
            "test_reads": self.test_reads,
            "attempts": self.attempts,
            "threads": self.provenance.threads,
        }
        if reason := impossible(figures, self.scores, self.described, self.curve.get("seconds", ())):
            raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def _check_sha256(self, info: ValidationInfo) -> Self:
        if self.sha256 not in ("", info.context) and self.sha256 != self._content():
            raise ValueError("the record's content does not match its sha256")
        return self

    def _content(self) -> str:
        return sha256_of(self.model_dump(mode="json", exclude={"sha256"}))

    def to_json(self) -> str:
        """Return the sealed record as indented JSON in a stable form."""
        value = self.sealed().model_dump(mode="json")
        return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def read_record(content: bytes, cell: str) -> Record:
    """Return the record in a file of the cell with this id; raises ValueError if it is none that counts."""
    record = Record.read(content)
    if record.protocol != PROTOCOL:
        raise ValueError(f"it has protocol {record.protocol}; {protocol_remedy(record.protocol)}")
    if not record.sha256:
        raise ValueError("it has no sha256, so it is not a finished record")
    if record.cell.id != cell:
        raise ValueError("its name is that of another cell")
    return record


def _seal_that_holds(content: bytes) -> str | None:
    """Return the seal in a file as `to_json` writes it if it is the sha256 of the rest; None if unknown.

    Most of the time to read a record is spent on writing its canonical JSON. That is the text of its file
    without white space and seal.
    """
    found = _SEAL.search(content)
    if found is None or b'\\":' in content:  # in a string, where a blank counts
        return None
    rest = content[: found.start()] + content[found.end() :]
    canonical = b"".join(map(bytes.lstrip, rest.splitlines())).replace(b'": ', b'":')
    seal = found[1].decode()
    return seal if hashlib.sha256(canonical).hexdigest() == seal else None


_SHARED = dict[object, Any]()
"""Values that many records have, so that a hundred thousand records fit into a gigabyte."""


def _share(record: Record) -> None:
    """Replace values of a record by equal ones of earlier records."""
    if len(_SHARED) > 10_000:
        _SHARED.clear()
    values = vars(record)
    made = record.provenance.model_dump_json()
    values["provenance"] = _SHARED.setdefault(made, record.provenance)
    for name in ("described", "data"):
        values[name] = _SHARED.setdefault(values[name], values[name])
    for model in (record, record.cell):
        model.model_fields_set.clear()  # nothing asks which fields were in a file


def is_of(record: Record, kind: type[Kind]) -> TypeGuard[Record[Kind]]:
    """Return whether the record's cell has this kind."""
    return isinstance(record.cell, kind)


def loss(metrics: Mapping[str, Value]) -> Value | None:
    """Return the loss among metrics, or else the first with this word in its name; None without one."""
    names = [name for name in metrics if "loss" in name]
    return metrics[LOSS if LOSS in names else names[0]] if names else None
