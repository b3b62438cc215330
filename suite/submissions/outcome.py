"""The outcome of a verification."""

from dataclasses import dataclass

from suite.records.cells import Evaluation, Trial
from suite.records.record import Record
from suite.records.submission import Submission
from suite.submissions.judging import Judgement
from suite.submissions.leaks import Leaks


@dataclass(frozen=True)
class Outcome:
    """What a verification found. lines: what was read from the set.

    seed: drawn for the retrained networks; trial, evaluations, judgement: None and empty if test images were
    found, and nothing was retrained. The first evaluation is under the recipe of the claim.
    """

    submission: Submission
    lines: tuple[str, ...]
    leaks: Leaks
    seed: int
    trial: Record[Trial] | None = None
    evaluations: tuple[Record[Evaluation], ...] = ()
    judgement: Judgement | None = None

    @property
    def reason(self) -> str:
        """Why the submission is refused; "" if it is verified."""
        return self.leaks.reason or (self.judgement.reason if self.judgement else "")
