"""Short recipes under the names of long ones, for tests of what trains under a name."""

from collections.abc import Iterator
from contextlib import contextmanager

from suite.core.training.recipes import RECIPES, Recipe


@contextmanager
def replaced(*recipes: Recipe) -> Iterator[None]:
    """Put recipes in the place of those of the same names, for a while."""
    before = [RECIPES[each.name] for each in recipes]
    try:
        for each in recipes:
            RECIPES.add(each.name, each, owner=RECIPES.owner(each.name))
        yield
    finally:
        for each in before:
            RECIPES.add(each.name, each, owner=RECIPES.owner(each.name))
