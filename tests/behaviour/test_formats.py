"""Every format that is published, read to the same tensors."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from suite.external.labels import as_the_tasks
from suite.external.locate import locate
from suite.external.sandbox.parent import ForeignSet, read
from tests.support import foreign_sets
from tests.support.foreign_sets import BYTES, EXACT, WANTED

Make = Callable[[Path], Path]


@pytest.mark.usefixtures("read_here")
class TestFormats:
    @pytest.mark.parametrize(
        ("make", "format"), EXACT.items(), ids=lambda made: getattr(made, "__name__", "")
    )
    def test_tensors_come_back_bit_for_bit(self, make: Make, format: str, tmp_path: Path) -> None:
        brought, expected = read(locate(make(tmp_path)), WANTED), foreign_sets.digits()
        assert brought.format == format and not brought.raw
        assert torch.equal(brought.synthetic.images, expected.images)
        assert brought.synthetic.hard and brought.synthetic.labels.dtype == torch.float32

    @pytest.mark.parametrize(
        ("make", "format"), BYTES.items(), ids=lambda made: getattr(made, "__name__", "")
    )
    def test_pictures_become_pixels(self, make: Make, format: str, tmp_path: Path) -> None:
        brought = read(locate(make(tmp_path)), WANTED)
        assert brought.format == format and brought.raw and brought.synthetic.hard
        synthetic, _ = as_the_tasks(brought.synthetic, brought.class_names, foreign_sets.task())
        assert torch.equal(synthetic.images.flatten(0, 1), foreign_sets.pixels() / 255)


def learned(folder: Path, targets: Tensor) -> ForeignSet:
    images, _ = foreign_sets.flat()
    torch.save(images, folder / "images_best.pt")
    torch.save(targets, folder / "labels_best.pt")
    return read(locate(folder), WANTED)


def test_learned_labels_belong_to_their_largest_entry(read_here: None, tmp_path: Path) -> None:
    targets = torch.full((20, 10), 0.05)
    targets[torch.arange(20), torch.arange(20) % 10] = 0.55  # classes 0 1 2 … 9 0 1 2 …
    brought = learned(tmp_path, targets)
    assert not brought.synthetic.hard
    assert torch.equal(brought.synthetic.labels[3, 1], targets[13])
    assert torch.equal(brought.synthetic.images[3], foreign_sets.flat()[0][[3, 13]])


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.float32])
def test_classes_may_be_any_numbers(read_here: None, dtype: torch.dtype, tmp_path: Path) -> None:
    assert learned(tmp_path, foreign_sets.flat()[1].to(dtype)).synthetic.hard


def test_classes_may_stand_in_a_column(read_here: None, tmp_path: Path) -> None:
    assert learned(tmp_path, foreign_sets.flat()[1].unsqueeze(1)).synthetic.hard


def test_a_child_reads_the_same(tmp_path: Path) -> None:
    brought = read(locate(foreign_sets.mtt(tmp_path)), WANTED)
    assert torch.equal(brought.synthetic.images, foreign_sets.digits().images)
