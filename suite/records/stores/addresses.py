"""Sets by a readable address: `STORE:rat_bptt/ipc10/seed1`, and readable names for files made of them.

An address names the row, the size and the seed; before them the task, where several have the row; after them
the beginning of the set's file name or of its sha256, where settings or data differ. What is not needed to
tell the set may be left out. `@50` at the end is the snapshot after 50 outer steps.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from suite.core.names import did_you_mean
from suite.records.cells import Trial
from suite.records.record import Record, is_of
from suite.records.remote import reading as remote
from suite.records.remote.place import url_of
from suite.records.store import Store
from suite.records.stores import layout, reading
from suite.records.stores.sets_on_disk import Damaged, manifest_of, parts_of

_SHOWN = 8  # candidates in an error
_DIGITS = 8  # of an id in an address or a file's name


@dataclass(frozen=True)
class Address:
    """What an address says; "" and None for what it leaves out."""

    task: str = ""
    label: str = ""
    ipc: int | None = None
    seed: int | None = None
    digits: str = ""
    step: int | None = None

    def fits(self, task: str, ipc: int, seed: int) -> bool:
        """Return whether it may name something of this task, size and seed."""
        return self.task in ("", task) and self.ipc in (None, ipc) and self.seed in (None, seed)


@dataclass(frozen=True)
class SetInStore:
    """A set that a store has. sha256: of a finished set's file; digits: in its address, "" if not needed."""

    path: Path
    task: str
    label: str
    method: str
    ipc: int
    seed: int
    trial: str
    data: str
    sha256: str
    stored_bytes: int
    teacher_bytes: int
    recipe: str
    step: int | None = None
    digits: str = ""

    @property
    def address(self) -> str:
        """Its address behind `STORE:`."""
        parts = (self.task, self.label, f"ipc{self.ipc}", f"seed{self.seed}", self.digits)
        return "/".join(filter(None, parts)) + ("" if self.step is None else f"@{self.step}")

    def fits(self, wanted: Address) -> bool:
        """Return whether an address may mean this set."""
        return (
            wanted.fits(self.task, self.ipc, self.seed)
            and wanted.label in ("", self.label)
            and wanted.step == self.step
            and any(each.startswith(wanted.digits) for each in (self.path.stem, self.sha256))
        )


def find(text: Path | str) -> Path:
    """Return the path of the set that an address names; a path is returned as it is.

    Raises ValueError for an address that names no set, or several.
    """
    parts = split(text)
    if parts is None:
        return Path(text)
    store, wanted = reading.opened(parts[0]), list(readings(parts[1]))
    remote.with_sets(store.path, _trials(store, wanted))
    found = {
        made.path: made
        for each in wanted
        for record in reading.records(store, each.label)
        for made in sets_of(store, record, () if each.step is None else (each.step,))
        if made.fits(each)
    }
    several = told_apart(found.values())
    if len(several) != 1:
        why = f"it may be {_listed(several)}" if several else _near(store, wanted)
        raise ValueError(f"{'several sets' if several else 'no set'} at {text}: {why}")
    return several[0].path


def sets_of(store: Store, record: Record, steps: Iterable[int]) -> Iterator[SetInStore]:
    """Yield the set of a trial's record and its snapshots after `steps`, as far as their files are there."""
    if not is_of(record, Trial) or record.status != "done":
        return
    cell = record.cell
    for step in (None, *steps):
        path = store.artefact(cell.id, step, record.data)
        if path.is_file() and store.data_of(path) in (record.data, ""):
            yield SetInStore(
                path=path,
                task=record.task,
                label=record.label,
                method=cell.method,
                ipc=cell.ipc,
                seed=cell.seed,
                trial=cell.id,
                data=record.data,
                sha256=record.artefact if step is None else "",
                stored_bytes=record.stored_bytes,
                teacher_bytes=record.teacher_bytes,
                recipe=record.recipe,
                step=step,
            )


def told_apart(found: Iterable[SetInStore]) -> list[SetInStore]:
    """Return sets in the order of their addresses, with digits where these would be equal."""
    made = []
    ordered = sorted(found, key=lambda each: (each.task, each.label, each.ipc, each.seed, each.step or 0))
    for _, group in groupby(ordered, key=lambda each: each.address):
        same = list(group)
        enough = next(
            count
            for count in (0, _DIGITS, 16, 64, 999)
            if len({_stem(each)[:count] for each in same}) == len(same)
        )
        made += [replace(each, digits=_stem(each)[:enough]) for each in same]
    return made


def made_of(path: Path, ending: str) -> Path:
    """Return where what is made of a set is written by default: `rat_bptt-ipc10-seed1-0a1b2c3d` + `ending`.

    It is in the working directory, and not among the sets of a store. Another set has it beside its file.
    """
    (trial, step), after = parts_of(path.name), path.with_name(path.stem + ending)
    if not trial:
        return after
    try:
        facts = manifest_of(path)
        cell = Trial.model_validate(facts["trial"])
    except (Damaged, KeyError, ValueError):
        return after
    label = re.sub(r"[^\w.-]+", "-", str(facts.get("label", ""))).strip("-.")[:60] or "set"
    at = "" if step is None else f"-step{step}"
    return Path(f"{label}-ipc{cell.ipc}-seed{cell.seed}-{path.stem[:_DIGITS]}{at}{ending}")


def _stem(made: SetInStore) -> str:
    return made.path.stem.partition("@")[0]


def split(address: Path | str) -> tuple[Path, str] | None:
    """Return the store and the rest of an address; None for a path. Raises ValueError without a store."""
    if url_of(address):
        return remote.split(address)
    text = str(address)
    if ":" not in text or re.match(r"[A-Za-z]:[\\/]", text) or Path(text).exists():
        return None
    ends = [place for place, letter in enumerate(text) if letter == ":"]
    stores = [place for place in ends if place and Path(text[:place]).exists()]
    if not stores:
        raise ValueError(f"no file at {text}, and no store at {text[: ends[0]] or 'its beginning'}")
    return Path(text[: stores[-1]]), text[stores[-1] + 1 :].strip("/")


def readings(rest: str) -> Iterator[Address]:
    """Yield what an address may mean: names of rows may look like digits, and those of tasks have a `/`."""
    after = re.fullmatch(r"(.*)@(\d+)", rest)
    rest, step = (after[1], int(after[2])) if after else (rest, None)
    parts = rest.split("/")
    yield from _places(parts, "", step)
    if re.fullmatch(r"[0-9a-f]{6,64}(-[0-9a-f]*)?", parts[-1]):
        yield from _places(parts[:-1], parts[-1], step)


def _places(parts: Sequence[str], digits: str, step: int | None) -> Iterator[Address]:
    parts, seed = _number(parts, "seed")
    parts, ipc = _number(parts, "ipc")
    for place in range(max(1, len(parts))):
        yield Address("/".join(parts[:place]), "/".join(parts[place:]), ipc, seed, digits, step)


def _number(parts: Sequence[str], word: str) -> tuple[Sequence[str], int | None]:
    """Return the parts without a last one such as `ipc10`, and its number."""
    found = re.fullmatch(rf"{word}(\d{{1,9}})", parts[-1]) if parts else None
    return (parts[:-1], int(found[1])) if found else (parts, None)


def _trials(store: Store, wanted: Sequence[Address]) -> set[str]:
    """Return the ids of trials whose sets an address may mean."""
    return {
        record.cell.id
        for each in wanted
        for record in reading.records(store, each.label)
        if is_of(record, Trial) and each.fits(record.task, record.cell.ipc, record.cell.seed)
    }


def _near(store: Store, wanted: Sequence[Address]) -> str:
    """Return what may have been meant by an address of no set."""
    for each in wanted:
        records = reading.records(store, each.label) if each.label else ()
        row = [record for record in records if is_of(record, Trial)]
        if found := [made for record in row for made in sets_of(store, record, ())]:
            return f"there is {_listed(told_apart(found))}"
        if row:
            return "the store has records of this row, but none of its sets in artefacts/"
    known = {folder.name for folder in layout.folders(store.path / "records")}
    return did_you_mean(wanted[0].label, known)


def _listed(found: Sequence[SetInStore]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(each.address for each in found[:_SHOWN]) + more
