"""What a grid wants of machines."""

import pytest
from pydantic import ValidationError

from suite.experiments.tables.resources import ResourcesTable
from suite.records.jobs import Wanted


def test_a_table_replaces_another_one_key_by_key() -> None:
    grid = ResourcesTable(cpus=2, gpus=0.5, labels={"zone": "a", "kind": "A100"})
    row = ResourcesTable(gpus=0, labels={"kind": "!A100"})
    assert row.over(grid) == Wanted(cpus=2, gpus=0, labels={"zone": "a", "kind": "!A100"})


@pytest.mark.parametrize("label", ["a b", "in(A100", "", "!"])
def test_a_label_that_ray_does_not_know_is_refused(label: str) -> None:
    with pytest.raises(ValidationError, match=r"write KEY = \"VALUE\""):
        ResourcesTable(labels={"kind": label})
