"""Evaluations of stores that are chosen by chance and repeated: what is told of them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.board.render.words import duration
from suite.cli.running.deadline import Deadline
from suite.core.names import counted

if TYPE_CHECKING:
    from suite.experiments.rescoring.repeating import Candidate, Repeated

Say = Callable[[str], None]


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
class Rescoring:
    """What was repeated. seed: of the choice; of: how many could be chosen; errors: contradictions.

    cells: what was found of each; left: of those that were not repeated, why; test_reads: for all.
    """

    seed: int
    of: int
    errors: int = 0
    test_reads: int = 0
    together: str = ""
    cells: list[dict[str, Any]] = field(default_factory=list)

    @property
    def fields(self) -> dict[str, Any]:
        """What JSON has of it."""
        return asdict(self)


def rescored(stores: Sequence[Path], wanted: Wanted, deadline: Deadline, tell: Say) -> Rescoring:
    """Repeat evaluations of `stores`, or tell which ones and how long they took; return what was found."""
    from suite.experiments.rescoring.judging import LEVEL, together  # scipy and torch
    from suite.experiments.rescoring.repeating import Candidates

    seed = secrets.randbits(32) if wanted.seed is None else wanted.seed
    candidates = Candidates.of(stores)
    chosen = candidates.choose(wanted.rescore, seed)
    made, count = Rescoring(seed, len(candidates.every)), counted(len(chosen), "evaluation")
    spent = duration(sum(each.seconds for each in chosen))
    tell(f"{count} of {made.of} chosen by seed {seed}; they took {spent} where they were recorded")
    if wanted.dry_run:
        for each in chosen:
            made.cells.append(_facts(each))
            tell(f"would repeat {each.title}: {duration(each.seconds)}")
        return made
    done = []
    for each in chosen:
        found = _repeated(each, candidates.spreads(each), deadline)
        facts = _facts(each)
        made.cells.append(facts)
        if isinstance(found, str):
            facts["left"] = found
            tell(f"not repeated: {each.title}: {found}")
            continue
        done.append(found)
        own, made.test_reads = found.comparison, made.test_reads + found.test_reads
        reason = own.reason(len(chosen))
        made.errors += bool(reason)
        facts |= {"recorded": own.recorded, "repeated": own.repeated, "error": reason}
        tell(_told(found, reason, len(chosen)))
    made.together = together([each.comparison for each in done])
    if made.together:
        made.errors += 1
        tell(f"error: {made.together}")
    tell(
        f"{counted(len(done), 'evaluation')} repeated, {counted(made.errors, 'error')}; honest "
        f"records have one in less than {100 * LEVEL:.0f}% of audits. The test split was read "
        f"{counted(made.test_reads, 'time')}, which no record counts"
    )
    return made


def _repeated(each: "Candidate", spreads: Any, deadline: Deadline) -> "Repeated | str":
    """Repeat an evaluation, or return why not."""
    from suite.experiments.rescoring.repeating import repeat

    if deadline.near(each.seconds):
        return deadline.reason
    try:
        return repeat(each, *spreads)
    except ValueError as error:
        return str(error)


def _facts(each: "Candidate") -> dict[str, Any]:
    return {"store": str(each.store), "cell": each.cell, "title": each.title, "seconds": each.seconds}


def _told(found: "Repeated", reason: str, cells: int) -> str:
    own, title = found.comparison, found.candidate.title
    if reason:
        return f"error: {title}: {reason}"
    if own.recorded == own.repeated:
        return f"the same bits: {title}"
    limit = f"rounding explains up to {100 * own.limit(cells):.2f}"
    return f"agrees: {title}: {100 * own.difference:+.2f} points, and {limit}"
