"""How far the grids of a store are: what is done, runs, failed and waits, and what the rest will cost.

Only files are read: it works beside a run, and after one that was killed. Records never change, so that each
is read once, also while the status is watched.
"""

import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import Any, Literal, NamedTuple

from suite.board.atlas.costs import Cost
from suite.cli.running.cost import Costs, by_device
from suite.core.files.documents import document
from suite.records.cells import Cell, Evaluation
from suite.records.jobs import Job, Plan
from suite.records.record import FINAL, Record
from suite.records.record import Status as CellStatus
from suite.records.remote import reading as remote
from suite.records.stores import layout, reading
from suite.records.stores.heartbeat import DRIVER, Sign, signs

State = CellStatus | Literal["running", "waiting"]
STATES: tuple[State, ...] = ("done", "running", "failed", "diverged", "late", "waiting")

_FOR_COSTS = 5_000  # the latest records, from which costs are estimated


class Place(NamedTuple):
    """A cell of a plan and its job."""

    cell: Cell
    job: Job

    @property
    def id(self) -> str:
        """The cell's id."""
        return self.cell.id

    @property
    def title(self) -> str:
        """The cell in words."""
        return f"{self.job.title}: {self.cell.title}"


@dataclass(frozen=True)
class Failure:
    """A cell that failed, why, and where its traceback is; None if there is none."""

    title: str
    status: str
    reason: str
    attempts: int
    trace: Path | None


@dataclass(frozen=True)
class PlanStatus:
    """The state of the cells of a plan. costs: of those that are not done."""

    name: str
    counts: Counter[State]
    costs: tuple[Cost | None, ...]

    @property
    def total(self) -> int:
        """The number of cells."""
        return self.counts.total()

    @property
    def over(self) -> bool:
        """Whether nothing is left to do; sets of diverged trials do not exist."""
        return sum(self.counts[state] for state in FINAL) == self.total


@dataclass(frozen=True)
class Status:
    """The state of a store. driver: the process that runs a grid, None without one; running: by title."""

    store: Path
    plans: tuple[PlanStatus, ...]
    driver: Sign | None
    running: tuple[tuple[str, Sign], ...]
    failures: tuple[Failure, ...]

    @property
    def over(self) -> bool:
        """Whether all is done."""
        return all(plan.over for plan in self.plans)

    def fields(self) -> dict[str, Any]:
        """Return what JSON has of it; times are seconds since 1970."""
        return {
            "store": str(self.store),
            "driver": self.driver and self.driver.model_dump(),
            "plans": [
                {
                    "name": plan.name,
                    "cells": plan.total,
                    **{state: plan.counts[state] for state in STATES},
                    "left_device_seconds": {
                        device: round(sum(cost.seconds for cost in costs), 1)
                        for device, costs in by_device(plan.costs).items()
                    },
                    "left_without_cost": sum(cost is None for cost in plan.costs),
                }
                for plan in self.plans
            ],
            "running": [{"title": title, **sign.model_dump()} for title, sign in self.running],
            "failed": [
                {**vars(each), "trace": None if each.trace is None else str(each.trace)}
                for each in self.failures
            ],
            "at": time(),
        }


class Watched:
    """A store whose status is asked once or again; raises ValueError for what is no store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = reading.opened(remote.here(path, remote.LIVE))
        self._recorded = dict[str, list[tuple[str, CellStatus]]]()  # by cell: data and status
        self._failed = dict[str, Record]()
        self._read = set[Path]()  # records
        self._plans = dict[Path, tuple[int, list[Place]]]()
        self._latest = deque[Record](maxlen=_FOR_COSTS)
        self._costs, self._priced = Costs(()), -1

    @reading.uncollected()
    def status(self) -> Status:
        """Return the status as it is now."""
        remote.here(self._path, remote.LIVE)
        self._read_records()
        self._read_failures()
        alive = signs(self.store.path)
        driver = alive.pop(DRIVER, None)
        running = {sign.cell or job: sign for job, sign in alive.items()}
        plans = {path.stem: places for path, places in self._read_plans()}
        every = {place.id: place for places in plans.values() for place in places}
        return Status(
            store=self.store.path,
            plans=tuple(self._plan(name, places, running) for name, places in sorted(plans.items())),
            driver=driver,
            running=tuple(
                (every[cell].title if cell in every else f"cell {cell[:12]}", sign)
                for cell, sign in sorted(running.items(), key=lambda item: item[1].since)
            ),
            failures=tuple(
                self._failure(every[cell].title, record)
                for cell, record in self._failed.items()
                if cell in every and self._state(every[cell], running) == "failed"
            ),
        )

    def _plan(self, name: str, places: Sequence[Place], running: dict[str, Sign]) -> PlanStatus:
        states = [self._state(place, running) for place in places]
        costs = tuple(
            self._cost(place, running.get(place.id))
            for place, state in zip(places, states, strict=True)
            if state not in FINAL
        )
        return PlanStatus(name, Counter(states), costs)

    def _cost(self, place: Place, sign: Sign | None) -> Cost | None:
        """Return the cost of a cell, or of what is left of one that runs."""
        cost = self._costs.of(place.job, place.cell)
        if cost is None or sign is None or not sign.steps:
            return cost
        return replace(cost, seconds=cost.seconds * max(0.0, 1 - sign.step / sign.steps))

    def _state(self, place: Place, running: dict[str, Sign]) -> State:
        if status := self._status_of(place.id, place.job.data):
            return status
        if place.id in running:
            return "running"
        if self._status_of(place.job.id, place.job.data) == "diverged":
            return "diverged"
        return "failed" if place.id in self._failed else "waiting"

    def _status_of(self, cell: str, data: str) -> CellStatus | None:
        return next((status for own, status in self._recorded.get(cell, ()) if data in ("", own)), None)

    def _failure(self, title: str, record: Record) -> Failure:
        trace = self.store.traceback(record)
        reason = " ".join(record.error.split())
        return Failure(title, record.status, reason, record.attempts, trace if trace.is_file() else None)

    def _read_records(self) -> None:
        there = list(layout.files(self.store.path / "records"))
        if not self._read <= set(there):  # some were set aside
            self._read, self._recorded = set(), {}
            self._latest.clear()
        for path in (path for path in there if path not in self._read):
            if record := self._checked(path):
                self._recorded.setdefault(record.cell.id, []).append((record.data, record.status))
                self._latest.append(record.model_copy(update={"curve": {}, "described": ()}))
        self._read = set(there)
        if not self._priced <= len(there) <= 1.1 * self._priced:
            self._costs, self._priced = Costs.known(self._latest), len(there)

    def _read_failures(self) -> None:
        self._failed = {
            record.cell.id: record
            for path in layout.files(self.store.path / "failures")
            if (record := self._checked(path))
        }

    def _checked(self, path: Path) -> Record | None:
        try:
            return reading.checked(path)
        except FileNotFoundError:  # a failure that was overcome meanwhile
            return None
        except (OSError, ValueError) as error:
            warnings.warn(
                f"{path} is damaged, its cell will run again: {reading.reason(error)}", stacklevel=2
            )
            return None

    def _read_plans(self) -> Iterator[tuple[Path, list[Place]]]:
        for path in layout.listed(self.store.path / "plan", ".json"):
            try:
                changed = path.stat().st_mtime_ns
                if self._plans.get(path, (0,))[0] != changed:
                    self._plans[path] = changed, _places(Plan.model_validate_json(document(path)))
            except (OSError, ValueError) as error:
                warnings.warn(f"{path}: skipped, {reading.reason(error)}", stacklevel=2)
                continue
            yield path, self._plans[path][1]


def _places(plan: Plan) -> list[Place]:
    """Return the cells of a plan with their jobs; an evaluation follows its trial."""
    jobs, found = dict[str, Job](), list[Place]()
    for planned in plan.cells:
        cell = planned.cell
        if not isinstance(cell, Evaluation):
            job = Job(label=planned.label, cell=cell, data=planned.data)
            jobs[cell.id] = job
            found.append(Place(cell, job))
        elif cell.trial in jobs:
            found.append(Place(cell, jobs[cell.trial]))
    return found
