"""Look up values by name: extensible tables, and messages that suggest the nearest known name."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

Value = TypeVar("Value")

OURS = "RaT-Bench"
"""The owner of the names that come with RaT-Bench."""

FORMER_METHODS = {
    "kip": "rfad",
    "linear_bases": "rtp",
    "multi_formation": "idc",
    "relabelled_patches": "rded",
    "trajectory_matching": "mtt",
    "gradient_matching": "dc",
    "siamese_augmentation": "dsa",
    "distribution_matching": "dm",
    "attention_matching": "datadam",
    "boosted_distribution_matching": "boosted_dm",
}
FORMER_RECIPES = {
    "dc": "dc-300",
    "dsa": "dsa-1000",
    "rat-bptt": "rat-bptt-1000",
    "rtp": "rtp-300",
    "idc": "idc-1000",
    "rded": "rded-300",
    "mtt": "mtt-1000",
    "frepo": "frepo-40000",
}
CORRECTED_RECIPES = {
    "rded-300": (
        "rded-300-v2",
        "it mixed labels before it softened them; with the set's labels use 'rded-stored-300'",
    ),
    "frepo-40000": (
        "frepo-40000-v2",
        "it took 5000 steps on 200 images, where FRePo's code takes 20,000, and augmented as DSA does",
    ),
    "idc-1000": ("idc-1000-v2", "it drew one operation where IDC flips and changes the colour at every step"),
}
"""Recipes that were not those of their papers -> the corrected ones, and what was wrong."""

FORMER_SETTINGS = {
    "segment": "checkpoint_every",
    "skips": "max_nonfinite",
    "own": "native_recipe",
    "nested": "prefixes",
}
"""Former names -> those of today: of protocol 1, and `kip`, which was RFAD from the beginning."""

STANDARD_NETWORK = "convnet-d3-w128-in"
"""The field's ConvNet, which papers use for small images."""

HOLDOUT = ":holdout"
"""Suffix of a task's name for its holdout, a part of train."""

TEACHER = "teacher-"
"""Before a teacher's number: the name of its parameters in a set's file."""

_FORMER = {**FORMER_METHODS, **FORMER_RECIPES, **FORMER_SETTINGS}

_NEAR = 0.5  # below this similarity a suggestion would be nonsense


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `it is now called 'x'` for a former name, `did you mean 'x'?` for a nearly known one.

    For a recipe that was corrected also return why. Otherwise return all of them: `known: a, b, c`.
    """
    names = sorted(known)
    corrected, reason = CORRECTED_RECIPES.get(_FORMER.get(name, name), ("", ""))
    if corrected in names:
        return f"it is now {corrected!r}, since {reason}"
    if _FORMER.get(name) in names:
        return f"it is now called {_FORMER[name]!r}"
    folded = {each.casefold(): each for each in names}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=_NEAR)
    return f"did you mean {folded[near[0]]!r}?" if near else f"known: {', '.join(names) or 'none'}"


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: `1 seed`, `3 seeds`."""
    return f"{count} {noun}" + "s" * (count != 1)


class Table(Mapping[str, Value]):
    """Values by name; plug-ins can add values.

    kind: the word for a value in messages, such as `recipe`. Installed packages add values by the entry point
    group `ratbench.<kind>s`; the file of a plug-in adds values when it is loaded. A name has one owner.

        >>> colours = Table("colour", {"red": 1, "green": 2})
        >>> colours["red"]
        1
        >>> colours.add("blue", 3, owner="mine.py")
        >>> sorted(colours)
        ['blue', 'green', 'red']
        >>> colours["gren"]
        Traceback (most recent call last):
        ...
        suite.core.names.UnknownName: unknown colour 'gren'; did you mean 'green'?
    """

    def __init__(self, kind: str, values: Mapping[str, Value]) -> None:
        self.kind = kind
        self._values = dict(values)
        self._owners = dict.fromkeys(values, OURS)

    def add(self, name: str, value: Value, *, owner: str) -> None:
        """Add a value of `owner`; raises ValueError if the name has another owner."""
        if self._owners.get(name, owner) != owner:
            raise ValueError(f"{self.kind} {name!r} of {owner} is taken by {self._owners[name]}; rename it")
        self._values[name], self._owners[name] = value, owner

    def owner(self, name: str) -> str:
        """Return the owner of a name: `RaT-Bench`, a package, or the path of a file."""
        self[name]
        return self._owners.get(name) or _packages(self.kind, name)[0]

    def __getitem__(self, name: str) -> Value:
        owner = self._owners.get(name, "")
        brought: Value | None = from_package(self.kind, name, owner)
        if owner:
            return self._values[name]
        if brought is None:
            raise UnknownName(f"unknown {self.kind} {name!r}; {did_you_mean(name, self)}")
        return brought

    def __contains__(self, name: object) -> bool:
        """Return whether a name is known, without a search for near ones."""
        return name in self._owners or any(point.name == name for point in installed(self.kind))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._values, *(point.name for point in installed(self.kind))]))

    def __len__(self) -> int:
        return len(list(iter(self)))


def installed(kind: str) -> tuple[EntryPoint, ...]:
    """Return the entry points `ratbench.<kind>s` of installed packages."""
    return _entry_points(f"ratbench.{kind}s", tuple(sys.path))


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return a group's entry points; cached per `sys.path`, since all packages' metadata is read."""
    return tuple(entry_points(group=group))


def from_package(kind: str, name: str, owner: str = "") -> Any:
    """Return the value of an installed package for `name`, or None.

    owner: another owner of this name, if any. Raises ValueError for two owners, and for failed imports.
    """
    owners = [*_packages(kind, name), *filter(None, [owner])]
    point = next((point for point in installed(kind) if point.name == name), None)
    if point is None:
        return None
    if len(owners) > 1:
        raise ValueError(f"{kind} {name!r} comes with {' and '.join(owners)}; rename its entry point in one")
    try:
        return point.load()
    except Exception as error:
        raise ValueError(
            f"{kind} {name!r} of {owners[0]} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _packages(kind: str, name: str) -> list[str]:
    """Return the sorted packages of a name, as text."""
    points = [point for point in installed(kind) if point.name == name]
    return sorted(f"the package {point.dist.name}" if point.dist else point.value for point in points)


class UnknownName(ValueError, KeyError):
    """An unknown name; the message suggests the nearest known name."""

    def __str__(self) -> str:
        return str(self.args[0])


def is_device(name: str) -> bool:
    """Return whether Windows takes a file's name for a device, as it does with any ending."""
    return name.partition(".")[0].strip().casefold() in _DEVICES


_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")}
