"""Accuracies printed in papers, from a `reported.toml`: shown beside ours, never ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from suite.board.cells import TableKey
from suite.core.data.task_info import family
from suite.core.files.documents import read_toml
from suite.core.names import STANDARD_NETWORK

Figure = tuple[int, float] | tuple[int, float, float]


class Reported(BaseModel):
    """The accuracies that one source prints for one method on one task family.

    figures: (images per class, mean, and the standard deviation if printed), in percent;
    ipc 0 is full data. recipe: the retraining of the source, in words; our_recipe: the recipe here that is
    the same, `native` for that of the method, "" if there is none. network: of the source, or `none`.
    preprocessing: of its images: plain, or the whitening as in the suffix of our tasks; None if it is not
    known. second_hand: read in another paper's table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    method: str
    figures: tuple[Figure, ...] = Field(min_length=1)
    source: str
    recipe: str = ""
    our_recipe: str = ""
    network: str = STANDARD_NETWORK
    preprocessing: Literal["plain", "zca", "kornia"] | None = None
    second_hand: bool = False

    def text(self, ipc: int) -> str:
        """Return the accuracy at `ipc` as printed, `81.2 ± 0.4`; "" for none."""
        for figure in self.figures:
            if figure[0] == ipc:
                return " ± ".join(f"{value:.2f}".removesuffix("0") for value in figure[1:])
        return ""

    @property
    def note(self) -> str:
        """Its footnote: the source, its retraining, and whether its images are whitened."""
        plain = self.preprocessing in ("plain", None)
        whitened = "" if plain else f"images preprocessed as in {self.variant}"
        return "; ".join(filter(None, (self.source, self.recipe, whitened)))

    def note_beside(self, task: str) -> str:
        """Return its footnote at a row on `task`, which may have images with another preprocessing."""
        other = self.preprocessing is not None and self.variant != task
        return self.note + f"; other preprocessing: {self.preprocessing}" * other

    @property
    def variant(self) -> str:
        """The name of a task with its images and its preprocessing, which may not be in the catalogue."""
        return self.task if self.preprocessing in ("plain", None) else f"{self.task}-{self.preprocessing}"


def reported(path: Path) -> tuple[Reported, ...]:
    """Read the entries of `path`; raises ValueError for an unknown key, a duplicate entry or bad TOML."""
    content = read_toml(path)
    if unknown := sorted(set(content) - {"reported"}):
        raise ValueError(f"{path}: unknown key {unknown[0]!r}; entries are [[reported]]")
    entries = tuple(Reported.model_validate(entry) for entry in content.get("reported", []))
    seen: set[tuple[str | None, ...]] = set()
    for entry in entries:
        key = (entry.task, entry.method, entry.network, entry.recipe, entry.source, entry.preprocessing)
        if key in seen:
            raise ValueError(f"{path}: {entry.method} on {entry.task} from {entry.source!r} is listed twice")
        seen.add(key)
    return entries


@dataclass(frozen=True)
class PaperFigures:
    """The entries with an accuracy for a row; those of other networks are not comparable with ours."""

    same_network: tuple[Reported, ...] = ()
    other_networks: tuple[Reported, ...] = ()


def figures(entries: Sequence[Reported], key: TableKey, method: str) -> PaperFigures:
    """Return the entries of `method` with an accuracy at the size and on the task family of `key`."""
    # Papers differ in preprocessing, so cifar10-zca belongs to the family cifar10.
    wanted = (family(key.task), method)
    found = [each for each in entries if (each.task, each.method) == wanted and each.text(key.ipc)]
    return PaperFigures(
        same_network=tuple(entry for entry in found if entry.network == key.network),
        other_networks=tuple(entry for entry in found if entry.network != key.network),
    )
