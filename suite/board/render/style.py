"""The style of all plots: titles, colours, markers, size, axes; equal figures give equal bytes."""

import io
import textwrap
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
"""Colours of Okabe and Ito without yellow, which colour-blind readers can distinguish."""

MARKERS = "osD^vP*Xph"  # not as many as colours, so that pairs repeat late
BASELINE = ("0.55", ".")  # of random real images, in grey

_STYLE = {"font.size": 9, "axes.grid": True, "grid.color": "0.9"}
_STYLE |= {"axes.spines.top": False, "axes.spines.right": False}
_TITLE, _SUBTITLE = 11, 9  # points
_LETTERS = 80  # of a text; the rest is cut


def look(place: int) -> tuple[str, str]:
    """Return the colour and the marker of line number `place`."""
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def png(
    fill: Callable[[Figure], object],
    *,
    width: float,
    height: float,
    title: str,
    subtitle: str,
    comment: str = "",
) -> bytes:
    """Return a figure drawn by `fill`, below its title, as a PNG at 150 dpi.

    width, height: in inches, without the title; subtitle: the facts that the figure does not show, and what
    its bars are.
    """
    lines = [
        *((line, _TITLE, "bold", "0") for line in _wrapped(title, width, 1.15 * _TITLE)),
        *((line, _SUBTITLE, "normal", "0.35") for line in _wrapped(subtitle, width, _SUBTITLE)),
    ]
    spaces = [1.4 * points / 72 for _, points, _, _ in lines]
    total = height + sum(spaces) + 0.1
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, total), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        fill(figure)
        if engine := figure.get_layout_engine():
            engine.set(rect=(0, 0, 1, (height - 0.05) / total))  # type: ignore[call-arg]
        top = total - 0.08
        for (line, points, weight, colour), space in zip(lines, spaces, strict=True):
            figure.text(0.08 / width, top / total, line, size=points, weight=weight, color=colour, va="top")
            top -= space
        file = io.BytesIO()
        metadata = {"Software": None} | ({"Comment": comment} if comment else {})
        figure.savefig(file, format="png", metadata=metadata)
    return file.getvalue()


def plain(text: str, letters: int = _LETTERS) -> str:
    """Return any text as matplotlib can draw it, and draws it as it is.

    Characters without a form in the font, and those of scripts from right to left, which need shaping, are
    escaped. letters: the rest is cut.
    """
    line = " ".join(text.split())
    line = line if len(line) <= letters else f"{line[: letters - 1]}…"
    shown = "".join(each if each in drawable() else ascii(each)[1:-1] for each in line)
    hidden = "\u200a" * shown.startswith("_")  # a legend leaves out names that begin with it
    return hidden + shown.replace("$", r"\$")  # no formulas


def font_file() -> str:
    """Return the path of DejaVu, which comes with Matplotlib and has Latin, Greek and Cyrillic letters."""
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def drawable() -> frozenset[str]:
    """Return the letters of the font, except those of scripts from right to left, which need shaping."""
    known = map(chr, FT2Font(font_file()).get_charmap())
    return frozenset(each for each in known if unicodedata.bidirectional(each) not in ("R", "AL"))


def ticks(axes: Axes, values: Iterable[int], *, base: float = 10) -> None:
    """Give `axes` a logarithmic x-axis with a tick at each value."""
    numbers = sorted(values)
    axes.set_xscale("log", base=base)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()


def legend(axes: Axes) -> None:
    """Put the legend beside `axes`."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def _wrapped(text: str, width: float, points: float) -> list[str]:
    """Return the lines of a text that fit `width` inches: a letter is about half as wide as it is high."""
    return textwrap.wrap(plain(text, letters=1000), int((width - 0.2) * 72 / (0.56 * points)))
