"""Printed accuracies, and the cells of ours that are comparable with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.board.reported import Figure, Reported

REPORTED = Path(__file__).parent / "reported.toml"
"""The printed figures that come with the package: those of results/."""

COSTS = Path(__file__).parent / "costs.toml"
"""The measured costs that come with the package: those of results/."""


@dataclass(frozen=True)
class Target:
    """The trials and evaluations that repeat a printed figure: the method as published, over any seeds.

    hyperparameters: canonical JSON; recipe, network: of the retraining; steps: planned outer steps, None if
    the method does not tell them.
    """

    task: str
    method: str
    hyperparameters: str
    ipc: int
    recipe: str
    network: str
    steps: int | None


@dataclass(frozen=True)
class Printed:
    """One figure of an entry. target: the comparable cell, or the reason why there is none."""

    entry: Reported
    figure: Figure
    target: Target | str

    @property
    def ipc(self) -> int:
        """Images per class; 0 for full data."""
        return self.figure[0]


def each_figure(entries: Sequence[Reported]) -> Iterator[tuple[Reported, Figure]]:
    """Yield every figure of every entry, by task and method, sources in the order of the entries."""
    for entry in sorted(entries, key=lambda each: (each.task, each.method)):
        for figure in entry.figures:
            yield entry, figure
