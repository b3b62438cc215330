"""The facts about a task that need no files."""

from dataclasses import dataclass
from typing import Literal

Format = Literal["digits", "idx", "torchvision", "images", "folder", "hf"]


@dataclass(frozen=True)
class Hub:
    """A dataset on the Hugging Face hub. revision: a commit; test: the name of the split for testing."""

    name: str
    revision: str
    test: str = "test"
    config: str | None = None


@dataclass(frozen=True)
class TaskInfo:
    """Facts about a task that need no files.

    shape: (channels, height, width); train, test: numbers of images as published, 0 if unknown;
    format: the reader; folders: possible folders of its files, below the data folder;
    mean, std: published constants, empty if they are fitted on train;
    checksum: how files are compared with the published ones; mirrored: whether mirrored images keep classes;
    like: the family whose published settings hold for it, if it is not its own.
    """

    name: str
    classes: int
    shape: tuple[int, int, int]
    train: int
    test: int
    format: Format
    source: str
    licence: str
    class_names_from: str
    checksum: str
    preprocessing: Literal["normalise", "zca", "kornia"] = "normalise"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    folders: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    torchvision: str = ""
    hub: Hub | None = None
    mirrored: bool = True
    like: str = ""

    @property
    def family(self) -> str:
        """What variants of a task share: cifar10 for cifar10-zca; folder or hf for a user's own images."""
        return self.format if self.format in ("folder", "hf") else family(self.name)

    @property
    def published_as(self) -> str:
        """The family under which papers publish settings for its images."""
        return self.like or self.family


def family(name: str) -> str:
    """Return a catalogued task's name without the suffix of its whitening."""
    return name.removesuffix("-zca").removesuffix("-kornia")
