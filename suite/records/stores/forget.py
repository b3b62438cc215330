"""Set cells aside: what a store has of them moves to `forgotten/`, below which each file keeps its path.

`forgotten/` is a store again: `ratbench merge STORE/forgotten --output STORE` brings everything back.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from suite.core.files import documents
from suite.core.files.atomic_write import write_bytes
from suite.records.cells import Evaluation
from suite.records.jobs import Plan, Planned
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import layout, reading
from suite.records.stores.merge import united
from suite.records.stores.sets_on_disk import ENDING, parts_of

FOLDER = "forgotten"

Document = Record | Planned
"""What tells a cell and its row: a record, a failure, or a cell of a plan."""


@dataclass(frozen=True)
class Row:
    """A row of one task and size, of which cells are forgotten, and why. cells: their number by kind."""

    label: str
    task: str
    ipc: int
    reason: str
    cells: Counter[str] = field(default_factory=Counter, compare=False)


class Forgetting:
    """The cells of a store that are forgotten: those with a reason, and the evaluations of such trials.

    reason: tells why a document is forgotten; "" if it is not. Nothing moves before `move`.
    """

    def __init__(self, store: Store, reason: Callable[[Document], str]) -> None:
        self.store = store
        self._reasons, self._first = dict[str, str](), dict[str, tuple[str, str, int, str]]()
        self._files = dict[Path, str]()  # records, failures and their tracebacks, by their paths: cells
        trials = dict[str, str]()  # of evaluations
        self._plans = dict(self._read_plans())
        for path, document in self._documents():
            cell, row = document.cell, (document.label, document.task, document.ipc, document.cell.kind)
            self._first.setdefault(cell.id, row)
            if path is not None:
                self._files[path] = cell.id
                if isinstance(document, Record) and path.is_relative_to(store.path / "failures"):
                    self._files[store.traceback(document)] = cell.id
            if isinstance(cell, Evaluation):
                trials[cell.id] = cell.trial
            if why := reason(document):
                self._reasons[cell.id] = why
        for cell_id, trial in trials.items():
            if trial in self._reasons:
                self._reasons.setdefault(cell_id, self._reasons[trial])

    @property
    def rows(self) -> list[Row]:
        """The rows of which cells are forgotten, in order."""
        found = dict[Row, Row]()
        for cell, why in self._reasons.items():
            label, task, ipc, kind = self._first[cell]
            row = Row(label, task, ipc, why)
            found.setdefault(row, row).cells[kind] += 1
        return sorted(found.values(), key=lambda row: (row.task, row.ipc, row.label, row.reason))

    def move(self) -> Counter[str]:
        """Move the files; return their number by kind. The store must be locked; raises OSError.

        Records of trials come last, so that an interrupted move is found again.
        """
        moved, trials = Counter[str](), set(self._reasons)
        for name in ("checkpoints", "jobs"):
            for path in (path for each in trials for path in self._named(name, each)):
                moved[name.removesuffix("s")] += self._move(path)
        for path in layout.listed(self.store.path / "artefacts", ENDING):
            if parts_of(path.name)[0] in trials:
                self._move(path.with_suffix(".json"))
                moved["set"] += self._move(path)
        for path, plan in self._plans.items():
            moved["plan"] += self._leave_out(path, plan)
        files = [path for path, cell in self._files.items() if cell in trials]
        for path in sorted(files, key=lambda path: self._first[self._files[path]][3] == "distillation"):
            kind = path.relative_to(self.store.path).parts[0].removesuffix("s")
            done = self._move(path)
            moved[kind] += done if path.suffix == ".json" else 0
        return moved

    def _named(self, folder: str, cell: str) -> list[Path]:
        found = (self.store.path / folder / f"{cell}{ending}" for ending in ("", ".json"))
        return [path for path in found if path.exists()]

    def _move(self, path: Path) -> int:
        """Move a file or folder to the same place below `forgotten/`, under another name if that is taken."""
        if not path.exists():
            return 0
        place = self.store.path / FOLDER / path.relative_to(self.store.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        others = (place.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(2))
        target = next(each for each in chain([place], others) if not each.exists())
        path.rename(target)
        return 1

    def _leave_out(self, path: Path, plan: Plan) -> int:
        """Move the forgotten cells of a plan to one below `forgotten/`."""
        gone = [each for each in plan.cells if each.cell.id in self._reasons]
        if not gone:
            return 0
        target = self.store.path / FOLDER / path.relative_to(self.store.path)
        before = [Plan.model_validate_json(documents.document(target))] if target.exists() else []
        write_bytes(target, united([*before, Plan(cells=tuple(gone))]).to_json().encode(), replace=True)
        kept = tuple(each for each in plan.cells if each.cell.id not in self._reasons)
        write_bytes(path, Plan(cells=kept).to_json().encode(), replace=True)
        return 1

    def _documents(self) -> Iterator[tuple[Path | None, Document]]:
        for kind in ("records", "failures"):
            for path in layout.files(self.store.path / kind):
                try:
                    record = reading.checked(path)
                except (OSError, ValueError):
                    continue  # damaged: a run sets it aside
                yield path, record
        for plan in self._plans.values():
            yield from ((None, each) for each in plan.cells)

    def _read_plans(self) -> Iterator[tuple[Path, Plan]]:
        for path in layout.listed(self.store.path / "plan", ".json"):
            with suppress(OSError, ValueError):  # damaged ones are named by the board
                yield path, Plan.model_validate_json(documents.document(path))
