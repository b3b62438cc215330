"""Things that are looked up by name: open tables, and messages that name the nearest known one."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TypeVar

Value = TypeVar("Value")

_NEAR = 0.5  # below this similarity a suggestion would be nonsense


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the nearest known name, or else `known: a, b, c`."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=_NEAR)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"


class Table(Mapping[str, Value]):
    """Values by name, to which plug-ins add their own.

    kind: what a value is called in messages, such as `recipe`. Installed packages add values by the entry
    point group `ratbench.<kind>s`, which is read when a name is not found or all names are asked for; a
    plug-in's file adds its own when it is loaded. A name is given once.

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
        self._owners = dict.fromkeys(values, "RaT-Bench")
        self._waiting = True  # whether entry points are still to be read

    def add(self, name: str, value: Value, *, owner: str) -> None:
        """Add a value that `owner` brings; raises ValueError where somebody else has this name."""
        if self._owners.get(name, owner) != owner:
            raise ValueError(f"{self.kind} {name!r} of {owner} is taken by {self._owners[name]}; rename it")
        self._values[name], self._owners[name] = value, owner

    def owner(self, name: str) -> str:
        """Return who brought a name: `RaT-Bench`, a package, or a file."""
        self[name]
        return self._owners[name]

    def __getitem__(self, name: str) -> Value:
        if name not in self._values:
            self._load()
        if name not in self._values:
            raise UnknownName(f"unknown {self.kind} {name!r}; {did_you_mean(name, self._values)}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._values)

    def __len__(self) -> int:
        self._load()
        return len(self._values)

    def _load(self) -> None:
        """Add what installed packages bring."""
        if self._waiting:
            self._waiting = False
            for point in entry_points(group=f"ratbench.{self.kind}s"):
                self.add(point.name, point.load(), owner=point.dist.name if point.dist else point.value)


class UnknownName(ValueError, KeyError):
    """A name that no table has; its message names the nearest known one."""

    def __str__(self) -> str:
        return str(self.args[0])
