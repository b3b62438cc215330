"""What a submission may say, and what holds it together."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from suite.records.submission import (
    Claim,
    Submission,
    alike,
    check_files,
    folders,
    mistake,
    sha256,
    verification,
)

CLAIM: dict[str, Any] = {"accuracy": 0.7, "copies": 5, "recipe": "dsa-1000", "network": "convnet-d3-w128-in"}
FACTS: dict[str, Any] = {
    "name": "mine",
    "title": "RaT-BPTT: back-propagation through a window, k = 2",
    "paper": "https://arxiv.org/abs/2311.07025",
    "code": "http://git.example.org:8080/~ada/x?y=1#z",
    "licence": "CC-BY-4.0",
    "signed_off_by": "Ada Lovelace <ada@example.org>",
    "task": "cifar10-zca",
    "ipc": 10,
    "claim": CLAIM,
    "data": "0" * 64,
    "versions": {"torch": "2.13.0+cpu"},
}


def write(folder: Path, **changes: Any) -> Submission:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("set.safetensors", "set.json", "README.md"):
        (folder / name).write_text(name)
    made = Submission.model_validate({**FACTS, "name": folder.name, **changes})
    made = made.sealed({path.name: sha256(path) for path in folder.iterdir() if path.suffix != ".toml"})
    (folder / "submission.toml").write_text(made.to_toml())
    return made


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = write(tmp_path / "mine", device_seconds=12.5, device="NVIDIA H100")
    assert Submission.read(tmp_path / "mine") == made and made.label == "submission:mine"
    check_files(tmp_path / "mine", made)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", ["", "Mine", "a b", "../mine", "-a", "a-", "a--b", "é", "a/b", "a" * 61, "a\n", ".a"]),
        ("name", ["con", "nul.txt", "lpt1"]),  # devices on Windows
        ("title", ["", " ", "<script>", "a|b", "[a](javascript:b)", "`a`", "a\nb", "\x1b[31m", "a" * 201]),
        (
            "paper",
            [
                *("arxiv.org/abs/1", "javascript:alert(1)", "ftp://a.org/b", "https://", "https://a"),
                *(
                    "https://a.org/ b",
                    'https://a.org/"x',
                    "https://a.org/<b>",
                    "https://u:p@a.org/",
                    "//a.org",
                ),
                *("https://a.org/)x", "https://a.org/\n", "https://a.org/" + "b" * 600, "data:text/html,x"),
            ],
        ),
        ("code", ["file:///etc/passwd", "https://a.org/`"]),
        ("licence", ["", "MIT License", "<b>"]),
        ("signed_off_by", ["", "Ada", "ada@example.org", "Ada <ada>", "<a@b>", "A <a@b> <c@d>", "A|B <a@b>"]),
        ("task", ["", "a b", "folder:/etc", "../x", "a\n"]),
        ("ipc", [0, -1, 1.5]),
        ("device", ["", "a\nb"]),
        ("device_seconds", [-1, float("nan"), float("inf")]),
        ("data", ["", "0" * 63, "G" * 64]),
        ("versions", [{"torch": "a\nb"}, {"<b>": "1"}]),
    ],
)
def test_what_may_not_be_said(field: str, wrong: list[Any]) -> None:
    for value in wrong:
        with pytest.raises(ValidationError) as error:
            Submission.model_validate({**FACTS, field: value})
        assert field in str(error.value) and "\n" not in mistake(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"accuracy": 1.1},
        {"accuracy": float("nan")},
        {"copies": 0},
        {"copies": 10**9},
        {"low": 0.6, "high": 0.8},  # without the accuracies
        {"accuracies": [0.7] * 5},  # without their interval
        {"accuracies": [0.7] * 4, "low": 0.6, "high": 0.8},
        {"accuracies": [0.9] * 5, "low": 0.6, "high": 0.8},
        {"recipe": "a b"},
        {"network": "<b>"},
        {"more": 1},
    ],
)
def test_a_claim_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Claim.model_validate({**CLAIM, **wrong})


def test_an_edit_after_signing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "submission.toml"
    write(tmp_path / "mine")
    for before, after in (("0.7", "0.8"), ("Ada", "Eve"), ("ipc = 10", "ipc = 1"), ("2311", "2312")):
        text = path.read_text()
        path.write_text(text.replace(before, after, 1))
        with pytest.raises(ValueError, match=r"was edited after it was signed; pack the set again"):
            Submission.read(tmp_path / "mine")
        path.write_text(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("name = ", "cannot be read"),
        ("a = 1", "name: Field required"),
        ("a" * 70_000, "64 KiB"),
        ("x = " + "[" * 5000, "cannot be read"),
        ("\x00", "cannot be read"),
    ],
)
def test_damaged_facts_are_one_sentence(text: str, part: str, tmp_path: Path) -> None:
    write(tmp_path / "mine")
    (tmp_path / "mine" / "submission.toml").write_text(text)
    with pytest.raises(ValueError, match=part) as error:
        Submission.read(tmp_path / "mine")
    assert "\n" not in str(error.value)


def test_a_folder_has_the_name_of_its_submission(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / "other")
    with pytest.raises(ValueError, match="has the submission 'mine'"):
        Submission.read(tmp_path / "other")
    (tmp_path / "Other").mkdir()
    assert [path.name for path in alike(tmp_path / "OTHER")] == ["Other", "other"]
    assert alike(tmp_path / "new") == [] == alike(tmp_path / "nowhere" / "new")


def test_another_set_is_not_the_signed_one(tmp_path: Path) -> None:
    made = write(tmp_path / "mine")
    (tmp_path / "mine" / "set.safetensors").write_text("another")
    with pytest.raises(ValueError, match=r"set\.safetensors is not the file that was signed"):
        check_files(tmp_path / "mine", made)
    (tmp_path / "mine" / "set.safetensors").unlink()
    with pytest.raises(ValueError, match="No such file"):
        check_files(tmp_path / "mine", made)


def test_folders_of_a_store(tmp_path: Path) -> None:
    write(tmp_path / "submissions" / "b")
    write(tmp_path / "submissions" / "a")
    (tmp_path / "submissions" / "notes").mkdir()
    assert [path.name for path in folders(tmp_path)] == ["a", "b"]
    assert list(folders(tmp_path / "nowhere")) == []


def test_damaged_records_are_no_verification(tmp_path: Path) -> None:
    """Records of other submissions are tried in tests/behaviour/test_submissions.py."""
    made = write(tmp_path / "mine")
    assert verification(tmp_path / "mine", made) == []
    (tmp_path / "mine" / "verification").mkdir()
    (tmp_path / "mine" / "verification" / "evaluation-1.json").write_text("{}")
    with pytest.raises(ValueError, match="its verification is damaged"):
        verification(tmp_path / "mine", made)
