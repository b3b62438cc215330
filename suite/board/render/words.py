"""Values as text: headings, file names, percentages, times, bytes."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from suite.board.rows import CLAIMED, NOT_STANDARD, BoardRow
from suite.board.statistics.differences import Difference
from suite.board.statistics.intervals import Interval
from suite.board.tables import Table
from suite.core.names import counted
from suite.core.scores import Unit
from suite.records.cells import STANDARD_RECIPE

EXTERNAL_NOTE = "read from a file; not distilled here"
"""The footnote of an external set."""

STANDING_NOTES = {
    "claimed": "claimed by its authors and not verified; not ranked",
    "verified": "handed in and verified: distilled elsewhere, networks retrained here with new random seeds",
}
"""The footnotes of submissions, by their standing."""

DIGITS = 6
"""Significant digits to which values are rounded first, because later digits differ between machines."""

_LONGEST = 60  # characters of a text in a file's name


def heading(table: Table) -> str:
    """Return the task, the network and the conditions of `table`."""
    parts = (table.task, network(table.network), table.conditions)
    return ", ".join(part for part in parts if part)


def measured(table: Table) -> str:
    """Return under what a table was measured: `Network mlp-w8, recipe dsa-1000`, and its conditions."""
    parts = (f"Network {network(table.network)}", f"recipe {STANDARD_RECIPE}", table.conditions)
    return ", ".join(filter(None, parts))


def network(name: str) -> str:
    """Return the network's name, marked if it is smaller than the standard one; "" means none yet."""
    if match := re.fullmatch(r"convnet-d(\d+)-w(\d+)-\w+", name):
        depth, width = (int(number) for number in match.groups())
        return name + " (reduced network)" * (depth < 3 or width < 128)
    return name or "not evaluated yet"


def slug(table: Table) -> str:
    """Return the file name, without suffix, of the plot of `table`."""
    place = "-".join(filter(None, (table.task, table.network, table.conditions)))
    return f"{slugged(place)}-ipc{table.ipc}"


def slugged(text: str) -> str:
    """Return a short name for files, that of no other text, also where case is ignored; never `..`."""
    plain = re.sub(r"[^a-z0-9_.]+", "-", text.casefold()).strip("-.")[:_LONGEST]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return plain if plain == text != "" else f"{plain}-{digest}".lstrip("-")


def picture(task: str, row: BoardRow, seed: int) -> str:
    """Return the path, relative to the Markdown, of the picture of a row's set."""
    return f"pictures/{slugged(task)}/{slugged(row.name)}-ipc{row.size}-seed{seed}.png"


def drawn(table: Table, row: BoardRow, folder: Path | None) -> list[tuple[int, str]]:
    """Return the seed and the path of each picture of a row's sets that is in `folder`."""
    return _present([(seed, picture(table.task, row, seed)) for seed, _ in row.pictures], folder)


def kept(row: BoardRow, folder: Path | None) -> list[tuple[int, str]]:
    """Return the seed and the path of each of a row's sets that is in `folder`, a store."""
    return _present([(seed, f"artefacts/{trial}.safetensors") for seed, trial in row.pictures], folder)


def rank(row: BoardRow) -> str:
    """Return the rank, "" for none."""
    return f"{row.rank}" if row.rank is not None else ""


def behind(row: BoardRow) -> str:
    """Return the gap to the compared row, `3.8 [1.5, 6.6]` points; "" for none."""
    return spanned(row.behind, 100) if row.behind else ""


def spanned(value: Interval | Difference, factor: float = 1, digits: int = 1) -> str:
    """Return `81.2 [80.4, 82.0]`, or only the mean if nothing varied."""
    mean, low, high = (_number(number, factor, digits) for number in (value.mean, value.low, value.high))
    varied = value.measured if isinstance(value, Interval) else value.low < value.high
    return f"{mean} [{low}, {high}]" if varied else mean


def percent(value: Interval) -> str:
    """Return a fraction in percent, `81.2 [80.4, 82.0]`."""
    return spanned(value, 100)


def score(value: Interval, unit: Unit) -> str:
    """Return a score as text, in its unit."""
    if unit == "seconds":
        return duration(value.mean)
    if unit == "number":
        ends = f" [{value.low:.4g}, {value.high:.4g}]" if value.measured else ""
        return f"{value.mean:.4g}{ends}"
    return spanned(value, 1, 3) if unit == "fraction" else spanned(value, 100)


def accuracy(row: BoardRow) -> str:
    """Return the accuracy under the standard recipe, the row's state, or both.

    A row without the standard recipe shows its accuracy under its first other recipe.
    """
    if row.state == NOT_STANDARD:
        return _first(row)
    if row.state == CLAIMED and not row.accuracy:
        return f"{_first(row)} {row.state}"
    if row.state and row.accuracy:
        return f"{percent(row.accuracy)} {row.state}"
    return row.state or (percent(row.accuracy) if row.accuracy else "")


def _first(row: BoardRow) -> str:
    recipe, found = next(iter(row.scores.items()))
    return f"{percent(found)} ({recipe})"


def origin(row: BoardRow) -> str:
    """Return where a row's set is from; "" if it was distilled here."""
    return STANDING_NOTES.get(row.standing) or (EXTERNAL_NOTE if row.external else "")


def signed(row: BoardRow) -> str:
    """Return who signed all records of a row; "" for nobody."""
    return f"signed by {', '.join(row.signers)}" if row.signers else ""


def native(row: BoardRow) -> str:
    """Return the accuracy under the native recipe; `same` if that is the standard recipe and was measured."""
    if not row.native:
        return ""
    if row.native == STANDARD_RECIPE and row.accuracy:
        return "same"
    found = row.scores.get(row.native)
    return f"{percent(found)} ({row.native})" if found else f"– ({row.native})"


def settings(row: BoardRow) -> str:
    """Return the row's hyper-parameters, `steps 150, window 10`."""
    values = json.loads(row.hyperparameters)
    return ", ".join(f"{name} {_plain(value)}" for name, value in values.items() if value is not None)


def share(row: BoardRow) -> str:
    """Return the share of the full-data accuracy; "" if that was not measured."""
    return f"{_rounded(100 * row.share):.1f}%" if row.share is not None else ""


def under(row: BoardRow, recipe: str) -> str:
    """Return the accuracy under `recipe`, with the recipes that `chosen` selected: `81.2 (dc-300)`."""
    selected = row.selected_recipes.get(recipe, ())
    return percent(row.scores[recipe]) + f" ({', '.join(selected)})" * bool(selected)


def count(row: BoardRow) -> str:
    """Return sets × networks, `2 × 3`; for full data the networks; "" without an accuracy."""
    if row.accuracy is None:
        return ""
    if row.submission and row.standing == CLAIMED:
        return f"1 × {row.submission.claim.copies}"
    return sample_size(row.accuracy) if row.method else _copies(row.accuracy)


def sample_size(value: Interval) -> str:
    """Return sets × networks, `2 × 3`."""
    return f"{value.seeds} × {_copies(value)}"


def cost(row: BoardRow) -> str:
    """Return the device time; "" if nothing is finished, or for an external set."""
    if row.external:
        return ""
    return duration(row.costs.device_seconds) if row.scores or row.costs.device_seconds else ""


def tuned(row: BoardRow) -> str:
    """Return how many tries chose its settings, and what they cost; "" if they were given."""
    if row.tuned is None:
        return ""
    spent, tries = row.tuned.device_seconds, "1 try" if row.tuned.tries == 1 else f"{row.tuned.tries} tries"
    return tries if spent is None else f"{tries}, {duration(spent)}"


def duration(seconds: float) -> str:
    """Return `seconds` in a fitting unit."""
    if seconds < 1:
        return "< 1 s"
    for limit, divisor, unit in ((100, 1, "s"), (6000, 60, "min"), (360_000, 3600, "h")):
        if seconds < limit:
            return f"{_rounded(seconds / divisor):.{0 if unit == 's' else 1}f} {unit}"
    return f"{_rounded(seconds / 86400):.1f} d"


def memory(count: int) -> str:
    """Return `count` bytes in decimal units; "" for 0, which means not measured."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.{0 if unit == 'B' else 1}f} {unit}" if count else ""
        size /= 1000
    return f"{size:.1f} TB"


def stored(set_bytes: int, teacher_bytes: int) -> str:
    """Return the bytes of a set, and of the teachers beside it: `1.2 MB + 31.0 kB`."""
    return " + ".join(filter(None, [memory(set_bytes), memory(teacher_bytes)]))


def taught(row: BoardRow) -> str:
    """Return what the teachers' bytes are; "" without a teacher."""
    if not row.costs.teacher_bytes:
        return ""
    return f"plus {memory(row.costs.teacher_bytes)} of teachers, which label every augmented batch"


def size(ipc: int) -> str:
    """Return `10 images per class`."""
    return f"{counted(ipc, 'image')} per class"


def decoded(row: BoardRow) -> str:
    """Return to what a factorised set decodes; "" if that is its own number of images."""
    count = row.costs.decoded
    return f"decodes to {size(count)}" if count not in (0, row.ipc) else ""


def address(paper: str) -> str:
    """Return the address of a publication on arXiv or the web; "" if its text names none."""
    if number := re.fullmatch(r"arXiv ([\w.-]+(?:/\d+)?)", paper, re.ASCII):
        return f"https://arxiv.org/abs/{number[1]}"
    return paper if re.fullmatch(r"https?://[\w.~:/?#@+,;=%&-]+", paper, re.ASCII) else ""


def bits(count: float | None) -> str:
    """Return a number of bits in decimal units; "" if it is not known."""
    if count is None:
        return ""
    for unit in ("bit", "kbit", "Mbit"):
        if count < 1000:
            return f"{_rounded(count):.{0 if unit == 'bit' else 1}f} {unit}"
        count /= 1000
    return f"{_rounded(count):.1f} Gbit"


def _present(paths: Sequence[tuple[int, str]], folder: Path | None) -> list[tuple[int, str]]:
    return [(seed, path) for seed, path in paths if folder and (folder / path).is_file()]


def _copies(value: Interval) -> str:
    low, high = min(value.copies), max(value.copies)
    return f"{low}" if low == high else f"{low}–{high}"


def _number(number: float, factor: float, digits: int) -> str:
    return f"{round(_rounded(factor * number), digits) + 0.0:.{digits}f}".replace("-", "−")


def _rounded(value: float) -> float:
    return round(value, DIGITS)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
