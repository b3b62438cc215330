"""A part of a set, as a cell names it: needs neither torch nor ray."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt


class Part(BaseModel):
    """A part of a set: its prefix, a random subset, or all but one image of each class.

    ipc: images per class of the part; index: number of the random subset, or of the image left out, from 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    how: Literal["prefix", "random", "without"]
    ipc: PositiveInt
    index: NonNegativeInt = 0

    @property
    def title(self) -> str:
        """A few words for people."""
        if self.how == "prefix":
            return f"first {self.ipc}"
        return (
            f"random {self.ipc}, draw {self.index}" if self.how == "random" else f"without image {self.index}"
        )


def size_of(manifest: Mapping[str, Any]) -> int | None:
    """Return the images per class of the set of a manifest, a part of its trial's or the whole, if known."""
    for about in (manifest.get("part"), manifest.get("trial")):
        if isinstance(about, Mapping) and type(size := about.get("ipc")) is int:
            return size
    return None
