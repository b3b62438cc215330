"""When a repeated evaluation contradicts its record: if they differ by more than rounding explains.

The repeated networks have the seeds of the recorded ones. With the same processor, versions and threads they
must give the same bits. On other machines rounding differs, and training amplifies the difference, at most
until two networks of one seed are as far apart as networks of two seeds. Then the difference of two means of
m networks has the variance 2 s² / m. A record is contradicted if the difference exceeds

    t(1 - 0.005 / (2 K); f) · s · sqrt(2 / m) + 0.0005

s: the deviation of accuracies within sets: over the recorded sets of the same row (other seeds, same recipe
and network), over the repeated networks, and, with the weight of five networks, over all rows of the same
task, size, recipe and network; f: its degrees of freedom; K: the number of repeated cells; 0.0005: rounding.
Five is estimated from how alike the rows of results/ are (by the moments of Smyth, 2004). The mean of all K
differences is tested in the same way, which finds a small change of many records.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean

from scipy.stats import t as student

from suite.records.record import Provenance

LEVEL = 0.01
"""The share of audits that find a contradiction in honest records of other machines."""

UNCLEAR = 0.15
"""The largest difference of accuracies that a repetition may allow, and still be evidence."""

_ALIKE = 5
"""Degrees of freedom with which the spread of a table counts in that of a row."""

_ROUNDING = 0.0005


@dataclass(frozen=True)
class Spread:
    """How accuracies vary within sets. squares: the sum of squared deviations; freedom: its degrees."""

    squares: float = 0.0
    freedom: int = 0

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of the networks of one set."""
        mean = fmean(values)
        return cls(sum((value - mean) ** 2 for value in values), len(values) - 1)

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(self.squares + other.squares, self.freedom + other.freedom)

    @property
    def weighed(self) -> "Spread":
        """The same spread with `_ALIKE` degrees of freedom; none if nothing varied."""
        return Spread(_ALIKE * self.squares / self.freedom, _ALIKE) if self.freedom else self

    def limit(self, networks: float, level: float) -> float:
        """Return by how much two means of so many networks may differ; infinite if `freedom` is 0."""
        if not self.freedom:
            return inf
        deviation = sqrt(self.squares / self.freedom)
        return float(student.ppf(1 - level / 2, self.freedom)) * deviation * sqrt(2 / networks) + _ROUNDING


@dataclass(frozen=True)
class Comparison:
    """A recorded evaluation and its repetition. row, table: the spreads of recorded sets in them.

    must_be_equal: whether processor, versions and threads are the same; commits: of the code, then and now.
    """

    recorded: tuple[float, ...]
    repeated: tuple[float, ...]
    row: Spread
    table: Spread = Spread()
    must_be_equal: bool = False
    commits: tuple[str, str] = ("", "")

    @property
    def difference(self) -> float:
        """The repeated mean minus the recorded one."""
        return fmean(self.repeated) - fmean(self.recorded)

    @property
    def spread(self) -> Spread:
        """The spread of the row, of the repeated networks, and of the table with its weight."""
        return self.row + Spread.of(self.repeated) + self.table.weighed

    def limit(self, cells: int) -> float:
        """Return by how much the means may differ if so many cells are repeated."""
        return self.spread.limit(min(len(self.recorded), len(self.repeated)), LEVEL / 2 / cells)

    def is_unclear(self, cells: int) -> bool:
        """Return whether the repetition is no evidence, since far too large a difference would be allowed."""
        return self.recorded != self.repeated and self.limit(cells) > UNCLEAR

    def reason(self, cells: int) -> str:
        """Return how the repetition contradicts the record; "" if it does not."""
        if self.recorded == self.repeated:
            return ""
        if len(self.recorded) != len(self.repeated):
            return f"{len(self.repeated)} accuracies were measured again, and it has {len(self.recorded)}"
        off, limit = self.difference, self.limit(cells)
        measured = f"{100 * fmean(self.repeated):.2f}% were measured again, and it says "
        said = f"{measured}{100 * fmean(self.recorded):.2f}%"
        if abs(off) > limit:
            return f"{said}; rounding explains at most {100 * limit:.2f} points"
        if not self.must_be_equal:
            return ""
        then, now = self.commits
        code = f"; its code was {then[:12]}, and this is {now[:12]}" if then != now else ""
        return f"{said}, with the processor, versions and threads that it names: bits must be equal{code}"


def together(found: Sequence[Comparison]) -> str:
    """Return how the repeated cells, taken together, contradict their records; "" if they do not."""
    able = [each for each in found if each.spread.freedom and len(each.recorded) == len(each.repeated)]
    if len(able) < 2:
        return ""
    mean = fmean(each.difference for each in able)
    variances = (2 * each.spread.squares / each.spread.freedom / len(each.repeated) for each in able)
    deviation = sqrt(sum(variances)) / len(able)
    freedom = min(each.spread.freedom for each in able)
    limit = float(student.ppf(1 - LEVEL / 4, freedom * len(able) / 2)) * deviation + _ROUNDING
    if abs(mean) <= limit:
        return ""
    return (
        f"over {len(able)} cells the repeated accuracy is {100 * mean:+.2f} points from the recorded one; "
        f"rounding explains at most {100 * limit:.2f}"
    )


def same_place(recorded: Provenance, here: Provenance) -> bool:
    """Return whether two machines round alike: same processor, versions and threads, and no GPU."""
    alike = (recorded.device, recorded.threads, recorded.versions, recorded.gpu, recorded.devices)
    return (
        recorded.deterministic
        and here.deterministic
        and recorded.device.startswith("CPU")
        and alike == (here.device, here.threads, here.versions, here.gpu, here.devices)
    )
