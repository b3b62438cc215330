"""What a site tells beside records. It comes from code that needs torch, and is given to the site."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from suite.board.atlas.rows import AtlasRow


@dataclass(frozen=True)
class Differing:
    """One point in which a method is not as its paper; see `suite.plugins.differences.Difference`."""

    point: str
    paper: str
    ours: str
    why: str
    effect: str = ""


@dataclass(frozen=True)
class Facts:
    """What is known of a method. settings: published ones, by a heading that says for which task and size."""

    summary: str = ""
    recipe: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    differences: Sequence[Differing] = ()


@dataclass(frozen=True)
class Look:
    """What a set's file shows. loader: Python that reads it; picture: a PNG, empty if `missing` says why.

    told: what the picture shows, and what was done to its contrast.
    """

    loader: str = ""
    picture: bytes = b""
    told: str = ""
    missing: str = ""
    stretched: bool = False


def _closed(path: Path, name: str) -> Look:
    return Look(missing="its file was not opened")


@dataclass(frozen=True)
class Aids:
    """facts: of methods, by name; atlas: printed figures beside ours.

    look: opens the file of a set, under the name that it has in the site.
    """

    facts: Mapping[str, Facts] = field(default_factory=dict)
    atlas: Sequence[AtlasRow] = ()
    look: Callable[[Path, str], Look] = _closed


NO_AIDS = Aids()
"""A site of records alone."""
