"""Files by torch: a pair of tensors, or the dict of DC, DSA and DM; nothing else."""

import zipfile
from pathlib import Path

import pytest
import torch

from suite.external.readers.torch_files import read
from suite.external.validate import Refused
from tests.support import foreign_sets, hostile_files
from tests.support.foreign_sets import WANTED


def test_a_pair_is_images_and_labels(tmp_path: Path) -> None:
    foreign_sets.mtt(tmp_path)
    found = read([tmp_path / "images_best.pt", tmp_path / "labels_best.pt"], WANTED)
    images, labels = foreign_sets.flat()
    assert found.format == "mtt" and torch.equal(found.images, images)
    assert found.labels is not None and torch.equal(found.labels, labels)


def test_of_several_experiments_the_last_counts(tmp_path: Path) -> None:
    """The first one's images are all 0."""
    found = read([foreign_sets.dc(tmp_path)], WANTED)
    assert found.format == "dc" and torch.equal(found.images, foreign_sets.flat()[0])


def test_images_need_their_labels(tmp_path: Path) -> None:
    torch.save(torch.zeros(20, 1, 8, 8), tmp_path / "images.pt")
    with pytest.raises(Refused, match="a tensor of images needs its labels beside it"):
        read([tmp_path / "images.pt"], WANTED)


@pytest.mark.parametrize(
    "value", [{}, {"data": []}, {"data": [[torch.zeros(1)]]}, {"data": 3}, [1, 2], "text"]
)
def test_other_contents_are_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "set.pt")
    with pytest.raises(Refused, match="neither a tensor nor"):
        read([tmp_path / "set.pt"], WANTED)


def test_code_is_not_executed(tmp_path: Path) -> None:
    for make in (hostile_files.payload_zip, hostile_files.payload_legacy):
        with pytest.raises(Refused, match="holds more than tensors"):
            read([make(tmp_path)], WANTED)
    assert not (tmp_path / "ran").exists()


def test_a_zip_that_torch_would_not_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 100_000)
    with pytest.raises(Refused, match="has compressed parts, which torch never writes"):
        read([path], WANTED)
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(Refused, match="is a damaged zip file"):
        read([path], WANTED)
    path.write_bytes(b"no file of torch")
    with pytest.raises(Refused, match="is damaged, or not a file of tensors by torch"):
        read([path], WANTED)
