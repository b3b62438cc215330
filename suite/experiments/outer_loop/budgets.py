"""The sets that count for the budgets of a trial: those of the last outer step that ended within each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Distiller
from suite.experiments.outer_loop.loop import READ_SECONDS, RECENT_STEPS, Trajectory
from suite.experiments.outer_loop.meter import Meter
from suite.experiments.resources import Resources

MARGIN = 10
"""A set is kept before an outer step that could spend a budget by taking so many times as long as others."""


@dataclass(frozen=True)
class Kept:
    """A set, and what its run had spent when it was asked for it; cached work is included."""

    synthetic: SyntheticSet
    at: Trajectory
    device_seconds: float


class Budgets:
    """Watches a run for the moments when it has spent its budgets in device-seconds.

    A set from before the first outer step counts for none.
    """

    def __init__(
        self, budgets: Sequence[float], distiller: Distiller, at: Trajectory, resources: Resources
    ) -> None:
        self.distiller, self.at, self.resources = distiller, at, resources
        self.left = sorted(set(budgets) - set(at.moments))
        if at.step:  # a budget that came later than its moment in a run that goes on has no set
            self.left = [each for each in self.left if each > self.spent or each == max(budgets)]
        self.meter = Meter(resources, at)
        # That of a run that goes on, whose next step may spend a budget; it was charged for it before.
        self.held = self._kept() if at.step and self.near() else None

    @property
    def spent(self) -> float:
        """Device-seconds of the run so far, with those of cached work."""
        return self.at.device_seconds + self.resources.charged(self.distiller.cached_seconds)

    @property
    def passing(self) -> bool:
        """Whether a budget is spent whose set is not on disk, so that no run can go on from here."""
        return bool(self.left) and self.spent > self.left[0]

    def near(self) -> bool:
        """Return whether the next outer step may spend a budget."""
        if not self.left or len(self.at.recent) < RECENT_STEPS:
            return bool(self.left)
        longest = max(MARGIN * max(self.at.recent), 2 * READ_SECONDS)
        return self.spent + self.resources.charged(longest) > self.left[0]

    def planned(self) -> int:
        """Return how many outer steps the run will take, by its pace so far if the last budget stops it."""
        if not (self.left and self.at.step and self.spent):
            return self.at.steps
        return min(self.at.steps, ceil(self.at.step * max(1.0, self.left[-1] / self.spent)))

    def look(self) -> Iterator[tuple[float, Kept | None]]:
        """Yield each budget that is spent since the last look, with its set; None if there was none.

        A step that took very much longer than those before it may have spent a budget by surprise. Then its
        own set is yielded, which says what was spent.
        """
        yield from self._over()
        made = self.keep() if self.at.step and self.near() else None
        yield from self._over()  # if asking for the set spent a budget, the one before counts
        self.held = made

    def _over(self) -> Iterator[tuple[float, Kept | None]]:
        while self.passing:
            surprise = self.held is None and self.at.step > 1
            yield self.left[0], self.keep() if surprise else self.held
            self.left.pop(0)  # now its set is on disk

    def keep(self) -> Kept:
        """Return the set as it stands; what the method does for that is charged."""
        with self.meter.running():
            made = self._kept()
            self.resources.synchronise()
        return replace(made, at=replace(self.at), device_seconds=self.spent)

    def _kept(self) -> Kept:
        return Kept(self.distiller.synthetic(), replace(self.at), self.spent)
