"""Pictures of every format that is read: what is changed is noted, what would be lost is refused."""

import os
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from suite.core.data.found import Notes
from suite.core.data.reading.decoding import Decoding, Undecodable, decode, decode_all, survey
from suite.core.data.reading.readers import in_memory
from tests.support.published_files import random_pixels
from tests.support.raw_pictures import deep_png, encoded, png, tiff

COLOUR, ROOM = Decoding(3), partial(in_memory, "train")
WHITE, BLACK, TEAL = (255, 255, 255), (0, 0, 0), (0, 128, 200)


def read(content: bytes, how: Decoding = COLOUR) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the pixels (height, width, channels) of a picture, and the notes on it."""
    notes = Notes()
    pixels = decode(BytesIO(content), "a.png", how, notes)
    return pixels.permute(1, 2, 0).numpy(), notes.lines()


def refusal(content: bytes, how: Decoding = COLOUR) -> str:
    with pytest.raises(Undecodable) as caught:
        read(content, how)
    text = str(caught.value)
    assert text.startswith("a.png ") and "\n" not in text
    return text


def picture(*shape: int) -> Image.Image:
    return Image.fromarray(random_pixels(*(shape or (6, 5, 3))))


# Without a loss


@pytest.mark.parametrize(
    ("format", "how"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("DIB", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("PPM", {}),
    ],
)
def test_bytes_of_formats_without_loss_are_kept(format: str, how: dict[str, Any]) -> None:
    image = picture()
    pixels, notes = read(encoded(image, format, **how))
    assert np.array_equal(pixels, np.array(image)) and not notes


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(random_pixels(6, 5) > 128)
    pixels, notes = read(encoded(image, "PNG"), Decoding(1))
    assert np.array_equal(pixels[..., 0], np.array(image) * 255) and not notes
    assert read(encoded(image, "PPM"), Decoding(1))[0].max() == 255


def test_a_palette_gives_its_colours() -> None:
    image = picture().quantize(8)
    for format in ("PNG", "GIF", "BMP"):
        pixels, notes = read(encoded(image, format))
        assert np.array_equal(pixels, np.array(image.convert("RGB"))) and not notes


# Transparency


def blended(image: Image.Image, background: tuple[int, int, int]) -> NDArray[np.float64]:
    layers = np.array(image.convert("RGBA")).astype(float)
    share = layers[..., 3:] / 255
    return layers[..., :3] * share + np.array(background) * (1 - share)


def with_palette() -> Image.Image:
    return picture().quantize(8)


TRANSPARENT = {
    "RGBA": encoded(picture(6, 5, 4), "PNG"),
    "LA": encoded(picture(6, 5, 2), "PNG"),
    "WebP": encoded(picture(6, 5, 4), "WEBP", lossless=True, exact=True),
    "TIFF": encoded(picture(6, 5, 4), "TIFF"),
    "a colour": encoded(Image.new("RGB", (5, 6), (9, 8, 7)), "PNG", transparency=(9, 8, 7)),
    "a grey": encoded(Image.new("L", (5, 6), 9), "PNG", transparency=9),
    "a palette's colour": encoded(with_palette(), "PNG", transparency=3),
    "a palette of shades": encoded(with_palette(), "PNG", transparency=bytes(range(0, 240, 30))),
    "GIF": encoded(with_palette(), "GIF", transparency=3),
    "premultiplied": tiff(
        np.minimum(random_pixels(6, 5, 4), np.array([99, 99, 99, 255], np.uint8)).clip(0, 99),
        photometric=2,
        extra=1,
    ),
}


@pytest.mark.parametrize("content", TRANSPARENT.values(), ids=TRANSPARENT)
def test_transparent_pixels_are_laid_on_the_background(content: bytes) -> None:
    assert "transparent pixels; append ?background=white" in refusal(content)
    assert "transparent pixels" in refusal(content, Decoding(1))
    image = Image.open(BytesIO(content))
    for background in (WHITE, BLACK, TEAL):
        pixels, notes = read(content, Decoding(3, background=background))
        # One of 255 for rounding; two where Pillow divides premultiplied colours.
        assert np.abs(pixels - blended(image, background)).max() <= 2
        laid = f"1 image with transparent pixels laid on #{bytes(background).hex()} (a.png)"
        assert laid in notes


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_grey_of_few_bits_is_transparent(depth: int) -> None:
    """Every sample in turn; Pillow compares the stored sample with scaled pixels."""
    most = 2**depth - 1
    for sample in {0, 1, most // 2, most}:
        rows = bytes([0, sample << 8 - depth])
        content = png(1, 1, depth=depth, kind=0, rows=rows, clear=sample.to_bytes(2, "big"))
        assert "transparent pixels" in refusal(content, Decoding(1))
        assert read(content, Decoding(1, None, (7, 7, 7)))[0].tolist() == [[[7]]]
        other = png(1, 1, depth=depth, kind=0, rows=rows, clear=(most - sample).to_bytes(2, "big"))
        assert read(other, Decoding(1))[0].tolist() == [[[sample * 255 // most]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_opaque_pictures_need_no_background(mode: str) -> None:
    opaque = picture().convert("L" if mode == "LA" else "RGB")
    if mode == "P":
        opaque = opaque.quantize(8)
        content = encoded(opaque, "PNG", transparency=bytes([255] * 8))
    else:
        content = encoded(opaque.convert(mode), "PNG")
    pixels, notes = read(content)
    assert np.array_equal(pixels, np.array(opaque.convert("RGB")))
    assert not any("transparent" in note for note in notes)


def test_grey_stays_grey_on_a_grey_background_alone() -> None:
    grey = encoded(picture(6, 5, 2), "PNG")
    for background, channels in ((WHITE, 1), (TEAL, 3)):
        how = Decoding(3, background=background)
        assert survey([(BytesIO(grey), "a.png")], how) == (channels, 6, 5)
        assert not any(
            "turned to grey" in note for note in read(grey, Decoding(channels, background=background))[1]
        )


# Orientation


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}
"""By the value of the tag in EXIF: from the stored pixels to the upright ones."""


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_pictures_are_turned_upright(format: str, orientation: int) -> None:
    image, exif = picture(6, 5, 3), Image.Exif()
    exif[0x0112] = orientation
    how = {"lossless": True} if format == "WEBP" else {}
    content = encoded(image, format, exif=exif, **how)
    stored = np.array(Image.open(BytesIO(encoded(image, format, **how))))
    expected = UPRIGHT[orientation](stored)
    pixels, notes = read(content)
    assert np.array_equal(pixels, expected)
    assert notes == (("1 image turned upright by EXIF orientation (a.png)",) if orientation > 1 else ())
    assert survey([(BytesIO(content), "a.png")], COLOUR) == (3, *expected.shape[:2])


def test_damaged_exif_data_are_noted() -> None:
    pixels, notes = read(encoded(picture(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"))
    assert pixels.shape == (6, 5, 3)
    assert notes in ((), ("1 image with damaged EXIF data, taken as upright (a.png)",))


# More bits, more channels, more pictures


DEEP = {
    "grey PNG": deep_png(random_pixels(4, 3, 1).astype(np.uint16) * 257, 0),
    "grey PNG with alpha": deep_png(random_pixels(4, 3, 2).astype(np.uint16) * 257, 4),
    "PNG": deep_png(random_pixels(4, 3, 3).astype(np.uint16) * 257, 2),
    "PNG with alpha": deep_png(random_pixels(4, 3, 4).astype(np.uint16) * 257, 6),
    "grey TIFF": encoded(Image.fromarray(random_pixels(4, 3).astype(np.uint16)), "TIFF"),
    "TIFF": tiff(random_pixels(4, 3, 3).astype(np.uint16), photometric=2),
    "TIFF of 32 bits": encoded(Image.fromarray(random_pixels(4, 3).astype(np.int32)), "TIFF"),
    "TIFF of fractions": encoded(Image.fromarray(random_pixels(4, 3).astype(np.float32)), "TIFF"),
    "PPM": b"P6 2 2 65535\n" + bytes(range(24)),
    "PPM of 10 bits": b"P6 2 2 1023\n" + bytes([1, 2] * 12),
    "PGM": b"P5 2 2 65535\n" + bytes(range(8)),
    "plain PPM": b"P3 1 1 300\n1 299 3\n",
    "PFM": b"Pf 1 1 -1.0\n" + bytes(4),
}


@pytest.mark.parametrize("content", DEEP.values(), ids=DEEP)
def test_more_than_eight_bits_are_refused(content: bytes) -> None:
    for channels in (1, 3):
        text = refusal(content, Decoding(channels, background=WHITE))
        assert "more than 8 bits per channel" in text and text.endswith("convert it to 8")


def test_fewer_than_eight_bits_are_stretched() -> None:
    assert read(b"P6 1 1 15\n\x0f\x00\x05")[0].tolist() == [[[255, 0, 85]]]


def test_channels_that_would_be_dropped_are_refused() -> None:
    four = tiff(random_pixels(4, 3, 4), photometric=2, extra=0)
    assert "has 4 channels, which are more than RGB" in refusal(four)
    signed = tiff(random_pixels(4, 3, 1).astype(np.int8), photometric=1)
    assert "holds signed or floating-point values" in refusal(signed)


def test_a_fourth_channel_that_may_be_transparency_is_refused() -> None:
    image = picture().convert("RGBA")
    pixels, _ = read(encoded(image, "BMP"))
    assert np.array_equal(pixels, np.array(image)[..., :3])
    image.putpixel((1, 2), (7, 8, 9, 0))
    for format in ("BMP", "DIB"):
        assert "has a fourth channel, which may be transparency" in refusal(encoded(image, format))


def test_colours_in_lab_are_refused() -> None:
    lab = ImageCms.applyTransform(
        picture(),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert lab is not None
    assert "has its colours in LAB; convert it to RGB" in refusal(encoded(lab, "TIFF"))


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_pictures_in_a_file_are_refused(format: str) -> None:
    content = encoded(picture(), format, save_all=True, append_images=[picture(), picture()])
    text = refusal(content)
    assert "holds 3 pictures; keep one of them" in text


def test_the_first_picture_of_mpo_is_read_and_noted() -> None:
    """As cameras write it, with a preview as a second picture."""
    first = picture(16, 16, 3)
    content = encoded(first, "MPO", save_all=True, append_images=[picture(16, 16, 3)])
    pixels, notes = read(content)
    assert np.array_equal(pixels, np.array(Image.open(BytesIO(encoded(first, "JPEG")))))
    assert "further pictures in one file (MPO)" in notes[0]


# Colours


def test_other_colours_are_converted_and_noted() -> None:
    image = picture().convert("CMYK")
    pixels, notes = read(encoded(image, "TIFF"))
    assert np.array_equal(pixels, np.array(image.convert("RGB")))
    assert notes == ("1 image in CMYK, converted to RGB (a.png)",)
    content = encoded(image, "JPEG")
    assert np.array_equal(read(content)[0], np.array(Image.open(BytesIO(content)).convert("RGB")))


def test_channels_that_are_added_or_joined_are_noted() -> None:
    grey, colour = picture(6, 5), picture()
    pixels, notes = read(encoded(grey, "PNG"))
    assert (pixels == np.array(grey)[..., None]).all()
    assert notes == ("1 image in grey, given three equal channels (a.png)",)
    pixels, notes = read(encoded(colour, "PNG"), Decoding(1))
    assert np.array_equal(pixels[..., 0], np.array(colour.convert("L")))
    assert notes == ("1 image in colour, turned to grey (a.png)",)


def test_colour_profiles_are_noted() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = picture()
    pixels, notes = read(encoded(image, "PNG", icc_profile=profile))
    assert np.array_equal(pixels, np.array(image))
    assert notes == ("1 image with a colour profile, which is not applied (a.png)",)
    for gamma, told in ((45455, ()), (100000, notes)):
        info = PngImagePlugin.PngInfo()
        info.add(b"gAMA", gamma.to_bytes(4, "big"))
        assert read(encoded(image, "PNG", pnginfo=info))[1] == told


# Sizes


def test_resized_pictures_are_noted_with_their_sizes() -> None:
    notes = Notes()
    contents = [encoded(picture(*shape, 3), "PNG") for shape in ((20, 30), (40, 16), (8, 8))]
    pictures = [(BytesIO(content), f"{index}.png") for index, content in enumerate(contents)]
    images = decode_all(pictures, 3, Decoding(3, size=8), notes, ROOM)
    assert images.shape == (3, 3, 8, 8)
    assert notes.lines() == (
        "2 images resized to 8×8: shorter side, bilinear; centre cut (of 16×20 to 30×40 pixels)",
    )


def test_a_survey_reads_headers_and_refuses_other_sizes() -> None:
    small, large = encoded(picture(6, 5, 3), "PNG"), encoded(picture(7, 5, 3), "JPEG")

    def pictures() -> list[tuple[Any, str]]:
        return [(BytesIO(small), "a.png"), (BytesIO(large), "b.jpg")]

    with pytest.raises(ValueError, match=r"a\.png is 5×6 and b\.jpg is 5×7: .* append \?size=32"):
        survey(pictures(), COLOUR)
    assert survey(pictures(), Decoding(3, size=4)) == (3, 4, 4)
    grey = (encoded(picture(6, 5), "PNG"), "c.png")
    counted = iter([(BytesIO(each), name) for each, name in (grey, (small, "a.png"), (b"", "d.png"))])
    assert survey(counted, Decoding(3, size=4)) == (3, 4, 4) and next(counted)[1] == "d.png"  # not read
    with pytest.raises(Undecodable, match=r"a\.png is 5×6 and b\.jpg is 5×7"):
        decode_all(pictures(), 2, COLOUR, Notes(), ROOM)


def test_a_line_cannot_be_cut_to_a_square() -> None:
    line = encoded(Image.new("L", (60_000, 1)), "PNG")
    assert "is 60000×1, too narrow to be cut to a square of 64" in refusal(line, Decoding(1, size=64))


# Damage


@pytest.mark.parametrize("content", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x00\x00\x00 ftypavif"])
def test_other_files_are_no_pictures(content: bytes) -> None:
    assert "cannot be read as an image: it is none of PNG, JPEG" in refusal(content)


def test_large_pictures_are_refused_before_they_are_decoded() -> None:
    content = png(16_000, 13_000, depth=8, kind=0, rows=b"")
    assert "has more than 178 megapixels" in refusal(content, Decoding(1, size=32))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    for name in ("pipe.png", "link.png", "absent.png"):
        with pytest.raises(Undecodable, match=rf"{name} cannot be read as an image: it is not a file"):
            decode(tmp_path / name, tmp_path / name, COLOUR, Notes())


def originals() -> dict[str, bytes]:
    image, exif = picture(9, 7, 3), Image.Exif()
    exif[0x0112] = 6
    wanted: list[tuple[str, dict[str, Any]]] = [
        *(("PNG", {}), ("PNG", {"exif": exif}), ("JPEG", {"exif": exif}), ("JPEG", {"progressive": True})),
        *(("BMP", {}), ("GIF", {}), ("PPM", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})),
        *(("WEBP", {}), ("WEBP", {"lossless": True, "exif": exif})),
    ]
    found = {f"{format} {' '.join(how)}": encoded(image, format, **how) for format, how in wanted}
    return found | {"palette": TRANSPARENT["a palette's colour"], "alpha": TRANSPARENT["RGBA"]}


ORIGINALS = originals()


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with some bytes changed, removed or added, or cut short."""
    changed = bytearray(content)
    kind = rng.integers(5)
    for _ in range(rng.integers(1, 4)):
        place, few = int(rng.integers(len(changed))), int(rng.integers(1, 6))
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[place] = int(rng.integers(256))
        elif kind == 2:
            del changed[place : place + few]
        elif kind == 3:
            changed[place:place] = rng.bytes(few)
        else:
            del changed[max(1, place) :]
    return bytes(changed)


@pytest.mark.parametrize("name", ORIGINALS)
def test_every_error_of_a_decoder_is_one_sentence_with_the_name(name: str) -> None:
    rng = np.random.default_rng(len(name))
    errors = 0
    for _ in range(80):
        content = mutated(ORIGINALS[name], rng)
        for action in (read, lambda content, how: survey([(BytesIO(content), "a.png")], how)):
            try:
                action(content, Decoding(3, size=8, background=BLACK))
            except Undecodable as error:
                errors += 1
                assert str(error).startswith("a.png ") and "\n" not in str(error)
    assert errors > 20


@pytest.mark.parametrize(
    "error", [SyntaxError, TypeError, OverflowError, MemoryError, AttributeError, KeyError]
)
def test_errors_of_any_kind_are_named(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "convert", fail)
    assert refusal(encoded(picture(), "PNG")) == f"a.png is damaged: {error.__name__}"


def test_damaged_pixels_of_a_png_are_refused() -> None:
    """Also where Pillow decodes it twice, to look for EXIF data behind the pixels."""
    image = picture(9, 7, 3)
    for place in range(60, 100):
        content = bytearray(encoded(image, "PNG"))
        content[place] ^= 1
        assert " is damaged: " in refusal(bytes(content))
    grey = encoded(Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) // 9 * 9), "PNG")
    for place in range(
        grey.index(b"IDAT") + 4, grey.index(b"IEND") - 4
    ):  # few of these make no sense to zlib
        content = bytearray(grey)
        content[place] ^= 1
        assert " is damaged: " in refusal(bytes(content))


NETPBM = {
    "P1": (b"P1 2 1\n0 1\n", [255, 0]),
    "P2": (b"P2 2 1 255 # P5 is another kind\n7 9\n", [7, 9]),
    "P3": (b"P3 2 1 255\n7 7 7 9 9 9\n", [7, 9]),
    "P4": (b"P4 2 1\n\x40", [255, 0]),
    "P5": (b"P5 2 1 255\nP5", [80, 53]),
    "P5 of other values": (b"P5 2 1 51\n\x01\x02", [5, 10]),
    "P6": (b"P6 2 1 255\nPPP555", [80, 53]),
}


@pytest.mark.parametrize("kind", NETPBM)
def test_several_netpbm_pictures_in_one_file_are_refused(kind: str) -> None:
    content, grey = NETPBM[kind]
    assert read(content)[0][..., 0].tolist() == [grey]
    assert read(content + b"\n")[0][..., 0].tolist() == [grey]
    for other, _ in NETPBM.values():
        assert refusal(content + other) == "a.png holds several pictures; keep one of them"
        assert "holds several pictures" in refusal(content + b"\n" + other)
