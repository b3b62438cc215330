"""What a row costs: the time and memory of its distillations, and the size of its set."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from suite.core.data.catalogue import CATALOGUE
from suite.core.names import HOLDOUT, counted
from suite.records.cells import Reference, Trial
from suite.records.record import Record

_TRADE_MARK = re.compile(r"\((R|TM)\)")


@dataclass(frozen=True)
class Costs:
    """The cost of a distillation, and the size of its set.

    device_seconds: mean over distillations; stored_bytes: of the row's set or prefix; teacher_bytes: of the
    teachers that label every augmented batch, which the set brings or its native recipe trains; classes: of
    the set, 0 if not recorded; decoded: images per class to which a factorised set or its prefix decodes,
    else 0.
    device_class: the models of its processors and GPUs, without threads; times of different classes are not
    to be compared.
    """

    device_seconds: float = 0.0
    peak_memory_bytes: int = 0
    stored_bytes: int = 0
    teacher_bytes: int = 0
    classes: int = 0
    decoded: int = 0
    label_kind: str = ""
    devices: tuple[str, ...] = ()
    device_class: str = ""

    @property
    def bits_per_class(self) -> float | None:
        """Bits of the stored set, images and soft labels, per class; None if they are not known."""
        return 8 * self.stored_bytes / self.classes if self.stored_bytes and self.classes else None


def costs(trial: Trial, records: Sequence[Record], native: Sequence[Record], share: float) -> Costs:
    """Return the costs of trials over their records.

    trial: any of them; native: records of their evaluations under the native recipe; share: the size of the
    row's set over that of the whole set.
    """
    made = [record for record in records if record.status == "done"]
    told = made or records
    return Costs(
        device_seconds=sum(record.device_seconds for record in made) / max(1, len(made)),
        peak_memory_bytes=max((record.peak_memory_bytes for record in told), default=0),
        stored_bytes=round(share * max((record.stored_bytes for record in made), default=0)),
        teacher_bytes=max((record.teacher_bytes for record in (*made, *native)), default=0),
        classes=_classes(trial, made),
        decoded=round(share * max((record.decoded for record in made), default=0)),
        label_kind=next((record.label_kind for record in made), ""),
        devices=tuple(sorted(set(map(_device, told)))),
        device_class=device_class(told),
    )


def of_reference(record: Record[Reference]) -> Costs:
    """Return the costs of training on full data."""
    device = (_device(record),)
    kind = device_class([record])
    return Costs(record.device_seconds, record.peak_memory_bytes, devices=device, device_class=kind)


def device_class(records: Sequence[Record]) -> str:
    """Return the models of the processors and GPUs of records, without threads."""
    names = {device for record in records for device in _devices(record)}
    return " and ".join(sorted({" ".join(_TRADE_MARK.sub("", name).split()) for name in names}))


def _classes(trial: Trial, records: Sequence[Record]) -> int:
    """Return the classes of a trial's set; 0 if neither its records nor the catalogue have them."""
    known = CATALOGUE.get(trial.task.removesuffix(HOLDOUT))  # data with other classes are refused
    return max((record.classes for record in records), default=0) or (known.classes if known else 0)


def _devices(record: Record) -> tuple[str, ...]:
    return record.provenance.devices or (record.provenance.device,)


def _device(record: Record) -> str:
    return f"{' and '.join(_devices(record))}, {counted(record.provenance.threads, 'thread')}"
