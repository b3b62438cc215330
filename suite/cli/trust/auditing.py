"""Audits of several stores: findings, what was checked, and evaluations that are repeated."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.cli.running.deadline import Deadline
from suite.core.names import HOLDOUT, counted
from suite.records.audit.findings import Findings
from suite.records.audit.known import TaskFacts
from suite.records.audit.store import audit

Say = Callable[[str], None]


def unsaid(line: str) -> None:
    """Say nothing: the report has it."""


@dataclass(frozen=True)
class Wanted:
    """What is to be repeated. seed: of the choice, None to draw it; raises ValueError for a lone option."""

    rescore: int = 0
    seed: int | None = None
    time_limit: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        given = {"--seed": self.seed, "--time-limit": self.time_limit, "--dry-run": self.dry_run or None}
        if not self.rescore and (alone := [name for name, value in given.items() if value is not None]):
            raise ValueError(f"{alone[0]} is about evaluations that are repeated; add --rescore 5, or more")


@dataclass
class Report:
    """The findings on stores, and what was repeated: a line for each evaluation, and for all together."""

    stores: list[Findings] = field(default_factory=list)
    repeated: list[dict[str, Any]] = field(default_factory=list)
    rescoring: dict[str, Any] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether there is no error."""
        return not any(each.errors for each in self.stores) and not self.rescoring.get("errors")

    @property
    def fields(self) -> dict[str, Any]:
        """What JSON has of it."""
        rescoring = {"rescoring": {**self.rescoring, "cells": self.repeated}} if self.rescoring else {}
        return {"sound": self.sound, "stores": [each.fields for each in self.stores], **rescoring}


def audited(stores: Sequence[Path], wanted: Wanted, signers: Path | None, tell: Say) -> Report:
    """Audit stores, repeat what is wanted, and tell each finding. Raises ValueError for what is no store."""
    report, deadline = Report(), Deadline(wanted.time_limit)
    for path in dict.fromkeys(stores):
        found = audit(path, ask)
        report.stores.append(found)
        for line in lines(found):
            tell(line)
    if wanted.rescore:
        _rescore(report, wanted, deadline, tell)
    return report


def lines(found: Findings) -> list[str]:
    """Return the findings on a store, one a line, and what was checked."""
    errors, every = found.errors, len(found.found)
    checked = ", ".join(counted(count, what) for what, count in found.checked.items() if count)
    notes = [f"{found.store}: {note}" for note in found.notes]
    told = f"{counted(errors, 'error')}, {counted(every - errors, 'doubt')}"
    findings = [f"{found.store}: {each.line}" for each in found.found]
    return [*findings, *notes, f"{found.store}: {told}; checked: {checked or 'nothing'}"]


def ask(name: str) -> TaskFacts | str:
    """Return what the data of a task on this machine say, or why they do not; nothing is fetched."""
    from suite.core.data import tasks  # torch
    from suite.core.data.reading.download import nothing_fetched

    try:
        with nothing_fetched():
            task = tasks.load(name)
    except (ValueError, OSError) as error:
        return str(error).partition("\n")[0]
    count = 0 if name.endswith(HOLDOUT) else sum(task.found.test)
    known = tasks.fingerprint(task), tasks.former_fingerprint(task)
    return TaskFacts(task.train.classes, tuple(task.train.shape), count, known)


def _rescore(report: Report, wanted: Wanted, deadline: Deadline, tell: Say) -> None:
    """Repeat evaluations chosen by chance, and add what was found to the report."""
    from suite.board.render.words import duration
    from suite.experiments.rescoring.judging import LEVEL, together
    from suite.experiments.rescoring.repeating import Candidates, Repeated, repeat

    seed = secrets.randbits(32) if wanted.seed is None else wanted.seed
    candidates = Candidates.of([each.store for each in report.stores])
    chosen = candidates.choose(wanted.rescore, seed)
    spent = sum(each.seconds for each in chosen)
    count = counted(len(chosen), "evaluation")
    tell(
        f"{count} of {len(candidates.every)} chosen by seed {seed}; on their machines they took {duration(spent)}"
    )
    report.rescoring = {"seed": seed, "of": len(candidates.every), "seconds_recorded": spent, "errors": 0}
    done, left = list[Repeated](), 0
    for each in chosen:
        facts = {"store": str(each.store), "cell": each.cell, "title": each.title, "seconds": each.seconds}
        report.repeated.append(facts)
        if wanted.dry_run:
            tell(f"would repeat {each.title}: {duration(each.seconds)}")
            continue
        if deadline.near(each.seconds):
            left += 1
            facts["left"] = "the time limit is near"
            continue
        try:
            found = repeat(each, candidates.spreads[each.row])
        except ValueError as error:
            facts["left"] = str(error)
            tell(f"not repeated: {each.title}: {error}")
            continue
        done.append(found)
        own = found.comparison
        facts |= {"recorded": own.recorded, "repeated": own.repeated, "limit": own.limit(len(chosen))}
        facts["error"] = own.reason(len(chosen))
        report.rescoring["errors"] += bool(facts["error"])
        tell(_told(found, facts["error"], len(chosen)))
    if wanted.dry_run:
        return
    if reason := together([each.comparison for each in done]):
        report.rescoring["errors"] += 1
        report.rescoring["together"] = reason
        tell(f"error: {reason}")
    reads = report.rescoring["test_reads"] = sum(each.test_reads for each in done)
    if left:
        tell(f"{counted(left, 'evaluation')} not repeated, since the time limit is near")
    tell(
        f"{counted(len(done), 'evaluation')} repeated: {counted(report.rescoring['errors'], 'error')}; honest "
        f"records have one in less than {100 * LEVEL:.0f}% of audits. The test split was read "
        f"{counted(reads, 'time')} for it, which no record counts."
    )


def _told(found: Any, reason: str, cells: int) -> str:
    own = found.comparison
    if reason:
        return f"error: {found.candidate.title}: {reason}"
    if own.recorded == own.repeated:
        return f"the same bits: {found.candidate.title}"
    return (
        f"agrees: {found.candidate.title}: {100 * own.difference:+.2f} points, "
        f"and rounding explains up to {100 * own.limit(cells):.2f}"
    )
