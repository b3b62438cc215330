"""`ratbench export` and `subset`; `evaluate` is tested in tests/external/test_evaluate.py."""

import json
from pathlib import Path

import pytest
import torch

import suite
from suite.core.data import tasks
from suite.core.sets.artefacts import save_set
from tests.support import foreign_sets
from tests.support.command_line import ratbench, refused

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    save_set(foreign_sets.digits(), tmp_path / "set.safetensors", tasks.load("digits"))
    return tmp_path / "set.safetensors"


def test_a_subset_is_the_first_images_of_each_class(artefact: Path) -> None:
    result = ratbench("subset", artefact, "--ipc", "1")
    target = artefact.with_name("set-ipc1.safetensors")
    assert result.exit_code == 0 and result.stdout == f"wrote {target}\n"
    assert torch.equal(suite.load_set(target).images, foreign_sets.digits().images[:, :1])
    refused(ratbench("subset", artefact, "--ipc", "1"), "set-ipc1.safetensors or its manifest exists")
    refused(ratbench("subset", artefact, "--ipc", "3", "--output", "b.safetensors"), "this set has 2")
    assert not Path("b.safetensors").exists()


def test_an_export_says_what_it_wrote(artefact: Path) -> None:
    result = ratbench("export", artefact, "--format", "pt", "--output", "made")
    assert result.exit_code == 0 and result.stdout.splitlines()[-1] == "wrote made"
    assert sorted(path.name for path in Path("made").glob("*.pt")) == ["images_best.pt", "labels_best.pt"]
    images = torch.load("made/images_best.pt", weights_only=True)
    assert torch.equal(images, foreign_sets.flat()[0])


def test_a_damaged_artefact_is_refused(artefact: Path) -> None:
    manifest = json.loads(artefact.with_suffix(".json").read_text())
    artefact.with_suffix(".json").write_text(json.dumps({**manifest, "sha256": "0" * 64}))
    for words in (
        ("subset", artefact, "--ipc", "1"),
        ("export", artefact, "--format", "pt", "--output", "a"),
    ):
        refused(ratbench(*words), "does not match the sha256 in its manifest")


def test_evaluate_refuses_before_it_reads() -> None:
    words = ("--task", "digits", "--ipc", "2", "--cpu")
    refused(ratbench("evaluate", "nothing.pt", *words), "no file or folder at nothing.pt")
    refused(ratbench("evaluate", "nothing.pt", *words, "--recipe", "dsa"), "dsa-1000")
    result = ratbench("evaluate", "nothing.pt", *words, "--cpus", "9999")
    refused(result, "9999 CPUs")
    assert result.stderr.endswith("; lower --cpus\n")
