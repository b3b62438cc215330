"""What an evaluator measures, in words that a board can print: needs neither torch nor ray."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Unit = Literal["percent", "points", "fraction", "seconds", "number"]
"""percent: of a value in [0, 1]; points: a difference of such values, in percent; fraction: as it is, in
[0, 1]; seconds; number: as it is."""


@dataclass(frozen=True)
class Score:
    """One score of an evaluator, or a family of them.

    name: the key in `Scores.values`; one `*` stands for whatever follows a `/`, so that `accuracy/*` is a
    column for each part. title: the column's heading, in which `{}` is that part. better: which way is up.
    shown: whether the board has a column for it; ranks: whether its rows are sorted by it.

        >>> Score("accuracy/*", "{}", "percent").matches("accuracy/mlp-w128")
        True
    """

    name: str
    title: str
    unit: Unit = "percent"
    better: Literal["higher", "lower"] = "higher"
    shown: bool = True
    ranks: bool = False

    def matches(self, name: str) -> bool:
        """Return whether `name` is this score, or one of its family."""
        return fnmatchcase(name, self.name)

    def heading(self, name: str) -> str:
        """Return the heading of the column of `name`."""
        prefix = self.name.partition("*")[0]
        return self.title.replace("{}", name.removeprefix(prefix))
