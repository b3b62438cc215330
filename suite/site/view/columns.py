"""Columns of a site's tables, and cells."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "choice", "rank", "number", "percent", "seconds", "bytes", "bits"]
"""How a column sorts and which units its filter knows; `choice`: of few values, chosen from a list."""

Value = str | int | float | None


@dataclass(frozen=True)
class Column:
    """A column. key: in permalinks, unique in a table; fields: the names of its values in downloads.

    help: one sentence; per_device: a cost that compares within one class of devices only; shown: at first.
    """

    key: str
    heading: str
    help: str
    kind: Kind = "text"
    fields: tuple[str, ...] = ()
    per_device: bool = False
    shown: bool = True

    @property
    def left(self) -> bool:
        """Whether its cells are text, and aligned left."""
        return self.kind in ("text", "choice")


@dataclass(frozen=True)
class Cell:
    """A cell. values: by the column's fields, the first sorts; none if they are the text itself."""

    text: str = ""
    values: tuple[Value, ...] = ()


RANK = Column("rank", "rank", "Rank by accuracy in the whole table; = if it is shared.", "rank", ("rank",))
METHOD = Column("method", "method", "The method's name in its paper, and its name here.", "text", ("name",))
COPIES = Column("n", "n", "Sets (distillation seeds) × networks.", "number", ("seeds", "copies"))
STATE = Column(
    "state", "state", "What an incomplete row lacks; it has no rank.", "choice", ("state",), shown=False
)
AGAINST_RANDOM = Column(
    "against_random",
    "against random subsets",
    "The scores in which a row is shown to be better than random subsets of real images.",
)
NOTES = Column("notes", "notes", "Errors and remarks.", "text", ("notes",))

_BEFORE = (
    RANK,
    METHOD,
    Column(
        "accuracy",
        "accuracy %",
        "Mean test accuracy under the standard recipe, with its 95% interval over sets and networks.",
        "percent",
        ("accuracy", "accuracy_low", "accuracy_high"),
    ),
    Column(
        "behind",
        "behind",
        "Points behind the best row of the same rank, or of the rank above, with their paired 95% interval.",
        "percent",
        ("behind", "behind_low", "behind_high"),
    ),
    COPIES,
    Column(
        "native",
        "native %",
        "Accuracy under the recipe of the method's paper.",
        "percent",
        ("native", "native_low", "native_high", "native_recipe"),
        shown=False,
    ),
    Column(
        "share", "of full data", "Accuracy divided by that of full data.", "percent", ("share",), shown=False
    ),
    Column(
        "reported",
        "printed %",
        "Accuracy printed in a paper for this network, under the paper's recipe; not ranked.",
        "percent",
        ("reported", "reported_source"),
        shown=False,
    ),
)
_AFTER = (
    Column(
        "time",
        "device time",
        "GPU time, or CPU time × threads, of one distillation; compare within one device only.",
        "seconds",
        ("device_seconds",),
        per_device=True,
    ),
    Column(
        "tuned",
        "tuned",
        "Tries that chose the settings on the holdout, and their device time.",
        "number",
        ("tries", "tuning_seconds"),
    ),
    Column("device", "device", "The GPU or processor that distilled the set.", "choice", ("device_class",)),
    Column(
        "memory",
        "memory",
        "Peak memory of the distillation; compare within one device only.",
        "bytes",
        ("peak_memory_bytes",),
        per_device=True,
    ),
    Column("stored", "stored", "Bytes of the set, with its labels if soft.", "bytes", ("stored_bytes",)),
    Column(
        "bits", "bits/class", "Bits per class: 8 × stored bytes / classes.", "number", ("bits_per_class",)
    ),
    Column("labels", "labels", "Hard or soft labels.", "choice", ("label_kind",)),
    Column(
        "standing",
        "standing",
        "Run here, read from a file, or handed in: claimed or verified.",
        "choice",
        ("standing",),
    ),
    Column(
        "signers",
        "signed by",
        "Who signed all records of the row; the signatures were checked.",
        "choice",
        ("signers",),
    ),
    STATE,
    Column("sets", "sets", "The row's sets, by the seed of their distillation.", "text", ("sets",)),
    NOTES,
)


def leaderboard(scores: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns of the leaderboard's tables. scores: of DD-Ranking."""
    return (*_BEFORE, *scores, *_AFTER)
