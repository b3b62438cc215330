"""HDF5 and safetensors files, and the manifest beside the latter."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from suite.core.sets.artefacts import write_artefact
from suite.external.locate import locate
from suite.external.readers.tables import read_h5, read_safetensors
from suite.external.sandbox import read
from suite.external.validate import Refused
from suite.records.store import Store
from tests.support import foreign_sets
from tests.support.foreign_sets import WANTED

PIXELS = np.arange(20 * 64, dtype="f4").reshape(20, 64)


def h5(folder: Path, **datasets: object) -> Path:
    with h5py.File(folder / "set.h5", "w") as file:
        for name, value in datasets.items():
            file[name] = value
    return folder / "set.h5"


def test_rows_are_flat_images(tmp_path: Path) -> None:
    found = read_h5(h5(tmp_path, data=PIXELS), WANTED)
    assert found.format == "h5" and found.labels is None
    assert torch.equal(found.images, torch.from_numpy(PIXELS))


@pytest.mark.parametrize("dtype", ["<u2", ">i4", ">f8"])
def test_numbers_of_any_size_and_order_are_read(dtype: str, tmp_path: Path) -> None:
    labels = np.arange(20).astype(dtype)
    found = read_h5(h5(tmp_path, data=PIXELS, label=labels), WANTED).labels
    assert found is not None and found.tolist() == list(range(20))


def test_a_file_is_refused_before_its_pixels_are_read(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="19 images; 10 classes"):
        read_h5(h5(tmp_path, data=PIXELS[:19]), WANTED)
    (tmp_path / "set.h5").write_bytes(b"no HDF5")
    with pytest.raises(Refused, match=r"set\.h5 is damaged, or not an HDF5 file"):
        read_h5(tmp_path / "set.h5", WANTED)


def test_safetensors_without_a_manifest_have_no_facts(tmp_path: Path) -> None:
    images, labels = foreign_sets.flat()
    save_file({"images": images, "labels": labels}, tmp_path / "set.safetensors")
    found = read_safetensors(tmp_path / "set.safetensors", None)
    assert torch.equal(found.images, images) and found.manifest == {}


def test_a_factorised_set_is_told_how_to_be_decoded(tmp_path: Path) -> None:
    save_file({"bases": torch.ones(1), "coefficients": torch.ones(1)}, tmp_path / "set.safetensors")
    with pytest.raises(Refused, match="is factorised and stores no images; `ratbench export --format pt`"):
        read_safetensors(tmp_path / "set.safetensors", None)


@pytest.mark.usefixtures("read_here")
class TestManifests:
    def manifest(self, store: Store) -> Path:
        facts = {"preprocessing": {"kind": "normalise"}, "data": "…", "trial": {}}
        write_artefact(store.artefact("set"), foreign_sets.digits(), facts)
        return store.artefact("set")

    def test_what_it_says_is_read(self, store: Store) -> None:
        found = read(locate(self.manifest(store)), WANTED)
        assert found.manifest["preprocessing"] == {"kind": "normalise"}
        assert found.synthetic.minibatch.per_class is None

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ("[]", "is not a manifest"),
            ('{"preprocessing": {}, "sha256": "0"}', "does not match the sha256"),
            (" " * 2**20 + "{}", "larger than a manifest may be"),
        ],
        ids=["broken", "deep", "list", "other", "large"],
    )
    def test_one_that_is_wrong_is_refused(self, store: Store, text: str, reason: str) -> None:
        path = self.manifest(store)
        path.with_suffix(".json").write_text(text)
        with pytest.raises(ValueError, match=reason):
            read(locate(path), WANTED)
