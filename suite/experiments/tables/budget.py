"""The table `[budget]`: device-seconds after which sets are compared."""

from itertools import pairwise
from math import ceil, log10
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, field_validator


class BudgetTable(BaseModel):
    """Budgets of each trial. A trial stops when it has spent the last budget. For each budget, the set at
    that time is evaluated.

    Everything that uses the training split is charged, even what trials share, such as experts. Compiling is
    not charged.
    """

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    device_seconds: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(min_length=1)
    """Budgets in device-seconds, the smallest first: GPU-seconds, or thread-seconds on a CPU."""
    moments: NonNegativeInt = 0
    """Further budgets between the first and the last: this number for each factor of ten."""

    @field_validator("device_seconds")
    @classmethod
    def _check(cls, budgets: list[float]) -> list[float]:
        if any(after <= before for before, after in pairwise(budgets)):
            raise ValueError(f"{budgets}: write each budget once, the smallest first")
        return budgets

    @property
    def all(self) -> list[float]:
        """All budgets, the smallest first."""
        first, last = self.device_seconds[0], self.device_seconds[-1]
        count = ceil(self.moments * log10(last / first))
        between = (first * (last / first) ** (number / count) for number in range(1, count))
        rounded = (float(f"{seconds:.2g}") for seconds in between)
        return sorted({*self.device_seconds, *(seconds for seconds in rounded if first < seconds < last)})
