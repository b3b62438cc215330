"""Choose evaluations of stores by chance, repeat them, and tell how they compare with their records."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suite.board.render.words import duration
from suite.cli.running.deadline import Deadline, Stopped
from suite.core.names import counted

if TYPE_CHECKING:
    from suite.experiments.rescoring.judging import Comparison
    from suite.experiments.rescoring.repeating import Candidate, Repeated

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What is to be repeated. seed: of the choice, None to draw it.

    Raises ValueError for an option that has no meaning without `rescore`.
    """

    rescore: int = 0
    seed: int | None = None
    time_limit: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        given = {"--seed": self.seed, "--time-limit": self.time_limit, "--dry-run": self.dry_run or None}
        if not self.rescore and (alone := [name for name, value in given.items() if value is not None]):
            raise ValueError(f"{alone[0]} needs --rescore; add --rescore 5, or more")


@dataclass
class Rescoring:
    """What was repeated. seed: of the choice; of: the number of candidates; errors: contradictions.

    unclear: repetitions that can neither contradict nor support their record; together: how all cells
    contradict their records, "" if they do not; cells: a table for each chosen one, with `left`, the reason,
    if it was not repeated; test_reads: of all repetitions.
    """

    seed: int
    of: int
    errors: int = 0
    unclear: int = 0
    test_reads: int = 0
    together: str = ""
    cells: list[dict[str, Any]] = field(default_factory=list)

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields for JSON."""
        return asdict(self)


def rescored(stores: Sequence[Path], wanted: Wanted, deadline: Deadline, tell: Say) -> Rescoring:
    """Repeat evaluations of `stores`, or tell which ones if it is a dry run; return what was found."""
    from suite.experiments.rescoring.judging import LEVEL, together  # scipy and torch
    from suite.experiments.rescoring.repeating import Candidates

    seed = secrets.randbits(32) if wanted.seed is None else wanted.seed
    candidates = Candidates.of(stores)
    chosen = candidates.choose(wanted.rescore, seed)
    made = Rescoring(seed, len(candidates.every), cells=[_facts(each) for each in chosen])
    count, spent = counted(len(chosen), "evaluation"), duration(sum(each.seconds for each in chosen))
    tell(f"{count} of {made.of} chosen by seed {seed}; they took {spent} where they were recorded")
    if wanted.dry_run:
        for each in chosen:
            tell(f"would repeat {each.title}: {duration(each.seconds)}")
        return made
    done = list["Comparison"]()
    with deadline.watched(), suppress(Stopped):
        deadline.interrupt_at_the_end()
        for each, facts in zip(chosen, made.cells, strict=True):
            found = _repeated(each, candidates.spreads(each), deadline)
            if isinstance(found, str):
                facts["left"] = found
                continue
            own, reason = found.comparison, found.comparison.reason(len(chosen))
            done.append(own)
            made.test_reads += found.test_reads
            made.errors += bool(reason)
            made.unclear += not reason and own.is_unclear(len(chosen))
            facts |= {"recorded": own.recorded, "repeated": own.repeated, "error": reason}
            tell(_told(each.title, own, reason, len(chosen)))
    for facts in made.cells:
        if "repeated" not in facts:
            left = facts.setdefault("left", deadline.reason)
            tell(f"not repeated: {facts['title']}: {left}")
    if chosen and not done:
        made.errors += 1
        tell("error: no evaluation was repeated, so that nothing is known of the accuracies")
    made.together = together(done)
    if made.together:
        made.errors += 1
        tell(f"error: {made.together}")
    tell(
        f"{counted(len(done), 'evaluation')} repeated, {made.unclear} without a verdict, "
        f"{len(chosen) - len(done)} not repeated, {counted(made.errors, 'error')}; honest "
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


def _told(title: str, own: "Comparison", reason: str, cells: int) -> str:
    if reason:
        return f"error: {title}: {reason}"
    if own.recorded == own.repeated:
        return f"the same bits: {title}"
    off, limit = f"{100 * own.difference:+.2f} points", own.limit(cells)
    if own.is_unclear(cells):
        why = f"differ by {100 * limit:.0f} points" if limit < inf else "differ by any number of points"
        return f"no verdict: {title}: {off}, and its networks vary so much that rounding may {why}"
    return f"agrees: {title}: {off}, and rounding explains up to {100 * limit:.2f}"
