"""Submissions of a store are audited as they are shown."""

from pathlib import Path

import pytest
import torch

from suite.records.audit.store import audit
from tests.support.audited import sound
from tests.support.command_line import ratbench
from tests.support.stores import change
from tests.support.submissions import packed, signed, with_images, with_manifest

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here", "untrained")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A verified submission in a store."""
    store = sound(tmp_path)
    made = packed(store.path)
    result = ratbench("verify", made, "--cpu")
    assert result.exit_code == 0, result.output
    for path in (made / "verification").glob("evaluation*.json"):  # untrained networks have odd accuracies
        change(path, scores={"accuracy": (0.5, 0.25, 0.5, 0.75, 0.5), "seconds": (0.0,) * 5})
    return made


def told(folder: Path) -> list[str]:
    return [each.line for each in audit(folder.parent.parent).found]


def test_a_verified_submission(folder: Path) -> None:
    found = audit(folder.parent.parent)
    assert not found.found and found.checked["submission"] == 1 and found.checked["verification record"] == 2


def test_a_forged_one_is_an_error(folder: Path) -> None:
    text = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(text.replace("accuracy = 0.7", "accuracy = 0.9"))
    assert "was edited after it was signed" in told(folder)[0]
    (folder / "submission.toml").write_text(text)
    signed(folder, title="Another one")  # the verification is of what was handed in before
    assert "is of another submission" in told(folder)[0]


def test_its_set_is_checked(folder: Path) -> None:
    with_images(folder, torch.full((20, 1, 8, 8), torch.nan))
    assert "are not finite" in told(folder)[0]


def test_its_manifest_is_checked(folder: Path) -> None:
    facts = {"task": "digits", "method": "x", "hyperparameters": {}, "ipc": 50, "seed": 0}
    with_manifest(folder, trial={"kind": "distillation", **facts})
    assert any("is of another submission" in line for line in told(folder))


def test_what_is_no_submission_is_told(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / ".partial-x").mkdir()
    lines = told(folder)
    assert any("it was not written completely" in line for line in lines)
    assert any("it is not a submission" in line for line in lines)
