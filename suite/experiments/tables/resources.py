"""The table `[resources]`: what each trial may use of a machine."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from suite.records.jobs import Wanted

_WORD = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"

LABEL = re.compile(rf"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?{_WORD}")
"""The name of a label, as Kubernetes and Ray have it."""

SELECTOR = re.compile(rf"!?({_WORD}|in\({_WORD}(, ?{_WORD})*\))")
"""The values of a label that Ray selects."""


class ResourcesTable(BaseModel):
    """Resources of each trial, in place of the command line's. A row's replace the grid's, key by key."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    cpus: PositiveInt | None = None
    """CPUs, and threads."""
    gpus: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """GPUs; trials with a fraction share a GPU. By default trials share one if their memory allows it."""
    labels: dict[str, str] = {}
    """Labels of the Ray nodes on which they run, such as `"ray.io/accelerator-type" = "H100"`. A value may be
    `"in(A100, H100)"`; `!` before it stands for any other value."""

    @field_validator("labels")
    @classmethod
    def _check(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            if not (LABEL.fullmatch(key) and SELECTOR.fullmatch(value)):
                raise ValueError(f'{key} = {value!r}: write KEY = "VALUE", "!VALUE" or "in(ONE, OTHER)"')
        return labels

    def over(self, other: "ResourcesTable") -> Wanted:
        """Return what is wanted by this table, and by another one where it says nothing."""
        return Wanted(
            cpus=self.cpus or other.cpus,
            gpus=other.gpus if self.gpus is None else self.gpus,
            labels={**other.labels, **self.labels},
        )
