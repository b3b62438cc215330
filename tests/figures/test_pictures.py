"""Pictures: layout by pixels, one and three channels, equal bytes, errors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from suite.core.data import tasks
from suite.figures.pictures import plot_samples, plot_set, stretched

NORMALISED = {"kind": "normalise", "mean": [0.5], "std": [0.25]}


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_class_is_a_row_and_nearest_neighbour_keeps_pixels(tmp_path: Path) -> None:
    images = torch.zeros(2, 3, 3, 8, 8)
    images[0, 0, 0] = 1  # the first of class 0 is red
    images[1, 2, 2, 0, 0] = 1  # the third of class 1 has one blue pixel in its corner
    plot_set(images, ["zero", "one"], tmp_path / "made" / "set.png", side=16)
    pixels = _pixels(tmp_path / "made" / "set.png")
    assert pixels.shape[0] == 2 * 16 + 2
    left = pixels.shape[1] - 3 * 18
    assert (pixels[:16, left : left + 16] == [255, 0, 0]).all()
    corner = pixels[18:34, left + 36 : left + 52]
    assert (corner[:2, :2] == [0, 0, 255]).all()
    assert (corner.reshape(-1, 3).sum(axis=0) == [0, 0, 4 * 255]).all()
    assert (pixels[:16, left + 16 : left + 18] == 255).all()  # the gap


def test_names_stand_at_the_left(tmp_path: Path) -> None:
    plot_set(torch.ones(2, 1, 1, 28, 28), ["Ankle boot", ""], tmp_path / "a.png")
    pixels = _pixels(tmp_path / "a.png")
    assert pixels[:56].min() < 100
    assert pixels[58:].min() == 255  # a row without a name and with a white image


def test_one_channel_is_grey_and_columns_are_cut(tmp_path: Path) -> None:
    images = torch.full((2, 30, 1, 8, 8), 0.5)
    plot_set(images, ["a", "b"], tmp_path / "ten.png")
    plot_set(images, ["a", "b"], tmp_path / "four.png", columns=4)
    ten, four = _pixels(tmp_path / "ten.png"), _pixels(tmp_path / "four.png")
    assert ten.shape[1] - four.shape[1] == 6 * (64 + 2)
    assert (ten[10, -10] == 128).all()


def test_equal_sets_give_equal_bytes(tmp_path: Path) -> None:
    images = torch.rand(3, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for name in ("a.png", "b.png"):
        plot_set(images, ["x", "y", "z"], tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_values_outside_the_range_of_real_images_are_stretched_and_it_is_said() -> None:
    images = torch.linspace(-6, 4, 101).repeat(10).view(1, 1, 1, 10, 101)  # -1 to 1.5 in pixels
    pixels, told = stretched(images, NORMALISED)
    assert pixels.min() == 0 and pixels.max() == 1
    assert pixels[0, 0, 0, 0, 50].item() == pytest.approx(0.5, abs=0.01)  # the middle stays in the middle
    assert told == "Contrast is stretched: black is −1.00 and white 1.50; real images lie from 0 to 1."


def test_faint_images_are_stretched_and_flat_ones_are_not() -> None:
    faint = torch.linspace(-0.2, 0.2, 1000).view(1, 1, 1, 10, 100)
    pixels, told = stretched(faint, NORMALISED)
    assert pixels.max() == 1 and told.startswith("Contrast is stretched: black is 0.45 and white 0.55;")
    flat, told = stretched(torch.zeros(1, 1, 1, 4, 4), NORMALISED)
    assert torch.equal(flat, torch.full_like(flat, 0.5)) and "stretched" not in told


def test_real_images_are_not_stretched() -> None:
    images = torch.linspace(-2, 2, 100).view(1, 1, 1, 10, 10)
    pixels, told = stretched(images, NORMALISED)
    assert (
        torch.allclose(pixels, images * 0.25 + 0.5)
        and told == "Brightness and contrast are those of real images."
    )


@pytest.mark.parametrize(
    ("images", "names", "columns", "message"),
    [
        (torch.zeros(2, 3, 8, 8), ["a", "b"], 10, r"\(2, 3, 8, 8\) must be"),
        (torch.zeros(2, 1, 2, 8, 8), ["a", "b"], 10, "1 or 3 channels"),
        (torch.zeros(2, 1, 1, 8, 8), ["a"], 10, "1 class names for 2 classes"),
        (torch.zeros(2, 1, 1, 8, 8), ["a", "b"], 0, "columns 0"),
        (torch.full((1, 1, 1, 8, 8), -2.0), ["a"], 10, "invert the preprocessing"),
        (torch.full((1, 1, 1, 8, 8), float("nan")), ["a"], 10, "invert the preprocessing"),
    ],
)
def test_what_is_no_picture_is_refused(
    images: torch.Tensor, names: list[str], columns: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        plot_set(images, names, tmp_path / "x.png", columns=columns)
    assert not (tmp_path / "x.png").exists()


def _names(path: Path, names: list[str]) -> NDArray[np.uint8]:
    """Return the pixels of a picture of white images, where only names are dark."""
    plot_set(torch.ones(len(names), 1, 1, 8, 8), names, path)
    return _pixels(path)


@pytest.mark.parametrize("name", ["猫", "ネコ", "고양이", "ไก่", "नमस्ते", "שלום", "قط", "🐈", "a\nb", "猫 cat"])
def test_a_name_that_the_font_lacks_is_the_number_of_its_class(name: str, tmp_path: Path) -> None:
    """It was drawn as boxes."""
    written = _names(tmp_path / "a.png", ["cat", name])
    assert np.array_equal(written, _names(tmp_path / "b.png", ["cat", "1"]))


@pytest.mark.parametrize("name", ["Hündchen", "кошка", "γάτα", "mèo", "C++", "#1"])
def test_latin_greek_and_cyrillic_names_are_written(name: str, tmp_path: Path) -> None:
    written = _names(tmp_path / "a.png", ["cat", name])
    assert (
        written.shape != (other := _names(tmp_path / "b.png", ["cat", "1"])).shape or (written != other).any()
    )
    # Letters differ from each other, as boxes do not.
    assert written.shape[1] > 0 and not np.array_equal(
        written, _names(tmp_path / "c.png", ["cat", name[::-1]])
    )


def test_long_names_are_cut(tmp_path: Path) -> None:
    long, cut = (_names(tmp_path / f"{len(name)}.png", [name, "b"]) for name in ("x" * 300, "x" * 39 + "…"))
    assert np.array_equal(long, cut)


def test_classes_go_on_at_the_right_after_some_rows(tmp_path: Path) -> None:
    images = torch.linspace(0, 1, 5)[:, None, None, None, None].expand(5, 1, 1, 8, 8)
    plot_set(images, list("abcde"), tmp_path / "a.png", side=8, rows=2)
    pixels = _pixels(tmp_path / "a.png")
    assert pixels.shape[0] == 2 * 10 - 2 and pixels.shape[1] % 3 == 0
    ends = [
        pixels[row * 10 + 4, (block + 1) * pixels.shape[1] // 3 - 4, 0]
        for block in range(3)
        for row in (0, 1)
    ]
    assert ends == [0, 64, 128, 191, 255, 255], "the sixth place is empty"


def test_samples_are_the_first_image_of_each_class(tmp_path: Path) -> None:
    digits = tasks.load("digits")
    plot_samples(digits, tmp_path / "samples.png")
    pixels = _pixels(tmp_path / "samples.png")
    assert pixels.shape[0] == 10 * 66 - 2
    first = digits.train.images[int((digits.train.labels == 3).nonzero()[0])]
    expected = (digits.preprocessing.invert(first[None])[0, 0] * 255).round()
    drawn = pixels[3 * 66 : 3 * 66 + 64, -66:-2, 0]
    assert np.array_equal(drawn[::8, ::8], expected.numpy().astype(np.uint8))


def test_a_title_stands_above_and_moves_nothing_else(tmp_path: Path) -> None:
    images = torch.rand(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    plot_set(images, ["a", "b"], tmp_path / "without.png")
    for name, title in (("short", "dm"), ("long", "dm of $x$ on 猫\n" + "many words " * 9)):
        plot_set(images, ["a", "b"], tmp_path / f"{name}.png", title=title)
        without, titled = _pixels(tmp_path / "without.png"), _pixels(tmp_path / f"{name}.png")
        height, width = without.shape[:2]
        assert np.array_equal(titled[-height:, :width], without)
        assert (titled[:-height] < 128).any() and titled.shape[1] >= width
