"""Descriptions of an evaluator's scores, for the board; needs neither torch nor ray."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import Field

Unit = Literal["percent", "points", "fraction", "seconds", "number", "choice"]
"""percent: of a value in [0, 1]; points: a difference of such values, in percent; fraction: as it is, in
[0, 1]; seconds; number: as it is; choice: 1 for the part that was chosen."""

Better = Literal["higher", "lower"]
UNITS, BETTER = get_args(Unit), get_args(Better)


@dataclass(frozen=True)
class Score:
    """One score of an evaluator, or a family of them.

    name: the key in `Scores.values`; a final `*` stands for a part, so `accuracy/*` has one column per part.
    A further `/` begins a detail of the part; the board averages over details. title: the column's heading,
    with `{}` for the part. better: whether higher or lower values are better. shown: whether the board has a
    column for it; ranks: whether rows are sorted by it; against_random: whether the board says which rows are
    better than random subsets in it.

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
    better: Better = "higher"
    shown: bool = True
    ranks: bool = False
    # Left out of records where it is false, so that those of earlier releases keep their seals.
    against_random: Annotated[bool, Field(exclude_if=lambda value: not value)] = False

    def __post_init__(self) -> None:
        for field, value, known in (("unit", self.unit, UNITS), ("better", self.better, BETTER)):
            if value not in known:
                raise ValueError(f"score {self.name!r}: {field} {value!r} is none of {', '.join(known)}")

    @property
    def family(self) -> bool:
        """Whether it declares one score per part."""
        return self.name.endswith("*")

    def matches(self, name: str) -> bool:
        """Return whether `name` is this score or a member of its family."""
        return name.startswith(self.name[:-1]) if self.family else name == self.name

    def column(self, name: str) -> str:
        """Return the key of the column of `name`, without the detail after its part."""
        return self.name[:-1] + self._part(name) if self.family else name

    def heading(self, name: str) -> str:
        """Return the heading of the column of `name`."""
        return self.title.replace("{}", self._part(name))

    def _part(self, name: str) -> str:
        return name.removeprefix(self.name[:-1]).partition("/")[0] if self.family else ""


SECONDS = Score("seconds", "seconds", unit="seconds", better="lower", shown=False)
"""Wall time of the trainings."""
