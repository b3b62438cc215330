"""Figures printed in papers, from results/reported.toml. They stand beside ours, never among them."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

STANDARD_NETWORK = "convnet-d3-w128-in"
"""The network which papers use for small images."""

Figure = tuple[int, float] | tuple[int, float, float]


class Reported(BaseModel):
    """One method's figures on one task family as one source prints them.

    figures: (images per class, mean, and where it is printed the standard deviation), in percent;
    ipc 0 is training on all of train. recipe: how the source retrained, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    method: str
    figures: tuple[Figure, ...] = Field(min_length=1)
    source: str
    recipe: str = ""
    network: str = STANDARD_NETWORK

    def text(self, ipc: int) -> str:
        """Return the figure at `ipc` as printed, `81.2 ± 0.4`, or "" where there is none."""
        for figure in self.figures:
            if figure[0] == ipc:
                return " ± ".join(f"{value:.1f}" for value in figure[1:])
        return ""

    @property
    def note(self) -> str:
        """What a footnote says: the source, and how it retrained."""
        return f"{self.source}; {self.recipe}" if self.recipe else self.source


def reported(path: Path) -> tuple[Reported, ...]:
    """Read the figures in `path`; raises ValueError on an unknown key, a doubled entry or bad TOML."""
    with path.open("rb") as file:
        content = tomllib.load(file)
    if unknown := sorted(set(content) - {"reported"}):
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; entries are [[reported]]")
    entries = tuple(Reported.model_validate(entry) for entry in content.get("reported", []))
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        key = (entry.task, entry.method, entry.network, entry.recipe, entry.source)
        if key in seen:
            raise ValueError(f"{path}: {entry.method} on {entry.task} from {entry.source!r} is there twice")
        seen.add(key)
    return entries


def select(
    entries: Sequence[Reported], *, task: str, method: str, ipc: int, network: str
) -> tuple[Reported, ...]:
    """Return the entries which have a figure for this method, size and network on the task's family."""
    return tuple(entry for entry in _of(entries, task, method, ipc) if entry.network == network)


def elsewhere(
    entries: Sequence[Reported], *, task: str, method: str, ipc: int, network: str
) -> tuple[Reported, ...]:
    """Return those of other networks, which are not to be compared with ours."""
    return tuple(entry for entry in _of(entries, task, method, ipc) if entry.network != network)


def _of(entries: Sequence[Reported], task: str, method: str, ipc: int) -> list[Reported]:
    # Papers differ in preprocessing, so cifar10-zca is of the family cifar10.
    wanted = (task.removesuffix("-zca"), method)
    return [entry for entry in entries if (entry.task, entry.method) == wanted and entry.text(ipc)]
