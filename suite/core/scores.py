"""What an evaluator measures, in words that a board can print: needs neither torch nor ray."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["percent", "points", "fraction", "seconds", "number", "choice"]
"""percent: of a value in [0, 1]; points: a difference of such values, in percent; fraction: as it is, in
[0, 1]; seconds; number: as it is; choice: 1 for the part that was chosen."""


@dataclass(frozen=True)
class Score:
    """One score of an evaluator, or a family of them.

    name: the key in `Scores.values`; a `*` at its end stands for a part, so that `accuracy/*` is a column for
    each part. What follows a further `/` is a detail of a part, over which the board averages. title: the
    column's heading, in which `{}` is the part. better: which way is up. shown: whether the board has a
    column for it; ranks: whether rows are sorted by it.

        >>> networks = Score("accuracy/*", "on {}")
        >>> networks.matches("accuracy/mlp-w128"), networks.matches("accuracy")
        (True, False)
        >>> networks.heading("accuracy/mlp-w128")
        'on mlp-w128'
        >>> Score("accuracy/*", "{}").heading("accuracy/noise/5")
        'noise'
    """

    name: str
    title: str
    unit: Unit = "percent"
    better: Literal["higher", "lower"] = "higher"
    shown: bool = True
    ranks: bool = False

    @property
    def family(self) -> bool:
        """Whether it stands for one score per part."""
        return self.name.endswith("*")

    def matches(self, name: str) -> bool:
        """Return whether `name` is this score, or one of its family."""
        return name.startswith(self.name[:-1]) if self.family else name == self.name

    def column(self, name: str) -> str:
        """Return the key of the column of `name`: without what follows its part."""
        return self.name[:-1] + self._part(name) if self.family else name

    def heading(self, name: str) -> str:
        """Return the heading of the column of `name`."""
        return self.title.replace("{}", self._part(name))

    def _part(self, name: str) -> str:
        return name.removeprefix(self.name[:-1]).partition("/")[0] if self.family else ""


SECONDS = Score("seconds", "seconds", unit="seconds", better="lower", shown=False)
"""Wall time of the trainings."""
