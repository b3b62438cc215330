"""Files by torch: a pair of tensors, or the dict of DC, DSA and DM; nothing else."""

import re
import zipfile
from dataclasses import replace
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


def test_a_learned_rate_stands_beside_them(tmp_path: Path) -> None:
    foreign_sets.mtt(tmp_path)
    files = [tmp_path / f"{what}_best.pt" for what in ("images", "labels", "lr")]
    for lr in (
        0.0717,
        torch.tensor(0.0717, dtype=torch.float64),
        torch.tensor([0.0717], dtype=torch.float64),
    ):
        torch.save(lr, files[2])
        found = read(files, WANTED)
        assert found.lr == 0.0717 and found.notes == ("the learned rate 0.0717 of lr_best.pt is read",)
    for odd, reason in ((-1.0, "is -1; it must be a number above 0"), (torch.zeros(2), "is a tensor 2, not")):
        torch.save(odd, files[2])
        with pytest.raises(Refused, match=reason):
            read(files, WANTED)


def test_a_rate_counts_wherever_it_stands(tmp_path: Path) -> None:
    """In a file without a number, in the dict of DC's code, or beside that dict."""
    foreign_sets.mtt(tmp_path)
    torch.save(0.02, tmp_path / "lr.pt")
    pair = [tmp_path / f"{what}_best.pt" for what in ("images", "labels")]
    assert read([*pair, tmp_path / "lr.pt"], WANTED).lr == 0.02
    images, labels = foreign_sets.flat()
    for fields, beside in (({"lr": 0.02}, []), ({}, [tmp_path / "lr.pt"])):
        torch.save({"data": [[images, labels]], **fields}, tmp_path / "images.pt")
        found = read([tmp_path / "images.pt", *beside], WANTED)
        assert found.lr == 0.02 and found.format == "dc"


def test_two_rates_are_refused(tmp_path: Path) -> None:
    foreign_sets.mtt(tmp_path)
    files = [tmp_path / name for name in ("images_best.pt", "labels_best.pt", "lr_best.pt", "lr.pt")]
    for rate, path in zip((0.02, 0.03), files[2:], strict=True):
        torch.save(rate, path)
    with pytest.raises(Refused, match=r"is 0\.02 in lr_best\.pt and 0\.03 in lr\.pt; leave the"):
        read(files, WANTED)
    torch.save({"images": foreign_sets.flat()[0], "labels": foreign_sets.flat()[1], "lr": 0.4}, files[0])
    with pytest.raises(Refused, match=r"is 0\.4 in the file itself and 0\.03 in lr\.pt"):
        read([files[0], files[3]], WANTED)


def test_of_several_runs_the_last_one_counts_and_this_is_said(tmp_path: Path) -> None:
    """The first one's images are all 0."""
    path = foreign_sets.dc(tmp_path)
    found = read([path], WANTED)
    assert found.format == "dc" and torch.equal(found.images, foreign_sets.flat()[0])
    assert found.notes == ("run 1 of the runs 0 to 1 is read; --run chooses another",)
    assert not read([path], replace(WANTED, run=0)).images.any()
    assert torch.equal(read([path], replace(WANTED, run=1)).images, found.images)
    with pytest.raises(Refused, match="--run 2: the file has the runs 0 to 1"):
        read([path], replace(WANTED, run=2))


class TestOtherLayouts:
    def saved(self, value: object, folder: Path) -> Path:
        torch.save(value, folder / "set.pt")
        return folder / "set.pt"

    def test_idcs_list(self, tmp_path: Path) -> None:
        images, labels = foreign_sets.flat()
        found = read([self.saved([images, labels], tmp_path)], WANTED)
        assert found.format == "idc" and torch.equal(found.images, images)
        assert "--factor 2 decodes them" in found.notes[0]

    def test_a_single_run_without_a_list(self, tmp_path: Path) -> None:
        images, labels = foreign_sets.flat()
        found = read([self.saved({"data": [images, labels]}, tmp_path)], WANTED)
        assert torch.equal(found.images, images) and found.notes == ()
        with pytest.raises(Refused, match="--run 3: the file has one set; leave --run out"):
            read([tmp_path / "set.pt"], replace(WANTED, run=3))

    def test_a_dict_of_fields(self, tmp_path: Path) -> None:
        own = foreign_sets.digits()
        fields = {"images": own.images, "labels": own.labels, "lr": 0.3, "class_names": list("0123456789")}
        minibatch = {"per_class": 1, "classes": None}
        found = read([self.saved({**fields, "minibatch": minibatch}, tmp_path)], WANTED)
        assert torch.equal(found.images, own.images) and found.labels is not None
        assert torch.equal(found.labels, own.labels) and found.lr == 0.3
        assert found.class_names == tuple("0123456789") and found.manifest == {"minibatch": minibatch}

    def test_class_names_of_a_dict(self, tmp_path: Path) -> None:
        images, labels = foreign_sets.flat()
        for names in ({"class_names": {0: "bee", 1: "ant"}}, {"class_to_idx": {"ant": 1, "bee": 0}}):
            path = self.saved({"images": images, "labels": labels, **names}, tmp_path)
            assert read([path], WANTED).class_names == ("bee", "ant")
        for odd in ("bee,ant", torch.zeros(2)):
            path = self.saved({"images": images, "labels": labels, "class_names": odd}, tmp_path)
            with pytest.raises(Refused, match="the class names in 'class_names' are a"):
                read([path], WANTED)

    def test_what_a_dict_lacks_is_said(self, tmp_path: Path) -> None:
        images = foreign_sets.flat()[0]
        with pytest.raises(Refused, match="images but no tensor of labels; it holds a dict of 'x', 'note'"):
            read([self.saved({"x": images, "note": "…"}, tmp_path)], WANTED)
        with pytest.raises(Refused, match="the minibatch is a dict of 'size' that is none"):
            fields = {"images": images, "labels": images, "minibatch": {"size": 3}}
            read([self.saved(fields, tmp_path)], WANTED)


def test_images_need_their_labels(tmp_path: Path) -> None:
    torch.save(torch.zeros(20, 1, 8, 8), tmp_path / "images.pt")
    with pytest.raises(Refused, match="a tensor of images needs its labels beside it"):
        read([tmp_path / "images.pt"], WANTED)


@pytest.mark.parametrize(
    ("value", "there"),
    [
        ({}, "an empty dict"),
        ({"data": []}, "a dict of 'data'"),
        ({"data": [[torch.zeros(1)]]}, "a list of 1"),
        ({"data": 3}, "a dict of 'data'"),
        ({"state": {}, (1, 2): 3}, "a dict of 'state', tuple"),
        ([1, 2], "a list of 2"),
        ("text", "a str"),
    ],
)
def test_other_contents_are_refused_by_name(value: object, there: str, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "set.pt")
    with pytest.raises(Refused, match=f"neither a tensor nor .* (holds|is) {re.escape(there)}$"):
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
