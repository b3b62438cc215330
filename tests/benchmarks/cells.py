"""Measures what `ratbench run` takes for cells that take no time, in one row and in as many rows as sets.

    python -m tests.benchmarks.cells 100 1000 10000 --output results/measurements/cells-cpu.json
    python -m tests.benchmarks.cells --plot --output results/measurements/cells-cpu.json

Half of the cells are trials, the others their evaluations. Of each run the start is left out, which is
measured with two cells. Seconds of the processor are those of the command and of what it waits for: of a run
on Ray, those of the driver.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from suite.board.render import style
from tests.benchmarks import timing
from tests.support import trivial_grids
from tests.support.usage import measured

FORMS = {"inline": ("--inline",), "ray": ()}
LIMITS = {"inline": 20.0, "ray": 150.0}
"""The most milliseconds for a cell."""
ROWS: dict[str, Callable[[int], int]] = {
    "one row": lambda cells: 1,
    "a row for each set": lambda cells: cells // 2,
}


def run(cells: int, form: str, rows: str) -> dict[str, dict[str, float]]:
    """Return what a dry run, a run, and a run with nothing to do take."""
    with tempfile.TemporaryDirectory() as folder:
        grid = trivial_grids.write(Path(folder), cells, rows=ROWS[rows](cells), evaluated=True)
        words = ["run", str(grid), "--store", str(Path(folder) / "store")]
        return {
            "dry run": measured([*words, "--dry-run"]),
            "run": measured([*words, *FORMS[form]]),
            "nothing to do": measured([*words, *FORMS[form]]),
        }


def milliseconds(found: dict[str, Any], form: str, rows: str, cells: int, what: str = "seconds") -> float:
    """Return the milliseconds for a cell of a run, without the start."""
    start, whole = (found[f"{form}, {rows}"][str(each)]["run"][what] for each in (2, cells))
    return 1000 * float(whole - start) / (cells - 2)


def plot(found: dict[str, Any], target: Path) -> None:
    """Draw milliseconds for a cell against the number of cells."""
    sizes = sorted(int(each) for each in next(iter(found["runs"].values())) if each != "2")

    def fill(figure: Figure) -> None:
        for axes, form in zip(figure.subplots(1, 2), FORMS, strict=True):
            for at, (rows, what) in enumerate(product(ROWS, ("seconds", "processor_seconds"))):
                values = [milliseconds(found["runs"], form, rows, cells, what) for cells in sizes]
                clock = "by the clock" if what == "seconds" else "of the processor"
                colour, marker = style.look(at)
                axes.plot(sizes, values, color=colour, marker=marker, label=f"{rows}, {clock}")
            axes.axhline(LIMITS[form], color="0.5", linestyle=":", label=f"the limit, {LIMITS[form]:g} ms")
            style.ticks(axes, sizes)
            axes.set_ylim(bottom=0)
            axes.set_xlabel("cells")
            axes.set_ylabel("milliseconds for a cell")
            axes.set_title({"inline": "--inline", "ray": "Ray, two processes"}[form])
            axes.legend(frameon=False, fontsize=7)

    device = found["provenance"]["device"].removeprefix("CPU: ")
    title = f"A run of cells that take no time: two cores of {device}"
    told = f"n = 1 run of {', '.join(map(str, sizes))} cells each; half are trials, half their evaluations; "
    told += f"without the start; {found['load']}"
    target.write_bytes(style.png(fill, width=9, height=3.2, title=title, subtitle=told))


def main() -> None:
    """Measure runs of so many cells, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", type=int)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--load", default="nothing else ran", help="what else ran on the machine")
    parser.add_argument("--plot", action="store_true")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    if not given.plot:
        runs: dict[str, dict[int, object]] = {}
        for form, rows, cells in product(given.forms, ROWS, (2, *given.cells)):
            runs.setdefault(f"{form}, {rows}", {})[cells] = run(cells, form, rows)
            timing.write(given.output, timing.device(2), {"load": given.load, "runs": runs})
    plot(json.loads(given.output.read_text()), given.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
