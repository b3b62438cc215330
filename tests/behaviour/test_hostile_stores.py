"""Stores of strangers: what stands in the place of a document is named and left out, in bounded memory."""

import hashlib
import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import Result

from suite.cli.commands import stores as commands
from suite.core.sets.artefacts import load_artefact
from suite.records.cells import Trial
from tests.conftest import SECRET
from tests.support.command_line import ratbench, refused
from tests.support.hostile_documents import DOCUMENTS
from tests.support.stores import change, record_of
from tests.support.usage import measured

FOLDERS = ("records/digits-ipc1/stranger", "failures/digits-ipc1/stranger", "plan", "jobs")


def name(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def strange(copied: Path) -> Path:
    """A good store with each hostile document in the place of each kind."""
    for folder in FOLDERS:
        (copied / folder).mkdir(parents=True, exist_ok=True)
    for number, make in enumerate(DOCUMENTS.values()):
        for folder in FOLDERS:
            make(copied / folder / f"{name(number)}.json")
        make(copied / "artefacts" / f"{name(number)}.json")
        (copied / "artefacts" / f"{name(number)}.safetensors").write_bytes(b"no set")
    return copied


def said(*words: str | Path) -> str:
    """Return all that a command says; it ends as commands do."""
    with warnings.catch_warnings():
        result = ratbench(*words)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 1, 2) and "Traceback" not in result.output
    return result.output


def test_the_board_has_the_good_rows_and_names_the_rest(strange: Path, tmp_path: Path) -> None:
    told = said("leaderboard", strange, "--output", tmp_path / "board.md")
    assert "random_subset" in (tmp_path / "board.md").read_text()
    files = {
        number: kind for number, kind in enumerate(DOCUMENTS) if kind not in ("a name twice", "a folder")
    }
    for number, kind in files.items():
        for folder in ("records/digits-ipc1/stranger", "plan"):
            path = f"{folder}/{name(number)}.json"
            assert f"{path}: skipped" in told or f"{path} is not a file" in told, (kind, folder)


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("list", "artefacts"),
        ("compare", "--method", "random_subset", "--method", "k_means"),
        ("merge", "--output", "united"),
        ("site", "--output", "site"),
        ("release", "2026.12", "--output", "releases"),
    ],
    ids=lambda words: words[0],
)
def test_other_commands_end_as_they_do(
    words: tuple[str, ...], strange: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    head = words[:2] if words[0] in ("list", "release") else words[:1]
    told = said(*head, strange, *words[len(head) :])
    if words[0] == "merge":
        good = {path.name for path in (tmp_path / "united").rglob("*.json")}
        assert len(good) > 4 and not good & {f"{name(number)}.json" for number in range(len(DOCUMENTS))}
        assert name(list(DOCUMENTS).index("deep")) in told


def test_the_board_takes_a_bounded_memory(strange: Path) -> None:
    script = "from pathlib import Path\nfrom suite.board import files\nfiles.read([Path(sys.argv[1])])"
    assert 50e6 < measured([strange], script)["peak_bytes"] < 1.5e9


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_store_without_readable_facts_is_refused_or_known_by_its_records(kind: str, copied: Path) -> None:
    facts = copied / "store.json"
    facts.unlink()
    DOCUMENTS[kind](facts)
    said("leaderboard", copied)


def test_a_manifest_does_not_decide_how_much_is_decoded(copied: Path) -> None:
    path = next(iter(sorted(copied.glob("artefacts/*.safetensors"))))
    manifest = json.loads(path.with_suffix(".json").read_bytes())
    manifest.pop("seal", None)
    manifest["parametrisation"] = {"kind": "linear", "settings": {"height": 30_000, "width": 30_000}}
    code = {"bases": [1, 1, 2, 2], "coefficients": [10, 20, 1], "labels": [10, 20, 10]}
    save_file({each: torch.zeros(shape) for each, shape in code.items()}, path)
    manifest["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="that decodes to 686645 MiB"):
        load_artefact(path)
    refused(ratbench("picture", path), path.name)


def test_names_of_data_lead_nowhere(copied: Path, tmp_path: Path) -> None:
    """The fingerprint of a stranger's record is part of a file's name, where there are several data."""
    path = record_of(copied, "random_subset", Trial)
    twin = path.with_name(f"{path.stem}-0123456789abcdef.json")  # read first
    twin.write_bytes(path.read_bytes())
    change(path, data="z/../../../../o")
    before = {each for each in tmp_path.rglob("*") if "united" not in each.parts}
    said("merge", copied, "--output", tmp_path / "united")
    after = {each for each in tmp_path.rglob("*") if "united" not in each.parts}
    assert after == before and not (tmp_path / "united" / "o.json").exists()


def test_no_file_holds_a_secret_of_the_environment(finished: tuple[Path, Path, Result]) -> None:
    _, store, ran = finished
    assert ran.exit_code == 0 and SECRET not in ran.output
    files = [path for path in store.rglob("*") if path.is_file()]
    assert len(files) > 10 and not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_path_in_an_old_record_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for constant in ("METHOD", "EVALUATOR"):
        Path("stranger.py").write_text(f"import os\nos.mkdir('ran')\n{constant} = None\n")
        registry = commands._Registry()
        assert registry.method("stranger.py") == ("", "")
        assert registry.evaluator(str(tmp_path / "stranger.py")) == ("", ())
        assert not Path("ran").exists()
