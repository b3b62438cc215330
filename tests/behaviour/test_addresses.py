"""A set's address stands wherever a set is taken; what is made of it has a readable name."""

import json
from pathlib import Path

import pytest
import torch

import suite
from suite.records.cells import Trial
from tests.support.command_line import ratbench, refused
from tests.support.stores import record_of

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def path(copied: Path) -> Path:
    return copied / "artefacts" / f"{record_of(copied, 'rat_bptt', Trial).stem}.safetensors"


@pytest.fixture
def address(copied: Path) -> str:
    return f"{copied}:rat_bptt/ipc1/seed0"


def test_every_address_that_is_listed_is_understood(copied: Path) -> None:
    listed = json.loads(ratbench("list", "artefacts", copied, "--format", "json").stdout)
    assert len(listed) == 2
    for each in listed:
        assert torch.equal(suite.load_set(each["address"]).images, suite.load_set(each["path"]).images)


def test_a_picture(address: str, path: Path) -> None:
    result = ratbench("picture", address)
    name = f"rat_bptt-ipc1-seed0-{path.stem[:8]}.png"
    assert result.exit_code == 0 and result.stdout == f"wrote {name}\n" and Path(name).is_file()
    assert not path.with_suffix(".png").exists()


def test_an_export(address: str, path: Path) -> None:
    assert ratbench("export", address, "--format", "pt").exit_code == 0
    folder = Path(f"rat_bptt-ipc1-seed0-{path.stem[:8]}-pt")
    images = torch.load(folder / "images_best.pt", weights_only=True)
    assert torch.equal(images, suite.load_set(address).flat()[0])


def test_a_subset(address: str, path: Path) -> None:
    assert ratbench("subset", address, "--ipc", "1").exit_code == 0
    name = f"rat_bptt-ipc1-seed0-{path.stem[:8]}-ipc1.safetensors"
    assert torch.equal(suite.load_set(name).images, suite.load_set(address).images)
    refused(ratbench("subset", address, "--ipc", "1"), f"{name} or its manifest exists")


def test_an_evaluation(copied: Path, read_here: None) -> None:
    address = f"{copied}:random_subset/ipc1/seed0"
    words = ("--task", "digits", "--ipc", "1", "--recipe", "dc-300", "--network", "mlp-w32", "--copies", "1")
    result = ratbench("evaluate", address, *words, "--cpu")
    assert result.exit_code == 0, result.output
    (stored,) = json.loads(ratbench("list", "artefacts", "runs/external", "--format", "json").stdout)
    name = f"random_subset-ipc1-seed0-{record_of(copied, 'random_subset', Trial).stem[:8]}"
    assert stored["address"] == f"runs/external:digits/external:{name}/ipc1/seed0"
    assert torch.equal(suite.load_set(stored["address"]).images, suite.load_set(address).images)


def test_a_wrong_one_is_refused_everywhere(copied: Path) -> None:
    wrong = f"{copied}:rat_bpt/ipc1/seed0"
    for words in (
        ("picture", wrong),
        ("export", wrong, "--format", "pt"),
        ("subset", wrong, "--ipc", "1"),
        ("evaluate", wrong, "--task", "digits", "--ipc", "1", "--cpu"),
    ):
        refused(ratbench(*words), f"no set at {wrong}: did you mean 'rat_bptt'?")
    with pytest.raises(ValueError, match="did you mean 'rat_bptt'"):
        suite.load_set(wrong)


def test_list_says_what_takes_a_store(copied: Path, tmp_path: Path) -> None:
    refused(ratbench("list", "methods", copied), "list methods takes neither a store nor --format")
    refused(ratbench("list", "methods", "--format", "csv"), "they are for `list artefacts`")
    refused(ratbench("list", "artefacts", tmp_path / "none"), "does not exist")
    assert f"{copied}:digits/rat_bptt/ipc1/seed0" in ratbench("list", "artefacts", copied).stdout


def test_a_submission(copied: Path, read_here: None) -> None:
    address = f"{copied}:random_subset/ipc1/seed0"
    facts = ("--paper", "https://a.org/p", "--code", "https://a.org/c", "--signed-off-by", "Ada <ada@a.org>")
    words = ("--task", "digits", "--ipc", "1", "--method", "mine", "--claim", "70", "--cpu")
    result = ratbench("submit", address, *words, *facts)
    assert result.exit_code == 0, result.output
    packed = suite.load_set("results/submissions/mine/set.safetensors")
    assert torch.equal(packed.images, suite.load_set(address).images)
