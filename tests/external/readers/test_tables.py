"""HDF5, numpy's and safetensors files, and the manifest beside the last."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from suite.core.sets.artefacts import write_artefact
from suite.core.sets.parametrisations import Linear
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.external.locate import locate
from suite.external.readers.tables import read_h5, read_npz, read_safetensors
from suite.external.sandbox.parent import read
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


class TestFields:
    """By the names that people give them, in each kind of file."""

    @pytest.mark.parametrize(
        ("images", "labels"), [("images", "labels"), ("x_train", "y_train"), ("data", "targets"), ("X", "y")]
    )
    def test_names(self, images: str, labels: str, tmp_path: Path) -> None:
        arrays: dict[str, Any] = {images: PIXELS, labels: np.arange(20) % 10}
        np.savez(tmp_path / "set.npz", **arrays)
        found = read_npz(tmp_path / "set.npz", WANTED)
        again = read_h5(h5(tmp_path, **arrays), WANTED)
        assert (found.format, again.format) == ("npz", "h5")
        for each in (found, again):
            assert torch.equal(each.images, torch.from_numpy(PIXELS)) and each.labels is not None
            assert each.labels.tolist() == [*range(10), *range(10)]

    def test_the_rest_of_a_set(self, tmp_path: Path) -> None:
        targets, classes = np.full((20, 10), 0.1, "f4"), np.arange(20) // 2
        fields: dict[str, Any] = {"images": PIXELS, "labels": classes, "target": targets, "lr": 0.5}
        np.savez_compressed(tmp_path / "set.npz", **fields, class_names=np.array(list("abcdefghij")))
        found = read_npz(tmp_path / "set.npz", WANTED)
        assert found.labels is not None and found.labels.shape == (20, 10) and found.classes is not None
        assert found.classes.tolist() == classes.tolist() and found.lr == 0.5
        assert found.class_names == tuple("abcdefghij") and found.notes == ("the learned rate 0.5 is read",)

    def test_names_of_classes_as_labels(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "set.npz", x=PIXELS, y=np.array(list("jihgfedcba") * 2))
        found = read_npz(tmp_path / "set.npz", WANTED)
        assert found.class_names == tuple("abcdefghij") and found.labels is not None
        assert found.labels.tolist()[:10] == [*range(9, -1, -1)]


def test_safetensors_without_a_manifest_have_no_facts(tmp_path: Path) -> None:
    images, labels = foreign_sets.flat()
    save_file({"images": images, "labels": labels}, tmp_path / "set.safetensors")
    found = read_safetensors(tmp_path / "set.safetensors", None, WANTED)
    assert torch.equal(found.images, images) and found.manifest == {} and found.lr is None
    save_file({"images": images, "labels": labels}, tmp_path / "with.safetensors", {"lr": "0.02"})
    assert read_safetensors(tmp_path / "with.safetensors", None, WANTED).lr == 0.02


def test_a_code_needs_its_manifest(tmp_path: Path) -> None:
    save_file({"bases": torch.ones(1), "coefficients": torch.ones(1)}, tmp_path / "set.safetensors")
    with pytest.raises(
        Refused, match=r"how it is decoded stands in its manifest; put the artefact's set\.json"
    ):
        read_safetensors(tmp_path / "set.safetensors", None, WANTED)


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

    def test_all_fields_of_a_factorised_set_come_back(self, store: Store) -> None:
        code = Linear(torch.rand(3, 1, 4, 4), torch.rand(10, 4, 3), 8, 8)
        own = SyntheticSet(code.decode(), torch.rand(10, 4, 10), Minibatch(1, 2), code, 0.0717)
        write_artefact(store.artefact("set"), own, {"preprocessing": {}, "class_names": list("0123456789")})
        found = read(locate(store.artefact("set")), WANTED)
        assert torch.equal(found.synthetic.images, own.images)
        assert torch.equal(found.synthetic.labels, own.labels)
        assert isinstance(found.synthetic.parametrisation, Linear)
        assert torch.equal(found.synthetic.parametrisation.bases, code.bases)
        assert found.synthetic.lr == 0.0717 and found.synthetic.minibatch == Minibatch(1, 2)
        assert found.class_names == tuple("0123456789")

    def test_a_code_that_does_not_fit_is_refused(self, store: Store) -> None:
        code = Linear(torch.rand(3, 1, 4, 4), torch.rand(5, 4, 3), 8, 8)
        own = SyntheticSet(code.decode(), torch.rand(5, 4, 5), parametrisation=code)
        write_artefact(store.artefact("set"), own, {"preprocessing": {}})
        with pytest.raises(ValueError, match="5 groups; store those of 10 classes"):
            read(locate(store.artefact("set")), WANTED)

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

    def test_the_ipc_of_its_trial_or_of_the_part_is_read(self, store: Store) -> None:
        for part, size in (({}, 4), ({"part": {"ipc": 2}}, 2)):
            facts = {"preprocessing": {}, "trial": {"ipc": 4}, **part}
            write_artefact(store.artefact("set"), foreign_sets.digits(), facts)
            assert read(locate(store.artefact("set")), WANTED).manifest["ipc"] == size

    @pytest.mark.parametrize("names", ["bee,ant", 3, {"bee": 1}])
    def test_class_names_of_another_kind_are_refused(self, store: Store, names: object) -> None:
        facts = {"preprocessing": {}, "class_names": names}
        write_artefact(store.artefact("set"), foreign_sets.digits(), facts)
        with pytest.raises(ValueError, match="the class names in 'class_names' are a"):
            read(locate(store.artefact("set")), WANTED)


NAMES = tuple("9876543210")


def test_class_names_in_each_container(tmp_path: Path) -> None:
    images, labels = foreign_sets.flat()
    arrays = {"images": images.numpy(), "labels": labels.numpy()}
    names = np.array(NAMES)
    np.savez(tmp_path / "set.npz", images=arrays["images"], labels=arrays["labels"], names=names, classes=10)
    assert read_npz(tmp_path / "set.npz", WANTED).class_names == NAMES
    with h5py.File(tmp_path / "set.h5", "w") as file:
        for name, array in {**arrays, "class_names": np.array(NAMES, "S")}.items():
            file[name] = array
    assert read_h5(tmp_path / "set.h5", WANTED).class_names == NAMES
    header = {"class_to_idx": json.dumps({name: number for number, name in enumerate(NAMES)}), "note": "…"}
    save_file({"images": images, "labels": labels}, tmp_path / "set.safetensors", header)
    assert read_safetensors(tmp_path / "set.safetensors", None, WANTED).class_names == NAMES


def test_class_names_that_are_none_are_refused(tmp_path: Path) -> None:
    images, labels = foreign_sets.flat()
    np.savez(tmp_path / "set.npz", images=images.numpy(), labels=labels.numpy(), names=np.arange(10))
    with pytest.raises(Refused, match="the class names in 'names' are a tensor 10"):
        read_npz(tmp_path / "set.npz", WANTED)
    save_file({"images": images, "labels": labels}, tmp_path / "set.safetensors", {"class_names": "bee,ant"})
    with pytest.raises(Refused, match="the class names in 'class_names' are a str"):
        read_safetensors(tmp_path / "set.safetensors", None, WANTED)
