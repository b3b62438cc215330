"""Pictures: folders by class, Arrow and parquet files; labels follow the classes' names."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from suite.external.locate import locate
from suite.external.readers.image_sets import READERS, read_folder
from suite.external.validate import Contents, Refused, Wanted
from tests.support import foreign_sets
from tests.support.foreign_sets import BYTES, WANTED


def contents(path: Path, wanted: Wanted = WANTED) -> Contents:
    found = locate(path)
    return READERS[found.kind](found.content, wanted)


def colours(folder: Path, *names: str) -> Path:
    """Write a picture of one colour, the folder's number, for each class."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (4, 2), (number, 100, 200)).save(folder / name / "a.png")
    return folder


@pytest.mark.parametrize("make", BYTES, ids=lambda made: made.__name__)
def test_every_kind_gives_the_same_bytes(make: object, tmp_path: Path) -> None:
    assert callable(make)
    found = contents(make(tmp_path))
    assert found.images.dtype == torch.uint8 and found.labels is not None
    order = found.labels.argsort(stable=True)
    assert found.labels[order].tolist() == [label for label in range(10) for _ in range(2)]
    assert torch.equal(found.images[order], foreign_sets.pixels())


def test_folders_are_named_as_the_classes_or_numbered(tmp_path: Path) -> None:
    wanted = Wanted(2, 1, (3, 2, 4), ("Ankle boot", "T-shirt/top"))
    named = contents(colours(tmp_path / "named", "t-shirt_top", "ankle boot"), wanted)
    assert {int(image[0, 0, 0]): label for image, label in zip(*pair(named), strict=True)} == {0: 1, 1: 0}
    numbered = contents(colours(tmp_path / "numbered", "0", "1"), wanted)
    assert {int(image[0, 0, 0]): label for image, label in zip(*pair(numbered), strict=True)} == {0: 0, 1: 1}
    assert numbered.images.shape == (2, 3, 2, 4) and set(numbered.images[:, 1].flatten().tolist()) == {100}


def pair(found: Contents) -> tuple[torch.Tensor, list[int]]:
    assert found.labels is not None
    return found.images, found.labels.tolist()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    wanted = Wanted(2, 1, (3, 2, 4), ("boot", "shirt"))
    files = sorted(colours(tmp_path, "boot", "hat").glob("*/*.png"))
    with pytest.raises(Refused, match="the 2 folders boot, hat are not those of the task's 2 classes"):
        read_folder(files, wanted)


def test_a_picture_is_opened_only_in_the_tasks_size(tmp_path: Path) -> None:
    folder = colours(tmp_path, "0", "1")
    with pytest.raises(Refused, match=r"a\.png is 4×2 pixels, the task's images are 8×8"):
        contents(folder, Wanted(2, 1, (3, 8, 8)))
    with pytest.raises(Refused, match=r"a\.png is of mode RGB, the task's images have 1 channels"):
        contents(folder, Wanted(2, 1, (1, 2, 4)))
    with pytest.raises(Refused, match="the set has 2 images; 2 classes of 2 make 4"):
        contents(folder, Wanted(2, 2, (3, 2, 4)))
