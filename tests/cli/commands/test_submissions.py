"""`ratbench submit` and `verify` from a file to a verified folder, with networks that are really retrained.

Mistakes are in tests/submissions/.
"""

from pathlib import Path

import pytest
from typer.testing import Result

from suite.records.submission import Submission
from tests.support import foreign_sets
from tests.support.command_line import ratbench
from tests.support.submissions import submit

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here", "known_seeds")


def test_a_set_is_measured_packed_and_verified(tmp_path: Path) -> None:
    packed = submit(foreign_sets.mtt(tmp_path))
    assert packed.exit_code == 0, packed.output
    own = Submission.read(Path("results/submissions/mine"))
    assert own.claim.measured and own.claim.accuracy > 0.5 and own.title == "mine"
    verified: Result = ratbench("verify", "results/submissions/mine", "--cpu")
    assert verified.exit_code == 0, verified.output
    assert "verified: " in verified.stdout and f"claimed {100 * own.claim.accuracy:.1f}%" in verified.stdout
    shown = ratbench("leaderboard", "results").stdout
    assert "`submission:mine`" in shown and "not under" not in shown
