"""What the faults of an episode act upon, and what they may cost."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from suite.records.jobs import Job
from tests.support.chaos import grid
from tests.support.chaos.commands import Command, Surroundings, said
from tests.support.chaos.gate import Gate


class Missed(Exception):
    """The fault found nothing to act upon, and does not count."""


@dataclass
class World:
    """One store under faults.

    folder: of the grid and the data; draw: by which a fault chooses; excused: cells of which a fault damaged
    something, so that they may be done again; steps: how many outer steps of a cell faults may have cost so
    far; problems: what should not have happened; pictures: those that were damaged, which stay so.
    """

    folder: Path
    store: Path
    jobs: list[Job]
    draw: random.Random
    excused: set[str] = field(default_factory=set)
    steps: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    pictures: set[Path] = field(default_factory=set)
    around: Surroundings = field(default_factory=Surroundings)
    command: Command | None = None

    @property
    def running(self) -> Command:
        assert self.command is not None
        return self.command

    @property
    def grid(self) -> Path:
        return self.folder / "chaos.toml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def started(self) -> Path:
        """Where processes note what they begin."""
        return self.folder / "started"

    @property
    def words(self) -> list[str | Path]:
        """The command of the run."""
        return ["run", self.grid, "--store", self.store, "--inline", "--data", self.data]

    def expect(self, holds: object, problem: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problems.append(problem)

    def cells_of(self, trial: str) -> set[str]:
        """Return a trial and the evaluations of its set."""
        return {cell.id for job in self.jobs if job.id == trial for cell in job.cells}

    def interrupt(self) -> None:
        """Note that the work in progress, of any cell, may lose a checkpoint interval: an outer step."""
        self.steps.update(job.id for job in self.jobs)

    def excuse(self, cells: set[str]) -> None:
        """Note that these cells may be done again, each from its start."""
        self.excused |= cells
        self.steps.update(dict.fromkeys(cells, grid.STEPS))

    def beside(self, *words: str | Path) -> tuple[int, str]:
        """Run a command while another one may stand at the gate; return its exit code and its output."""
        gate = Gate(self.store)
        try:
            return said(words, gate)
        finally:
            gate.close()

    def audited(self) -> str:
        """Return the errors that `ratbench audit --rescore` finds, in one text."""
        words = (
            "audit",
            self.store,
            "--data",
            self.data,
            "--rescore",
            "99",
            "--seed",
            "0",
            "--format",
            "json",
        )
        _, text = self.beside(*words)
        report = json.loads(text[text.index("{") :])
        found = [
            each for store in report["stores"] for each in store["findings"] if each["severity"] == "error"
        ]
        found += [each for each in report["rescoring"]["cells"] if each.get("error")]
        return json.dumps(found)

    def victim(self, *patterns: str, below: Path | None = None) -> Path:
        """Return one of the files with these patterns, drawn; raises Missed without one."""
        found = sorted(
            path for each in patterns for path in (below or self.store).glob(each) if path.is_file()
        )
        if not found:
            raise Missed
        return self.draw.choice(found)
