"""Every field of a set, through every format that is written and back through its reader."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from suite.core.data.tasks import fingerprint
from suite.core.seeding import generator
from suite.core.sets.artefacts import load_set, save_set
from suite.core.sets.codes import Images
from suite.core.sets.parametrisations import (
    Frequencies,
    Linear,
    MultiFormation,
    Parametrisation,
    Quantised,
)
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet, one_hot
from suite.external.export import export
from suite.external.labels import as_targets, as_the_tasks
from suite.external.locate import EXACT, locate
from suite.external.preprocess import prepare
from suite.external.sandbox.parent import ForeignSet, read
from suite.external.validate import Wanted
from suite.external.writers.card import Format
from tests.support import foreign_sets

TASK = foreign_sets.task()
CLASSES, SHAPE = 10, (1, 8, 8)


@dataclass(frozen=True)
class Case:
    """What is drawn of a set; its numbers follow from the seed."""

    seed: int
    ipc: int
    labels: str
    code: str
    minibatch: Minibatch
    lr: float | None

    @property
    def synthetic(self) -> SyntheticSet:
        rng = generator(self.seed)
        code = self._code(rng)
        images = torch.randn(CLASSES, self.ipc, *SHAPE, generator=rng) if code is None else code.decode()
        labels = self._labels(images.shape[1], rng)
        minibatch = self.minibatch.within(*images.shape[:2])
        return SyntheticSet(images, labels, minibatch, code, self.lr)

    def _labels(self, count: int, rng: torch.Generator) -> Tensor:
        hard = one_hot(CLASSES, count)
        if self.labels == "hard":
            return hard
        noise = torch.rand(hard.shape, generator=rng)
        if self.labels == "probabilities":
            return (4 * hard + noise).softmax(-1)
        weights = 2 * hard + noise
        weights[0, 0] = torch.arange(CLASSES)  # the largest entry is not that of its class
        return weights

    def _code(self, rng: torch.Generator) -> Parametrisation | None:
        if self.code == "linear":
            coefficients = torch.randn(CLASSES, self.ipc, 3, generator=rng)
            return Linear(torch.randn(3, 1, 4, 4, generator=rng), coefficients, 8, 8)
        if self.code == "multi_formation":
            return MultiFormation(torch.randn(CLASSES, self.ipc, *SHAPE, generator=rng), 2)
        if self.code == "frequencies":
            return Frequencies.of(torch.randn(CLASSES, self.ipc, *SHAPE, generator=rng), 5)
        if self.code == "quantised":
            return Quantised.encode(Images(torch.randn(CLASSES, self.ipc, *SHAPE, generator=rng)), 4)
        return None


CASES = st.builds(
    Case,
    seed=st.integers(0, 99),
    ipc=st.integers(1, 3),
    labels=st.sampled_from(["hard", "probabilities", "weights"]),
    code=st.sampled_from(["none", "linear", "multi_formation", "frequencies", "quantised"]),
    minibatch=st.builds(Minibatch, st.none() | st.integers(1, 3), st.none() | st.integers(1, CLASSES)),
    lr=st.none() | st.floats(1e-6, 1e3),
)

QUICKLY = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def same(found: SyntheticSet, own: SyntheticSet) -> None:
    """Expect every field of `own`, bit for bit."""
    assert torch.equal(found.images, own.images) and torch.equal(found.labels, own.labels)
    assert found.minibatch == own.minibatch and found.lr == own.lr
    assert type(found.parametrisation) is type(own.parametrisation)
    if found.parametrisation is not None and own.parametrisation is not None:
        assert found.parametrisation.settings == own.parametrisation.settings
        for name, value in own.parametrisation.tensors.items():
            assert torch.equal(found.parametrisation.tensors[name], value)


def brought(path: Path, case: Case) -> ForeignSet:
    return read(locate(path), Wanted(CLASSES, case.ipc, SHAPE))


def as_evaluated(path: Path, case: Case) -> SyntheticSet:
    """Return the set that `ratbench evaluate` would train on."""
    found = brought(path, case)
    assert found.class_names == TASK.class_names
    assert found.manifest["preprocessing"] == TASK.preprocessing.describe()
    assert found.manifest["data"] == fingerprint(TASK)
    synthetic, _ = as_the_tasks(as_targets(found.synthetic, "weights")[0], found.class_names, TASK)
    return prepare(ForeignSet(found.format, synthetic, found.raw, found.manifest), TASK).synthetic


@QUICKLY
@given(CASES)
def test_an_artefact_has_every_field(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.safetensors"
        save_set(case.synthetic, path, TASK)
        same(load_set(path), case.synthetic)


@pytest.mark.filterwarnings("ignore:(pixels have mean|means of blocks)")  # the images are noise
@pytest.mark.parametrize("format", get_args(Format))
@QUICKLY
@given(CASES)
def test_every_field_survives_every_export_and_its_reader(
    read_here: None, format: Format, case: Case
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "set.safetensors", Path(folder) / "out"
        save_set(case.synthetic, path, TASK)
        said = " ".join(export(path, format, out))
        same(as_evaluated(out, case), case.synthetic)
        same(as_evaluated(out / EXACT, case), case.synthetic)
        same(load_set(out / EXACT), case.synthetic)
        assert ("pictures have 8 bits" in said) == (format in ("hf", "folder"))
        if format == "pt":
            same(as_evaluated(out / "images_best.pt", case), case.synthetic)


@pytest.mark.parametrize("format", ["hf", "folder", "pt"])
@QUICKLY
@given(CASES)
def test_a_format_alone_keeps_what_it_has_a_place_for(read_here: None, format: Format, case: Case) -> None:
    """Without the artefact beside it, as other software sees it."""
    own = case.synthetic
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "set.safetensors", Path(folder) / "out"
        save_set(own, path, TASK)
        said = " ".join(export(path, format, out))
        (out / EXACT).unlink()
        (out / "exact.json").unlink()
        found = read(locate(out), Wanted(CLASSES, own.ipc, SHAPE))
    if format == "pt":
        assert torch.equal(found.synthetic.images, own.images) and found.synthetic.lr == own.lr
        lost = {"the minibatch": own.minibatch != Minibatch()}
    else:
        pixels = TASK.preprocessing.invert(own.images.flatten(0, 1))
        assert (found.synthetic.images.flatten(0, 1) - pixels).abs().max() <= 0.5001 / 255
        lost = {"the minibatch": own.minibatch != Minibatch(), "the learned rate": own.lr is not None}
    if format != "folder" or own.hard:
        assert torch.equal(found.synthetic.labels, own.labels)
    lost["the labels are learned"] = format != "pt" and not own.hard
    lost["code of"] = own.parametrisation is not None
    for what, gone in lost.items():
        assert (what in said) == gone


def test_files_that_changed_since_the_export_are_not_taken_for_the_artefact(
    read_here: None, tmp_path: Path
) -> None:
    save_set(foreign_sets.digits(), tmp_path / "set.safetensors", TASK)
    export(tmp_path / "set.safetensors", "folder", tmp_path / "out")
    first, second = sorted((tmp_path / "out" / "3").iterdir())
    first.write_bytes(second.read_bytes())
    wanted = foreign_sets.WANTED
    with pytest.raises(ValueError, match="are no longer those exported with it; delete exact"):
        read(locate(tmp_path / "out"), wanted)
    (tmp_path / "out" / EXACT).unlink()
    assert read(locate(tmp_path / "out"), wanted).format == "folder"
