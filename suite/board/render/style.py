"""The style of all plots: colours, markers, size, axes; equal figures give equal bytes."""

import io
from collections.abc import Callable, Iterable

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
"""Colours of Okabe and Ito without yellow, which colour-blind readers can distinguish."""

MARKERS = "osD^vP*Xph"  # not as many as colours, so that pairs repeat late
BASELINE = ("0.55", ".")  # of random real images, in grey

_STYLE = {"font.size": 9, "axes.grid": True, "grid.color": "0.9"}
_STYLE |= {"axes.spines.top": False, "axes.spines.right": False}


def look(place: int) -> tuple[str, str]:
    """Return the colour and the marker of line number `place`."""
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def png(fill: Callable[[Figure], object], *, width: float, height: float, comment: str = "") -> bytes:
    """Return a figure drawn by `fill` as a PNG of `width` x `height` inches at 150 dpi."""
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        fill(figure)
        file = io.BytesIO()
        metadata = {"Software": None} | ({"Comment": comment} if comment else {})
        figure.savefig(file, format="png", metadata=metadata)
    return file.getvalue()


def ticks(axes: Axes, values: Iterable[int], *, base: float = 10) -> None:
    """Give `axes` a logarithmic x-axis with a tick at each value."""
    numbers = sorted(values)
    axes.set_xscale("log", base=base)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.minorticks_off()


def legend(axes: Axes) -> None:
    """Put the legend beside `axes`."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
