"""Audit several stores: tell findings and what was checked, and repeat evaluations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite.cli.running.deadline import Deadline
from suite.cli.trust import rescoring, settings
from suite.cli.trust.rescoring import Rescoring, Say, Wanted
from suite.core.names import HOLDOUT, counted
from suite.records.audit.findings import Findings
from suite.records.audit.known import TaskFacts
from suite.records.audit.store import audit
from suite.records.remote import reading as remote
from suite.records.signatures.ssh import check_signers


def unsaid(line: str) -> None:
    """Say nothing, since the report has all."""


@dataclass
class Report:
    """The findings on stores. rescoring: what was repeated, None if nothing was asked for."""

    stores: list[Findings] = field(default_factory=list)
    rescoring: Rescoring | None = None

    @property
    def sound(self) -> bool:
        """Whether there is no error."""
        again = self.rescoring.errors if self.rescoring else 0
        return not again and not any(each.errors for each in self.stores)

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields for JSON."""
        found = {"sound": self.sound, "stores": [each.fields for each in self.stores]}
        return found | ({"rescoring": self.rescoring.fields} if self.rescoring else {})


def audited(stores: Sequence[Path], wanted: Wanted, signers: Path | None, tell: Say) -> Report:
    """Audit stores, repeat what is wanted, and tell each finding. Raises ValueError if one is no store."""
    report, deadline = Report(), Deadline(wanted.time_limit)
    if signers is not None:
        check_signers(signers)
    for path in remote.all_here(dict.fromkeys(stores), remote.ALL):
        found = audit(path, ask, signers, settings.wrong)
        report.stores.append(found)
        for line in lines(found):
            tell(line)
    if wanted.rescore:
        report.rescoring = rescoring.rescored([each.store for each in report.stores], wanted, deadline, tell)
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
    """Return the facts of a task from the data on this machine, or why there are none; nothing is fetched."""
    from suite.core.data import tasks  # torch
    from suite.core.data.reading.download import nothing_fetched

    try:
        with nothing_fetched():
            task = tasks.load(name)
    except Exception as error:  # the name is a record's, and may be anything
        return str(error).partition("\n")[0] or type(error).__name__
    count = 0 if name.endswith(HOLDOUT) else sum(task.found.test)
    return TaskFacts(
        classes=task.train.classes,
        shape=tuple(task.train.shape),
        test=count,
        data=(tasks.fingerprint(task), tasks.former_fingerprint(task)),
        class_names=tuple(task.class_names),
        preprocessing=task.preprocessing.describe(),
    )
