"""What an audit finds, and what it counts."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "doubt"]
"""error: it is impossible, or breaks a hash or a link; doubt: it may be right, and somebody should look."""


@dataclass(frozen=True)
class Finding:
    """One finding. kind: a word for scripts; where: a path below the store, or ""; what: in words."""

    severity: Severity
    kind: str
    where: str
    what: str

    @property
    def line(self) -> str:
        """The finding in one line."""
        return f"{self.severity}: {f'{self.where}: ' if self.where else ''}{self.what}"


@dataclass
class Findings:
    """The findings on a store so far. checked: how many of what, in words; notes: what was not checked."""

    store: Path
    found: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def error(self, kind: str, where: Path | str, what: str) -> None:
        """Add an error."""
        self.add("error", kind, where, what)

    def doubt(self, kind: str, where: Path | str, what: str) -> None:
        """Add a doubt."""
        self.add("doubt", kind, where, what)

    def add(self, severity: Severity, kind: str, where: Path | str, what: str) -> None:
        """Add a finding. where: a path, or ""."""
        if isinstance(where, Path) and where.is_relative_to(self.store):
            where = where.relative_to(self.store)
        self.found.append(Finding(severity, kind, str(where), " ".join(what.split())))

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(each.severity == "error" for each in self.found)

    @property
    def fields(self) -> dict[str, Any]:
        """The findings as JSON has them."""
        return {
            "store": str(self.store),
            "errors": self.errors,
            "doubts": len(self.found) - self.errors,
            "checked": dict(self.checked),
            "findings": [vars(each) for each in self.found],
            "notes": self.notes,
        }
