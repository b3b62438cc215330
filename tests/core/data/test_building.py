"""Tasks that are too large for memory as floats are kept as bytes, with the same values."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suite.core.data import cache
from suite.core.data.stored_images import StoredImages
from suite.core.data.tasks import fingerprint, load
from tests.support.hugging_face import write_pets
from tests.support.published_files import random_pixels

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    for split, count in (("train", 700), ("test", 3)):
        for name in ("ant", "bee"):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(random_pixels(6, 6, 3)).save(folder / f"{index:03}.png")
    return f"folder:{tmp_path / 'pictures'}"


def test_a_large_task_has_the_values_and_the_fingerprint_of_a_small_one(
    pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small = load(pictures, data=tmp_path / "small")
    monkeypatch.setattr(cache, "LARGE", 10**5)
    with caplog.at_level(logging.INFO):
        large = load(pictures, data=tmp_path / "large")
    assert "reading its files, which is done once" in caplog.text
    assert isinstance(large.train.images, StoredImages) and isinstance(large.test.images, StoredImages)
    assert large.train.images[:].equal(small.train.images) and large.train.labels.equal(small.train.labels)
    assert large.test.images[:].equal(small.test.images) and fingerprint(large) == fingerprint(small)
    assert large.found == small.found and large.preprocessing == small.preprocessing
    sizes = [next((tmp_path / name / ".ratbench").glob("*.safetensors")) for name in ("small", "large")]
    small_file, large_file = (path.stat().st_size for path in sizes)
    images = 1406 * 6 * 6 * 3
    assert small_file - large_file == pytest.approx(3 * images, abs=200)
    held = large.holdout()
    assert held.train.images[:5].equal(small.holdout().train.images[:5])
    assert fingerprint(held) == fingerprint(small.holdout())


def test_parquet_is_decoded_into_the_entry_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, labels in (("train", [0, 1, 1, 0]), ("test", [1, 0])):
        write_pets(tmp_path / f"pets/{split}.parquet", labels)
    name = f"hf:{tmp_path / 'pets'}"
    small = load(name, data=tmp_path / "small")
    monkeypatch.setattr(cache, "LARGE", 0)
    large = load(name, data=tmp_path / "large")
    assert large.train.images[:].equal(small.train.images) and fingerprint(large) == fingerprint(small)


def test_damage_leaves_no_entry(pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LARGE", 0)
    path = tmp_path / "pictures/test/bee/002.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(ValueError, match=r"002\.png is damaged"):
        load(pictures, data=tmp_path)
    assert not list((tmp_path / ".ratbench").glob("*.safetensors"))
    path.write_bytes(whole)
    pixels = np.array(Image.open(path)).transpose(2, 0, 1)
    task = load(pictures, data=tmp_path)
    assert (task.preprocessing.invert(task.test.images[5]) * 255).round().equal(torch.tensor(pixels).float())


def test_the_room_that_a_task_takes_is_told_before_it_is_read(
    pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Floats of 1406 images of 1000×1000 pixels."""
    monkeypatch.setattr(cache, "LARGE", 2**60)
    monkeypatch.setattr("os.posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with caplog.at_level(logging.INFO), pytest.raises(OSError, match="No space left"):
        load(f"{pictures}?size=1000", data=tmp_path)
    assert f"which is done once and takes 16.9 GB in {tmp_path / '.ratbench'}" in caplog.text
