"""Whether the records of a store agree with each other, with its sets and with its plans.

A run may write meanwhile: a record that seems to be missing is looked for again, and sets of running trials
are left out.
"""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from suite.records.audit import documents, sets
from suite.records.audit.figures import wrong_seed
from suite.records.audit.findings import Findings
from suite.records.audit.known import Tasks
from suite.records.cells import Evaluation, Trial, scoring
from suite.records.datasets import Datasets, told
from suite.records.jobs import Plan
from suite.records.record import Record, is_of
from suite.records.store import Store
from suite.records.stores import heartbeat, layout
from suite.records.stores.sets_on_disk import ENDING, parts_of

_TIMED = 0.1  # seconds of work above which two equal times are no chance
_NETWORKS = 3  # fewer accuracies may be equal by chance


class _Entry(NamedTuple):
    """What is kept of a record. step: of an evaluated snapshot; scored: a digest of how a set was scored."""

    path: Path
    cell: str
    data: str
    row: tuple[str, str]  # task and label
    ipc: int
    status: str
    artefact: str
    trial: str
    seed: int
    step: int | None
    scored: str
    accuracy: tuple[float, ...]
    seal: str


def _set_of(evaluation: _Entry) -> tuple[str, str]:
    return evaluation.trial, evaluation.artefact


class Links:
    """The links of a store. Add all records, then failures and plans, then call `check`."""

    def __init__(self, store: Store, tasks: Tasks, found: Findings) -> None:
        self.store, self.tasks, self.found = store, tasks, found
        self._listing = layout.Listing(store.path / "records", once=False)
        self._by_cell = dict[str, list[_Entry]]()
        self._trials = dict[str, Record[Trial]]()
        self._evaluations = list[tuple[_Entry, Evaluation]]()
        self._times = dict[tuple[float, ...], _Entry]()
        self._data, self._first = Counter[tuple[str, str]](), dict[tuple[str, str], Path]()

    @property
    def finished(self) -> set[str]:
        """The ids of cells with a record."""
        return set(self._by_cell)

    def add(self, path: Path, record: Record) -> None:
        """Add a record."""
        cell = record.cell
        own = _Entry(
            path=path,
            cell=cell.id,
            data=record.data,
            row=(record.task, record.label),
            ipc=record.ipc,
            status=record.status,
            artefact=record.artefact,
            trial=getattr(cell, "trial", ""),
            seed=cell.seed,
            step=getattr(cell, "step", None),
            scored=scoring(cell) if isinstance(cell, Evaluation) else "",
            accuracy=record.scores.get("accuracy", ()),
            seal=record.sha256,
        )
        self._data[record.task, record.data] += 1
        self._first.setdefault((record.task, record.data), path)
        self._check_twice(own)
        self._by_cell.setdefault(own.cell, []).append(own)
        if is_of(record, Trial):
            self._trials[str(path)] = record.model_copy(update={"curve": {}})
        if isinstance(cell, Evaluation):
            self._evaluations.append((own, cell))
        times = (record.seconds, *record.scores.get("seconds", ()), *record.curve.get("seconds", ())[-1:])
        if record.seconds >= _TIMED:
            # A set that was finished within several budgets is scored once.
            other = self._times.setdefault(times, own)
            if other is not own and (not own.trial or _set_of(other) != _set_of(own)):
                told = f"it took exactly the same time as {self._told(other.path)}: one is a copy"
                self.found.error("copied", path, told)

    def add_failure(self, path: Path, record: Record) -> None:
        """Add a failure, after all records."""
        if any(each.data == record.data for each in self._by_cell.get(record.cell.id, ())):
            self.found.doubt("failure", path, "its cell finished later, so the failure no longer counts")

    def add_plan(self, path: Path, plan: Plan) -> None:
        """Add a plan, after all records."""
        named = {each.cell.id for each in plan.cells}
        for each in plan.cells:
            if isinstance(each.cell, Evaluation) and not {each.cell.trial} & (named | self.finished):
                told = f"it names an evaluation of trial {each.cell.trial[:12]}, which does not exist"
                self.found.doubt("plan", path, told)
            for record in self._by_cell.get(each.cell.id, ()):
                if (record.row, record.ipc) != ((each.task, each.label), each.ipc):
                    told = f"its cell is in another row of {self._told(path)}"
                    self.found.doubt("plan", record.path, told)
        self.found.checked["planned cell"] += len(plan.cells)
        self.found.checked["unrecorded planned cell"] += len(named - self.finished)

    def check(self) -> None:
        """Report what is wrong between records, and with the sets."""
        working = set(heartbeat.signs(self.store.path))
        self._check_data()
        for own, cell in self._evaluations:
            self._check_evaluation(own, cell)
        self._check_copied()
        self._check_sets(working)

    def _check_twice(self, own: _Entry) -> None:
        for other in self._by_cell.get(own.cell, ()):
            if own.data == other.data or "" in (own.data, other.data):
                same = ", with the same content" if own.seal == other.seal else ""
                told = f"its cell has a record on the same data in {self._told(other.path)}{same}"
                self.found.error("twice", own.path, told)

    def _check_data(self) -> None:
        counts = {task: dict[str, int]() for task, _ in self._data}
        for (task, data), count in sorted(self._data.items()):
            counts[task][data] = count
        for line in Datasets(counts).mixed:
            self.found.doubt("data", "", line)
        for (task, data), count in sorted(self._data.items()):
            known, first = self.tasks[task], self._first[task, data]
            if not data:
                told_of = f"records of {task} that do not say on which data: {count}, including this one"
                self.found.doubt("data", first, told_of)
            elif known is not None and known.data:
                self.found.checked["compared fingerprint"] += count if data in known.data else 0
                if data not in known.data:
                    here = f"on this machine, {task} has {told(known.data[0])}"
                    told_of = f"records of {task} with {told(data)}: {count}, including this one; {here}"
                    self.found.error("data", first, told_of)

    def _check_evaluation(self, own: _Entry, cell: Evaluation) -> None:
        of = self._trial_of(own)
        if of is None:
            if not self._there_now(own.trial):
                self.found.error("link", own.path, f"the store has no record of its trial {own.trial[:12]}")
            return
        if of.row != own.row:
            self.found.error("link", own.path, f"its row is not that of its trial, {of.row[1]!r}")
        if cell.part is None and of.ipc != own.ipc:
            self.found.error("link", own.path, f"it has {own.ipc} images per class, its trial {of.ipc}")
        in_time = {each.budget for each in self._trials[str(of.path)].moments if each.step}
        if own.status == "done" and of.status != "done" and cell.device_seconds not in in_time:
            self.found.error("link", own.path, f"its trial is {of.status}: there is no set to score")
        if (known := self._scorable(of, cell, own.data)) and own.artefact not in ("", known):
            self.found.error("link", own.path, "it scored a set other than that of its trial")
        if wrong_seed(cell, self._trials[str(of.path)].cell):
            self.found.doubt("seed", own.path, "its seed is not that of a run: somebody chose it")

    def _scorable(self, of: _Entry, cell: Evaluation, data: str) -> str:
        """Return the sha256 of the set or snapshot that an evaluation is of; "" if it is not there."""
        with suppress(OSError, ValueError):
            step = self._trials[str(of.path)].step_of(cell)
            if step is None:
                return of.artefact
            return documents.sha256(self.store.artefact(cell.trial, step, data))
        return ""

    def _step(self, own: _Entry, cell: Evaluation) -> int | None:
        """Return the outer step of the snapshot that an evaluation is of; None for a finished set."""
        of = self._trial_of(own)
        if of is None or own.status != "done":
            return cell.step
        with suppress(ValueError):
            return self._trials[str(of.path)].step_of(cell)
        return None

    def _trial_of(self, own: _Entry) -> _Entry | None:
        """Return the trial of an evaluation on its data; None without its record."""
        same = [each for each in self._by_cell.get(own.trial, ()) if str(each.path) in self._trials]
        return next((each for each in same if each.data == own.data), None) or next(
            (each for each in same if "" in (each.data, own.data)), None
        )

    def _there_now(self, cell: str) -> bool:
        return bool(self._listing.of(cell))

    def _check_copied(self) -> None:
        """Report equal sets of different seeds, and equal accuracies of different sets or seeds, in a row."""
        made = dict[tuple[object, ...], str]()
        for path, record in self._trials.items():
            if record.artefact:
                first = made.setdefault((record.task, record.label, record.ipc, record.artefact), path)
                if self._trials[first].cell.seed != record.cell.seed:
                    told = f"its set equals that of another seed, {self._told(Path(first))}"
                    self.found.doubt("copied", Path(path), f"{told}: is the method deterministic?")
        seen = dict[tuple[object, ...], _Entry]()
        for own, _ in self._evaluations:
            if len(own.accuracy) < _NETWORKS or len(set(own.accuracy)) == 1:
                continue
            other = seen.setdefault((own.row, own.ipc, own.data, own.scored, own.accuracy), own)
            if self._scored_set(own) != self._scored_set(other):
                told = f"its {len(own.accuracy)} accuracies equal those of {self._told(other.path)}"
                self.found.doubt("copied", own.path, f"{told}, of another set or seed: is one a copy?")

    def _scored_set(self, own: _Entry) -> tuple[str, int]:
        """Return the sha256 of the set of an evaluation, "" if unknown, and the evaluation's seed."""
        of = self._trial_of(own)
        return of.artefact if of else "", own.seed

    def _check_sets(self, working: set[str]) -> None:
        folder, known, sealed = self.store.path / "artefacts", set[Path](), dict[Path, bool]()
        done = [(path, each) for path, each in self._trials.items() if each.status == "done"]
        if done and not folder.is_dir():
            told = f"it has no artefacts/: the sets of {len(done)} records are not checked"
            self.found.doubt("set", "", told)
        for at, record in done if folder.is_dir() else ():
            path = self.store.artefact(record.cell.id, None, record.data)
            if not path.is_file():
                self.found.error("set", Path(at), "its set is not in the store")
                continue
            known.add(path)
            if record.cell.id not in working:
                sealed[path] = sets.check(path, record, self.tasks[record.task], self.found)
        trials = {record.cell.id: record for _, record in done}
        for path in layout.listed(folder, ENDING):
            trial, step = parts_of(path.name)
            if path in known or not trial or trial in working:
                continue
            if trial in trials and step is not None:
                sealed[path] = sets.check(path, None, self.tasks[trials[trial].task], self.found)
            elif not self._there_now(trial):
                self.found.doubt("set", path, "no record names it")
        unsealed = [path for path, has_seal in sealed.items() if not has_seal]
        if 0 < len(unsealed) < len(sealed):
            told = "its manifest has no seal, but others in the store have one; manifests like it: "
            self.found.doubt("manifest", unsealed[0].with_suffix(".json"), f"{told}{len(unsealed)}")
        for own, cell in self._evaluations if folder.is_dir() else ():
            step = self._step(own, cell)
            if step is not None and not self.store.artefact(cell.trial, step, own.data).is_file():
                self.found.error("set", own.path, f"the snapshot after {step} steps is not in the store")
        named = {each.where for each in self.found.found}
        for path in documents.unpaired(self.store):
            if parts_of(path.stem)[0] not in working and self._told(path) not in named:
                self.found.doubt("set", path, "its set or its manifest is missing, or it has no trial's name")

    def _told(self, path: Path) -> str:
        return str(path.relative_to(self.store.path))
