"""The undisturbed run that all others are compared with."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from suite.experiments import grid as grids
from suite.experiments import preflight
from suite.records.jobs import Job
from tests.support.chaos.alike import Seen, of_board, of_record, of_store
from tests.support.chaos.commands import Surroundings, prepare, said
from tests.support.chaos.gate import Gate


class Reference:
    """The store of an undisturbed run of the grid in `folder`, and what is known of it."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.store = folder, store
        self._boards = dict[Collection[str], str]()
        gate, around = Gate(store), Surroundings(modules=folder / "modules")
        words: list[str | Path] = [
            "run",
            folder / "chaos.toml",
            "--store",
            store,
            "--inline",
            "--data",
            folder / "data",
        ]
        code, text = said(words, gate, around)
        assert code == 0, text
        self.events = gate.events
        said(["leaderboard", store, "--format", "json", "--output", folder / "board.json"], gate, around)
        said(["audit", store, "--data", folder / "data"], gate, around)
        gate.close()
        prepare(folder / "modules")
        os.environ["RATBENCH_DATA"] = str(folder / "data")
        jobs, _ = preflight.on_data(grids.jobs(grids.load(folder / "chaos.toml")))
        self.jobs: list[Job] = list(jobs)
        self.seen, self.content = Seen(store), of_store(store)
        self.cores = {cell: of_record(record) for cell, record in self.seen.records.items()}
        assert set(self.cores) == {cell.id for job in self.jobs for cell in job.cells}
        self.plan = next(store.glob("plan/*.json"))

    def has_set(self, store: Path, trial: str) -> bool:
        """Return whether a store has the set of a trial and its manifest, byte for byte."""
        for name in (f"artefacts/{trial}.safetensors", f"artefacts/{trial}.json"):
            path = store / name
            if not path.is_file() or path.read_bytes() != (self.store / name).read_bytes():
                return False
        return True

    def board(self, store: Path, cells: Collection[str], failed: bool) -> str:
        """Return the board of an undisturbed run with only these cells, and plan and failures of `store`."""
        plan = store / "plan" / self.plan.name
        planned = plan.is_file() and plan.read_bytes() == self.plan.read_bytes()
        key = frozenset({*cells, *(["plan"] if planned else [])})
        if failed or key not in self._boards:
            part = self.store.with_name("part")
            shutil.rmtree(part, ignore_errors=True)
            for path in (self.store / "store.json", *([self.plan] if planned else [])):
                _copy(path, self.store, part)
            for cell in cells:
                _copy(self.seen.paths[cell], self.store, part)
            if failed:
                shutil.copytree(store / "failures", part / "failures")
            made = board_of(part)
            if failed:
                return made
            self._boards[key] = made
        return self._boards[key]


def _copy(path: Path, store: Path, to: Path) -> None:
    target = to / path.relative_to(store)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def board_of(store: Path) -> str:
    """Return what must be the same of a store's board; "" without records."""
    gate = Gate(store)
    file = store.with_name("board.json")
    file.unlink(missing_ok=True)
    code, text = said(["leaderboard", store, "--format", "json", "--output", file], gate)
    gate.close()
    if code:
        return f"exit code {code}: {text.strip().replace(str(store), 'STORE')}"
    return of_board(file.read_text())
