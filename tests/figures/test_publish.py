"""A board with the pictures of its sets, from a finished store."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import Result

from suite.figures.pictures import stretched
from suite.figures.publish import plot_artefact, publish, title

NORMALISED = {"kind": "normalise", "mean": [0.5], "std": [0.25]}


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "pictures").rglob("*.png")}


def test_a_title_has_the_size_of_a_part() -> None:
    facts = {"label": "dm", "trial": {"task": "digits", "ipc": 50, "seed": 1}}
    assert title(facts, 10) == "dm, digits, the first 10 of 50 images per class, seed 1"
    assert title({**facts, "part": {"ipc": 1}}, 10) == "dm, digits, 1 image per class, seed 1"


def test_a_title_tells_what_was_stretched() -> None:
    given, (faint, told) = {"label": "dm"}, stretched(torch.rand(2, 1, 1, 8, 8) / 10, NORMALISED)
    assert title(given, 10, told) == f"dm. {told.partition(';')[0]}" and "black is 0.50" in told
    assert faint.max() == 1 and title(given, 10, stretched(torch.zeros(2, 1, 1, 8, 8), NORMALISED)[1]) == "dm"


def test_a_board_has_its_plots_and_pictures(finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
    written = publish([finished[1]], tmp_path / "board.md")
    assert written[0] == tmp_path / "board.md" and all(path.is_file() for path in written)
    assert set(pictures(tmp_path)) == {"random_subset-ipc1-seed0.png", "rat_bptt-ipc1-seed0.png"}
    text = (tmp_path / "board.md").read_text()
    assert all(f"{name})" in text for name in pictures(tmp_path))
    assert list((tmp_path / "plots").glob("*.png")) == [] or "](plots/" in text


def test_a_picture_that_exists_stays(finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
    mine = tmp_path / "pictures" / "digits" / "rat_bptt-ipc1-seed0.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    publish([finished[1]], tmp_path / "board.md")
    assert mine.read_bytes() == b"mine" and len(pictures(tmp_path)) == 2


def test_a_set_of_another_trial_is_not_drawn(finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
    store = Path(shutil.copytree(finished[1], tmp_path / "store"))
    shutil.rmtree(store / "pictures")
    one, two = (path.stem for path in sorted((store / "artefacts").glob("*.safetensors")))
    for ending in ("safetensors", "json"):
        paths = [store / "artefacts" / f"{name}.{ending}" for name in (one, two)]
        contents = [path.read_bytes() for path in paths]
        for path, content in zip(paths, reversed(contents), strict=True):
            path.write_bytes(content)
    with pytest.warns(UserWarning, match="holds the set of another trial; it is not drawn"):
        publish([store], tmp_path / "board.md")
    assert not pictures(tmp_path)


@pytest.mark.parametrize("format", ["csv", "json"])
def test_other_formats_are_one_file(format: str, finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
    target = tmp_path / f"board.{format}"
    assert publish([finished[1]], target, format) == [target]  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [target.name]
    assert pictures(tmp_path) == {}


def test_a_picture_shows_every_image_once(finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
    artefact = next((finished[1] / "artefacts").glob("*.safetensors"))
    plot_artefact(artefact, tmp_path / "set.png", columns=1)
    with Image.open(tmp_path / "set.png") as image:
        assert image.format == "PNG" and min(image.size) >= 8
    with pytest.raises(ValueError, match="cannot be read"):
        plot_artefact(tmp_path / "none.safetensors", tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
