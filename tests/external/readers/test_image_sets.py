"""Pictures: folders by class, Arrow and parquet files; labels follow the classes' names."""

import struct
import zlib
from pathlib import Path
from typing import Any

import datasets as huggingface  # type: ignore[import-untyped]
import numpy as np
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
    digits = torch.tensor([int(found.class_names[label]) for label in found.labels.tolist()])
    order = digits.argsort(stable=True)
    assert digits[order].tolist() == [label for label in range(10) for _ in range(2)]
    assert torch.equal(found.images[order], foreign_sets.pixels())


def test_the_names_of_folders_are_those_of_classes(tmp_path: Path) -> None:
    wanted = Wanted(2, 1, (3, 2, 4))
    found = contents(colours(tmp_path / "named", "сапог", "C++"), wanted)
    assert found.class_names == ("C++", "сапог") and found.labels is not None
    named = {found.class_names[label]: int(image[0, 0, 0]) for image, label in zip(*pair(found), strict=True)}
    assert named == {"сапог": 0, "C++": 1}
    assert found.images.shape == (2, 3, 2, 4) and set(found.images[:, 1].flatten().tolist()) == {100}


def pair(found: Contents) -> tuple[torch.Tensor, list[int]]:
    assert found.labels is not None
    return found.images, found.labels.tolist()


def test_another_number_of_folders_is_refused(tmp_path: Path) -> None:
    files = sorted(colours(tmp_path, "boot", "hat").glob("*/*.png"))
    with pytest.raises(Refused, match="the 2 folders boot, hat are not those of the task's 3 classes"):
        read_folder(files, Wanted(3, 1, (3, 2, 4)))


class TestColumns:
    """As data sets of the hub have them; the images are byte 0 and byte 1."""

    WANTED = Wanted(2, 1, (1, 8, 8))

    def written(self, folder: Path, features: dict[str, Any], **columns: list[Any]) -> Path:
        own = {name: features.get(name, huggingface.Image()) for name in columns}
        made = huggingface.Dataset.from_dict(columns, features=huggingface.Features(own))
        made.to_parquet(folder / "set.parquet")
        return folder / "set.parquet"

    def images(self) -> list[Image.Image]:
        return [Image.new("L", (8, 8), number) for number in range(2)]

    def test_cifars_names(self, tmp_path: Path) -> None:
        names = huggingface.ClassLabel(names=["b", "a"])
        features = {"fine_label": names, "coarse_label": huggingface.ClassLabel(names=["x"])}
        path = self.written(tmp_path, features, img=self.images(), fine_label=[1, 0], coarse_label=[0, 0])
        found = contents(path, self.WANTED)
        assert found.class_names == ("b", "a") and pair(found)[1] == [1, 0]
        assert found.notes == ("the columns 'img', 'fine_label' are read",)

    def test_any_name_of_the_only_one(self, tmp_path: Path) -> None:
        names = huggingface.ClassLabel(names=["b", "a"])
        path = self.written(tmp_path, {"kind": names}, picture=self.images(), kind=[1, 0])
        assert pair(contents(path, self.WANTED))[1] == [1, 0]

    def test_names_as_labels(self, tmp_path: Path) -> None:
        features = {"label": huggingface.Value("string")}
        found = contents(self.written(tmp_path, features, image=self.images(), label=["b", "a"]), self.WANTED)
        assert found.class_names == ("a", "b") and pair(found)[1] == [1, 0]

    def test_classes_beside_learned_targets(self, tmp_path: Path) -> None:
        target = huggingface.List(huggingface.Value("float32"))
        features = {"label": huggingface.Value("int64"), "target": target}
        learned = [[0.25, 0.75], [0.5, 0.5]]
        columns: dict[str, list[Any]] = {"image": self.images(), "label": [0, 1], "target": learned}
        found = contents(self.written(tmp_path, features, **columns), self.WANTED)
        assert found.labels is not None and found.labels.tolist() == learned
        assert found.classes is not None and found.classes.tolist() == [0, 1]

    def test_two_kinds_of_classes_are_refused(self, tmp_path: Path) -> None:
        features = {name: huggingface.Value("int64") for name in ("label", "fine_label")}
        path = self.written(tmp_path, features, image=self.images(), label=[0, 1], fine_label=[0, 1])
        with pytest.raises(Refused, match="has the labels 'label', 'fine_label'; leave the ones that count"):
            contents(path, self.WANTED)

    def test_what_is_there_is_said(self, tmp_path: Path) -> None:
        features = {"caption": huggingface.Value("string")}
        path = self.written(tmp_path, features, image=self.images(), caption=["", ""])
        with pytest.raises(Refused, match="lacks the column 'label'; it has 'image', 'caption'"):
            contents(path, self.WANTED)


def test_a_picture_is_opened_only_in_the_tasks_size(tmp_path: Path) -> None:
    folder = colours(tmp_path, "0", "1")
    with pytest.raises(Refused, match=r"a\.png is 4×2 pixels, the task's images are 8×8"):
        contents(folder, Wanted(2, 1, (3, 8, 8)))
    with pytest.raises(Refused, match=r"a\.png is of mode RGB, the task's images have 1 channels"):
        contents(folder, Wanted(2, 1, (1, 2, 4)))
    with pytest.raises(Refused, match="the set has 2 images; 2 classes of 2 make 4"):
        contents(folder, Wanted(2, 2, (3, 2, 4)))


def picture(folder: Path, image: Image.Image, name: str = "a.png", **options: Any) -> Path:
    (folder / "0").mkdir()
    image.save(folder / "0" / name, **options)
    return folder


def deep_colours(folder: Path) -> Path:
    """Write an RGB picture with 16 bits per channel, which Pillow cuts to 8."""
    scanlines = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    (folder / "0").mkdir()
    (folder / "0" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return folder


class TestPicturesThatDecodingWouldChange:
    def refusal(self, folder: Path, channels: int = 3) -> str:
        with pytest.raises(Refused) as caught:
            contents(folder, Wanted(1, 1, (channels, 2, 2)))
        return str(caught.value)

    @pytest.mark.parametrize(("mode", "name"), [("RGBA", "a.png"), ("LA", "a.png"), ("RGBA", "a.tiff")])
    def test_transparent_parts(self, mode: str, name: str, tmp_path: Path) -> None:
        clear = Image.new("RGBA", (2, 2), (9, 9, 9, 128)).convert(mode)
        assert f"{name} has transparent pixels" in self.refusal(
            picture(tmp_path, clear, name), 1 if mode == "LA" else 3
        )

    def test_a_transparent_colour(self, tmp_path: Path) -> None:
        made = picture(tmp_path, Image.new("RGB", (2, 2), (1, 2, 3)), transparency=(1, 2, 3))
        assert "has transparent pixels" in self.refusal(made)

    def test_16_bits(self, tmp_path: Path) -> None:
        assert "more than 8 bits per channel" in self.refusal(deep_colours(tmp_path))

    @pytest.mark.parametrize(("mode", "name"), [("I;16", "a.png"), ("I;16", "a.tiff"), ("F", "a.tiff")])
    def test_16_bits_of_grey(self, mode: str, name: str, tmp_path: Path) -> None:
        made = picture(tmp_path, Image.new(mode, (2, 2)), name)
        assert "more than 8 bits per channel" in self.refusal(made, 1)

    def test_16_bits_of_ppm(self, tmp_path: Path) -> None:
        (tmp_path / "0").mkdir()
        (tmp_path / "0" / "a.ppm").write_bytes(b"P6 2 2 65535\n" + bytes(24))
        assert "more than 8 bits per channel" in self.refusal(tmp_path)

    @pytest.mark.parametrize("name", ["a.gif", "a.tiff", "a.webp", "a.png"])
    def test_several_pages(self, name: str, tmp_path: Path) -> None:
        first, second = (Image.new("RGB", (2, 2), colour) for colour in ("red", "blue"))
        made = picture(tmp_path, first, name, save_all=True, append_images=[second])
        assert f"{name} holds 2 pictures; keep one of them" in self.refusal(made)

    def test_an_orientation_is_applied_and_said(self, tmp_path: Path) -> None:
        exif, image = Image.Exif(), Image.new("RGB", (2, 2))
        exif[0x0112] = 6
        image.putpixel((0, 0), (255, 0, 0))
        found = contents(picture(tmp_path, image, "a.png", exif=exif), Wanted(1, 1, (3, 2, 2)))
        assert found.images[0, 0].tolist() == [[0, 255], [0, 0]]
        assert found.notes == ("1 image turned upright by EXIF orientation (a.png)",)

    def test_opaque_ones_are_read(self, tmp_path: Path) -> None:
        made = picture(tmp_path, Image.new("RGBA", (2, 2), (1, 2, 3, 255)))
        assert contents(made, Wanted(1, 1, (3, 2, 2))).images.flatten(1)[0, ::4].tolist() == [1, 2, 3]


def test_damage_of_any_kind_is_one_sentence_with_the_name(tmp_path: Path) -> None:
    """Pillow raises SyntaxError, ValueError, TypeError, struct.error and others for damaged files."""
    picture(tmp_path, Image.effect_noise((8, 8), 50))
    whole, rng = (tmp_path / "0" / "a.png").read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(whole)
        for place in rng.integers(8, len(whole), 3):
            broken[place] = rng.integers(256)
        (tmp_path / "0" / "a.png").write_bytes(broken)
        try:
            contents(tmp_path, Wanted(1, 1, (1, 8, 8)))
        except Refused as error:
            refused += 1
            assert str(error).startswith("a.png ")
    assert refused > 100
