"""Why a submission is refused: for its images first, then for its claim."""

from pathlib import Path

from suite.submissions.judging import Judgement
from suite.submissions.leaks import Copy, Leaks
from suite.submissions.outcome import Outcome
from tests.records.test_submission import write

CLEAN = Leaks(20, 14, 0.9, (), 1, 20, 0.14, 1)
LEAKY = Leaks(20, 14, 0.1, (Copy(3, 1, 7, 0.1, False),), 1, 20, 0.14, 1)


def test_the_reason(tmp_path: Path) -> None:
    own = write(tmp_path / "mine")
    good, bad = Judgement(0.7, 0.7, 0.01), Judgement(0.8, 0.7, 0.01)
    assert Outcome(own, (), CLEAN, 1, judgement=good).reason == ""
    assert Outcome(own, (), CLEAN, 1, judgement=bad).reason == bad.reason != ""
    assert Outcome(own, (), LEAKY, 1, judgement=bad).reason == LEAKY.reason != ""
    assert Outcome(own, (), CLEAN, 1).reason == ""
