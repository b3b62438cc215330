"""One look for all plots."""

import io

from PIL import Image

from suite.board.render import style


def test_equal_figures_are_equal_bytes_with_their_comment() -> None:
    first, second = (
        style.png(
            lambda figure: figure.add_subplot().plot([1, 2]), width=2, height=1, comment="what it shows"
        )
        for _ in range(2)
    )
    image = Image.open(io.BytesIO(first))
    assert first == second and image.size == (300, 150) and image.info["Comment"] == "what it shows"


def test_looks_come_back_late() -> None:
    looks = [style.look(place) for place in range(len(style.COLOURS) * len(style.MARKERS) // 2)]
    assert len(set(looks)) == len(looks) and style.BASELINE not in looks
