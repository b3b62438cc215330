"""What a grid's scores are compared with: its table `[reference]`."""

from collections.abc import Sequence
from itertools import count, islice

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, field_validator

from suite.core.recipes import recipe
from suite.records import STANDARD_RECIPE, Reference


class References(BaseModel):
    """Networks trained on all of train, and on `random` random subsets of every size of the grid.

    A random subset is an ordinary trial of the method `random_subset`, so a grid that lists this
    method has the same cells, and no store does one twice. It is evaluated as every method of the grid is,
    under the native recipe of each: what a set is compared with has had the same training. A recipe
    that draws minibatches as the set's method does takes the whole subset, whose method draws none.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    epochs: PositiveInt
    copies: PositiveInt = 1
    recipe: str = STANDARD_RECIPE
    random: NonNegativeInt = 0

    @field_validator("recipe")
    @classmethod
    def _check(cls, name: str) -> str:
        return recipe(name).name

    def full_data(self, task: str, network: str) -> Reference:
        """Return the cell of full data; its id depends on nothing else that stands in the grid."""
        asked = self.model_dump(exclude={"random"})
        return Reference(task=task, network=network, seed=0, **asked)

    def seeds(self, grid: Sequence[int]) -> list[int]:
        """Return the seeds of the random subsets: the grid's own, so that differences pair, then others."""
        others = (seed for seed in count() if seed not in grid)
        return [*grid, *islice(others, max(0, self.random - len(grid)))][: self.random]
