"""`ratbench check`: check a plug-in against its contract; each failure says what to change."""

from collections.abc import Callable, Iterator
from typing import Any

from suite.plugins import evaluator_checks, method_checks, registry

Check = Callable[[type[Any]], str]
"""Returns the necessary change, or ""; its docstring is the checked promise."""

CHECKS: dict[registry.Kind, tuple[Check, ...]] = {
    "method": method_checks.CHECKS,
    "evaluator": evaluator_checks.CHECKS,
}


def check(name: str) -> Iterator[tuple[str, str]]:
    """Yield each promise of the plug-in with this name or path, and the necessary change, if any.

    Raises ValueError if neither a method nor an evaluator has this name.
    """
    for kind in registry.kinds(name):
        cls = registry.find(kind, name)
        for each in CHECKS[kind]:
            yield promise(each), problem(each, cls)


def promise(check: Check) -> str:
    """Return the promise of a check."""
    return (check.__doc__ or "").strip().splitlines()[0]


def problem(check: Check, cls: type[Any]) -> str:
    """Return the change that makes the check pass, or ""; an error of the plug-in becomes one line."""
    try:
        return check(cls)
    except (Exception, SystemExit) as error:
        return " ".join(f"it raised {type(error).__name__}: {error}".split())
