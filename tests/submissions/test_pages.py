"""The pages of a submission; whole reports are read in test_verify.py."""

from pathlib import Path

from suite.submissions.outcome import Outcome
from suite.submissions.pages import readme, report
from tests.records.test_submission import CLAIM, write
from tests.submissions.test_outcome import CLEAN, LEAKY


def test_a_readme_has_all_that_was_told(tmp_path: Path) -> None:
    text = readme(write(tmp_path / "mine", device_seconds=12.5))
    assert "**Claimed** accuracy: 70.0% with recipe `dsa-1000` on `convnet-d3-w128-in`, 5 retrained" in text
    assert "distilled in: 12.5 device-seconds, as its authors say" in text
    assert "Signed-off-by: `Ada Lovelace <ada@example.org>`" in text
    assert "<https://arxiv.org/abs/2311.07025>" in text and "licence: CC-BY-4.0" in text
    assert "distilled in" not in readme(write(tmp_path / "other"))


def test_a_measured_claim_has_its_interval(tmp_path: Path) -> None:
    claim = {**CLAIM, "low": 0.69, "high": 0.71, "accuracies": [0.69, 0.7, 0.7, 0.7, 0.71]}
    text = readme(write(tmp_path / "mine", claim=claim))
    assert "70.0% [69.0, 71.0]" in text and "measured by `ratbench submit`" in text


def test_lines_on_a_set_are_no_markup(tmp_path: Path) -> None:
    own = write(tmp_path / "mine")
    text = report(Outcome(own, ("classes: <script>alert(1)</script>", "# x"), LEAKY, 7))
    assert "\n    classes: <script>" in text and "\n    # x\n" in text
    assert "**Refused**: the set holds 1 test image: image 1 of class 3 is test image 7 changed" in text
    assert "| verified |" not in text
    assert "smallest ratio of distances 0.90" in report(Outcome(own, (), CLEAN, 7))
