"""One look for all plots."""

import io

import pytest
from matplotlib.figure import Figure
from PIL import Image

from suite.board.render import style


def figure(title: str = "One line", subtitle: str = "of two points") -> tuple[bytes, Image.Image]:
    def fill(made: Figure) -> None:
        made.add_subplot().plot([1, 2])

    text = style.png(fill, width=3, height=1, title=title, subtitle=subtitle, comment="what it shows")
    return text, Image.open(io.BytesIO(text))


def test_equal_figures_are_equal_bytes_with_their_comment() -> None:
    first, image = figure()
    assert first == figure()[0] and image.info["Comment"] == "what it shows" and image.width == 450


def test_a_long_title_takes_more_lines_above_the_same_figure() -> None:
    short, long = figure()[1], figure(subtitle="of two points " * 10)[1]
    assert long.height > short.height and long.width == short.width
    below = (0, -140, 450, 0)
    crops = [each.convert("L").crop((0, each.height + below[1], 450, each.height)) for each in (short, long)]
    differences = sum(abs(a - b) > 64 for a, b in zip(*(crop.tobytes() for crop in crops), strict=True))
    assert differences < 0.02 * len(crops[0].tobytes())


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("rat_bptt", "rat_bptt"),
        ("_hidden", "\u200a_hidden"),
        ("$x^$", r"\$x^\$"),
        ("two\nlines\x00", r"two lines\x00"),
        ("猫", r"\u732b"),
        ("שלום", r"\u05e9\u05dc\u05d5\u05dd"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_any_text_is_drawn_as_it_is(text: str, drawn: str, recwarn: pytest.WarningsRecorder) -> None:
    assert style.plain(text) == drawn
    figure(text, text)
    assert not recwarn.list


def test_looks_come_back_late() -> None:
    looks = [style.look(place) for place in range(len(style.COLOURS) * len(style.MARKERS) // 2)]
    assert len(set(looks)) == len(looks) and style.BASELINE not in looks
