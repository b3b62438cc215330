"""The board of budgets: accuracy against images per class as a table and a picture.

Sets distilled at each size, prefixes of a boosted one, random subsets and real images. The paper's finding
that a set's images lean on each other shows as the gap between subsets and sets of the same size; where a
grid asks for sets without one of their images, those are there too.
"""

import io
from collections.abc import Iterator, Sequence

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.figures.budgets import PLACE, Line, lines, measured, reference

__all__ = ["measured", "plot", "summary"]

_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#8C564B")
_MARKERS = "osD^vP*X"


def summary(networks: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each curve: accuracies in %, area, largest gap to direct distillation, its cost.

    Each with a 95% interval. area: the mean accuracy over the logarithm of images per class; largest gap:
    in points, of the sizes that both have; distillation: device-seconds of covering all budgets.
    """
    sizes = sorted(networks["ipc"].unique())
    rows = []
    for key, own in networks.groupby(PLACE, sort=False):
        found = lines(own)
        direct = reference(found)
        place = dict(zip(PLACE, key, strict=True))
        rows += [{**place, **_told(line, direct, sizes)} for line in found]
    return pd.DataFrame(rows)


def plot(networks: pd.DataFrame) -> bytes:
    """Draw the curves with bands of 95% as a PNG, a panel for each place; points are draws."""
    places = list(networks.groupby(PLACE, sort=False))
    with matplotlib.style.context(["default", {"font.size": 9, "axes.grid": True, "grid.color": "0.9"}]):
        figure = Figure(figsize=(8, 4.5 * len(places)), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(places), 1, squeeze=False)[:, 0]
        for axes, (key, own) in zip(panels, places, strict=True):
            _panel(axes, own)
            axes.set_title(", ".join(map(str, key)), loc="left", fontsize=10)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def _told(line: Line, direct: Line | None, sizes: Sequence[int]) -> dict[str, str]:
    accuracies = {str(size): _spanned(line.accuracy(size)) if size in line.sizes else "" for size in sizes}
    area, gap = (line.area(direct.sizes), line.largest_gap(direct)) if direct else (None, None)
    return {
        "curve": line.name,
        **accuracies,
        "area": _spanned(area) if area else "",
        "largest gap": f"{_spanned(gap[1])} at {gap[0]}" if gap else "",
        "distillation": f"{line.device_seconds:.0f} s",
    }


def _spanned(value: Interval | Difference) -> str:
    mean, low, high = (f"{round(number, 6):.1f}" for number in (value.mean, value.low, value.high))
    return f"{mean} [{low}, {high}]" if value.low < value.high else mean


def _panel(axes: Axes, networks: pd.DataFrame) -> None:
    found, styles = lines(networks), iter(zip(_COLOURS, _MARKERS, strict=True))
    for line in found:
        colour, marker = ("0.55", ".") if line.real else next(styles, ("0.3", "x"))
        _curve(axes, line, colour, marker)
    sizes = sorted(networks["ipc"].unique())
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("images per class")
    axes.set_ylabel("accuracy, % (95% interval)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def _curve(axes: Axes, line: Line, colour: str, marker: str) -> None:
    values = [line.accuracy(size) for size in line.sizes]
    means = [value.mean for value in values]
    axes.plot(line.sizes, means, color=colour, marker=marker, markersize=5, label=line.name)
    low, high = [value.low for value in values], [value.high for value in values]
    axes.fill_between(line.sizes, low, high, color=colour, alpha=0.15, linewidth=0)
    points = list(_draws(line))
    if points:
        sizes, accuracies = zip(*points, strict=True)
        axes.scatter(sizes, accuracies, color=colour, s=6, alpha=0.5, linewidths=0)
    if len(line.sizes) == 1:
        axes.vlines(line.sizes, low, high, color=colour, linewidth=1)


def _draws(line: Line) -> Iterator[tuple[int, float]]:
    """Yield the size and accuracy of each draw of a set of which there are several."""
    if line.how in ("random", "without"):
        for size in line.sizes:
            for copies in line.scored(size).values():
                yield from ((size, value) for value in copies.values if copies.networks < 0)
