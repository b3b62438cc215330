"""Image folders and Tiny-ImageNet's layout, written small."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image

from suite.core.data.reading.image_files import IMAGENET_SUBSETS, chosen_classes
from suite.core.data.tasks import DataMissing, describe, fingerprint, load
from tests.support.published_files import bytes_read, random_pixels, shrink

pytestmark = pytest.mark.usefixtures("no_network")


# Image folders


def _save(path: Path, *, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    Image.fromarray(random_pixels(*shape)).save(path)


def _write_folder(folder: Path, **how: Any) -> None:
    for split, count in (("train", 3), ("test", 2)):
        for name in ("ant", "bee"):
            for index in range(count):
                _save(folder / split / name / f"{index}.png", **how)


def test_a_folder_of_images(tmp_path: Path) -> None:
    _write_folder(tmp_path / "insects")
    (tmp_path / "insects/train/ant/notes.txt").write_text("not an image")
    name = f"folder:{tmp_path / 'insects'}"
    task = load(name, data=tmp_path / "data")
    assert task.name == name and task.class_names == ("ant", "bee")
    assert task.train.images.shape == (6, 3, 8, 8) and task.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    expected = np.array(Image.open(tmp_path / "insects/train/bee/1.png")).transpose(2, 0, 1)
    # Normalisation is fitted here, and undone to within float32.
    assert np.array_equal(bytes_read(task)[4].numpy(), expected)
    info = describe(name)
    assert (info.classes, info.shape, info.train, info.test) == (2, (3, 8, 8), 6, 4)


def test_a_folder_says_whether_images_may_be_mirrored(tmp_path: Path) -> None:
    _write_folder(tmp_path / "insects")
    name = f"folder:{tmp_path / 'insects'}"
    assert (
        load(name, data=tmp_path).train.mirrored and load(f"{name}?mirror=yes", data=tmp_path).train.mirrored
    )
    for written in (f"{name}?mirror=no", f"{name}?size=4&mirror=no"):
        task = load(written, data=tmp_path)
        assert not task.train.mirrored and not task.test.mirrored and not describe(written).mirrored
    with pytest.raises(ValueError, match="mirror 'maybe' must be yes or no"):
        load(f"{name}?mirror=maybe", data=tmp_path)


def test_grey_images_keep_one_channel_unless_one_has_colour(tmp_path: Path) -> None:
    _write_folder(tmp_path / "grey", mode="L")
    assert load(f"folder:{tmp_path / 'grey'}", data=tmp_path).train.shape == (1, 8, 8)
    _save(tmp_path / "grey/test/bee/9.png")
    assert load(f"folder:{tmp_path / 'grey'}", data=tmp_path).train.shape == (3, 8, 8)


def test_size_resizes_the_shorter_side_and_cuts_the_centre(tmp_path: Path) -> None:
    _write_folder(tmp_path / "wide", size=(24, 12))
    array = np.zeros((12, 24, 3), dtype=np.uint8)
    array[:, 6:18] = 200  # the central square
    array[0, 12] = 201
    Image.fromarray(array).save(tmp_path / "wide/train/ant/0.png")
    task = load(f"folder:{tmp_path / 'wide'}?size=12", data=tmp_path)
    assert task.train.shape == (3, 12, 12)
    assert torch.unique(bytes_read(task)[0]).tolist() == [200, 201]
    assert load(f"folder:{tmp_path / 'wide'}?size=4", data=tmp_path).train.shape == (3, 4, 4)


def test_some_classes_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("ant", "bee", "cat", "dog"):
            _save(tmp_path / "x" / split / name / "0.png")
    name = f"folder:{tmp_path / 'x'}"
    every, some = load(name, data=tmp_path), load(f"{name}?classes=3,0", data=tmp_path)
    assert some.class_names == ("dog", "ant") and some.train.labels.tolist() == [1, 0]
    assert bytes_read(some).equal(bytes_read(every)[[0, 3]]) and len(some.test) == 2
    assert fingerprint(some) != fingerprint(load(f"{name}?classes=0,3", data=tmp_path))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("1,4", "must be two labels or more from 0 to 3, all different"),
        ("1", "must be two labels or more"),
        ("1,1", "must be two labels or more"),
        ("ant,bee", "must be labels, such as 3,1,7, or one of imagenette, imagewoof, imagefruit"),
        ("imagefruit", "imagefruit is a subset of ImageNet's 1000 classes; these are 4"),
    ],
)
def test_wrong_classes_are_refused(classes: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        chosen_classes("folder:x", classes, 4)


def test_subsets_of_imagenet_have_ten_classes() -> None:
    subsets = [chosen_classes("hf:x", name, 1000) for name in IMAGENET_SUBSETS]
    assert len(subsets) == 6 and all(len(set(labels)) == 10 for labels in subsets)
    assert chosen_classes("hf:x", "imagemeow", 1000)[:3] == (281, 282, 283)  # tabby, tiger cat, Persian cat


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "insects"
    name = f"folder:{folder}"
    _write_folder(folder)
    _save(folder / "train/bee/big.png", size=(9, 7))
    with pytest.raises(ValueError, match=r"ant/0\.png is 8×8 and .*big\.png is 9×7.*\?size=32"):
        load(name, data=tmp_path)
    (folder / "train/bee/big.png").unlink()
    (folder / "train/wasp").mkdir()
    with pytest.raises(ValueError, match=r"class folder .*wasp has no image"):
        load(name, data=tmp_path)
    _save(folder / "train/wasp/0.png")
    with pytest.raises(ValueError, match="class 'wasp' is only in train"):
        load(name, data=tmp_path)
    (folder / "test/wasp").mkdir()
    (folder / "test/wasp/0.png").write_bytes(b"\x89PNG rubbish")
    with pytest.raises(ValueError, match=r"test/wasp/0\.png cannot be read"):
        load(name, data=tmp_path)
    with pytest.raises(ValueError, match="unknown option 'sise'; known: size"):
        load(f"{name}?sise=3", data=tmp_path)
    with pytest.raises(ValueError, match="size 'big' must be a whole number"):
        load(f"{name}?size=big", data=tmp_path)
    for colour in ("snow white", "#ffffff80", "rgba(255, 255, 255, 255)"):
        wrong = re.escape(f"background {colour!r} must be an opaque colour: white, black, #rrggbb")
        with pytest.raises(ValueError, match=wrong):
            load(f"{name}?background={quote(colour)}", data=tmp_path)
    with pytest.raises(DataMissing, match="needs a folder train/"):
        load(f"folder:{tmp_path / 'absent'}", data=tmp_path)


def test_pictures_of_several_kinds_are_told(tmp_path: Path) -> None:
    """Drawn in the alpha channel alone, as icons are: without a background they were all black."""
    _write_folder(tmp_path / "icons", mode="L")
    for index, split in enumerate(("train", "test")):
        shape = np.zeros((8, 8, 4), dtype=np.uint8)
        shape[2:5, index : index + 3, 3] = 255
        Image.fromarray(shape).save(tmp_path / f"icons/{split}/bee/0.png")
    name = f"folder:{tmp_path / 'icons'}"
    with pytest.raises(
        ValueError, match=r"train/bee/0\.png has transparent pixels; append \?background=white"
    ):
        load(name, data=tmp_path)
    task = load(f"{name}?background=white", data=tmp_path)
    drawn = bytes_read(task)[3]
    assert drawn[:, 2:5, :3].max() == 0 and (drawn == 0).sum() == 3 * 9 and drawn.max() == 255
    assert task.found.notes == [
        f"8 images in grey, given three equal channels (the first is {tmp_path}/icons/train/ant/0.png)",
        f"2 images with transparent pixels laid on #ffffff (the first is {tmp_path}/icons/train/bee/0.png)",
    ]
    teal = load(f"{name}?background=#008080&size=4", data=tmp_path)
    assert teal.train.shape == (3, 4, 4) and fingerprint(teal) != fingerprint(task)
    assert any("laid on #008080" in note for note in teal.found.notes)
    assert load(f"{name}?background=white", data=tmp_path).found == task.found, "from the cache, too"


def test_tiny_imagenet_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, "tiny-imagenet", train=4, test=2, classes=2)
    root = tmp_path / "tiny-imagenet-200"
    wnids = ["n02", "n01"]  # The published list is not sorted; labels follow the sorted ids.
    for wnid in wnids:
        for index in range(2):
            _save(root / f"train/{wnid}/images/{wnid}_{index}.JPEG", size=(64, 64))
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("")
    _save(root / "val/images/val_0.JPEG", size=(64, 64), mode="L")
    _save(root / "val/images/val_1.JPEG", size=(64, 64))
    _save(root / "test/images/test_0.JPEG", size=(64, 64))
    (root / "val/val_annotations.txt").write_text(
        "val_0.JPEG\tn02\t0\t0\t9\t9\nval_1.JPEG\tn01\t0\t0\t9\t9\n"
    )
    (root / "wnids.txt").write_text("\n".join(wnids))
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tfire salamander\nn03\tnewt\n")
    task = load("tiny-imagenet", data=tmp_path)
    assert task.class_names == ("goldfish", "fire salamander")
    assert task.train.images.shape == (4, 3, 64, 64)
    assert task.test.labels.tolist() == [0, 1]
    grey = task.preprocessing.invert(task.test.images)[1]
    assert grey[0].allclose(grey[2], atol=1e-5)


def test_labelled_val_is_taken_where_test_has_no_classes(tmp_path: Path) -> None:
    _write_folder(tmp_path / "set")
    (tmp_path / "set/test").rename(tmp_path / "set/val")
    _save(tmp_path / "set/test/images/0.png")
    assert len(load(f"folder:{tmp_path / 'set'}", data=tmp_path).test) == 4
