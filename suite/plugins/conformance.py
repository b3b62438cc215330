"""`ratbench check`: the checks of a plug-in against its contract; each failure says what to change."""

from collections.abc import Callable, Iterator
from typing import Any

from suite.plugins import evaluator_checks, method_checks, registry

Check = Callable[[type[Any]], str]
"""Returns what to change, or nothing; its docstring is the promise that it checks."""

CHECKS: dict[registry.Kind, tuple[Check, ...]] = {
    "method": method_checks.CHECKS,
    "evaluator": evaluator_checks.CHECKS,
}


def check(name: str) -> Iterator[tuple[str, str]]:
    """Yield each promise of the plug-in called `name`, or at this path, with what to change, or nothing.

    Raises ValueError if neither a method nor an evaluator has this name.
    """
    for kind in registry.kinds(name):
        cls = registry.find(kind, name)
        for each in CHECKS[kind]:
            yield promise(each), problem(each, cls)


def promise(check: Check) -> str:
    """Return the sentence that a check is about."""
    return (check.__doc__ or "").strip().splitlines()[0]


def problem(check: Check, cls: type[Any]) -> str:
    """Return what to change for the check to pass, or nothing; an error of the plug-in is one line of it."""
    try:
        return check(cls)
    except (Exception, SystemExit) as error:
        return " ".join(f"it raised {type(error).__name__}: {error}".split())
