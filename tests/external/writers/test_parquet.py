"""A dataset as one Parquet file, whose columns are known to the hub."""

from pathlib import Path

import datasets as huggingface  # type: ignore[import-untyped]
import pytest
import torch
from pyarrow import parquet  # type: ignore[import-untyped]

from suite.core.sets.synthetic_set import SyntheticSet
from suite.external.writers.parquet import FILE, features, write_parquet
from tests.support import foreign_sets


@pytest.mark.parametrize("hard", [True, False])
def test_columns_have_the_class_names_and_learned_targets(hard: bool, tmp_path: Path) -> None:
    own = foreign_sets.digits()
    own = own if hard else SyntheticSet(own.images, own.labels * 0.9 + 0.01)
    names = ["yes", "a/b", "ü", *"3456789"]
    shown = huggingface.is_progress_bar_enabled()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_parquet(foreign_sets.pixels().view(10, 2, 1, 8, 8), own, names, tmp_path / folder)
    assert huggingface.is_progress_bar_enabled() == shown
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    found = parquet.read_table(tmp_path / "one" / FILE)
    assert huggingface.Features.from_arrow_schema(found.schema) == features(names, hard=hard)
    assert found["label"].to_pylist() == foreign_sets.flat()[1].tolist()
    if not hard:
        assert torch.equal(torch.tensor(found["target"].to_pylist()), own.flat()[1])
    assert ("target" in found.column_names) != hard
