"""Preprocessing of foreign sets: declared, inferred, said, and doubted where statistics contradict it."""

import os
import re
import warnings
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow import parquet  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn.functional import avg_pool2d

from suite.core.data import tasks
from suite.core.data.preprocessing import ZCA, Normalise
from suite.core.data.tasks import fingerprint
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Task, TestSplit
from suite.external.preprocess import Constants, Prepared, constants, doubts, prepare
from suite.external.sandbox.parent import ForeignSet
from tests.support import foreign_sets

TASK = foreign_sets.task()


def brought(images: Tensor, *, raw: bool = False, manifest: dict[str, Any] | None = None) -> ForeignSet:
    synthetic = SyntheticSet(images.view(10, 2, 1, 8, 8), one_hot(10, 2))
    return ForeignSet("mtt", synthetic, raw, manifest or {})


def quietly(given: ForeignSet, declared: Literal["task", "raw"] | None = None) -> Prepared:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return prepare(given, TASK, declared)


def images() -> Tensor:
    return foreign_sets.digits().images


def raw() -> Tensor:
    return TASK.preprocessing.invert(images().flatten(0, 1))


class TestKinds:
    def test_pixels_are_known_by_their_range(self) -> None:
        found = quietly(brought(raw()))
        assert found.kind == "raw" and "inferred: all values lie in [0, 1]" in found.line
        assert torch.allclose(found.synthetic.images, images(), atol=1e-5)

    def test_pixels_in_another_range_are_doubted(self) -> None:
        with pytest.warns(UserWarning, match=r"lie in \[-1, 1\], and would also fit.*--mean 0.5 --std 0.5"):
            found = prepare(brought(raw() * 2 - 1), TASK)
        assert found.kind == "task"
        by = Constants((0.5,), (0.5,))
        assert torch.allclose(
            prepare(brought(raw() * 2 - 1), TASK, by=by).synthetic.images, images(), atol=1e-5
        )

    def test_pixels_from_0_to_255_are_refused_until_their_scale_is_said(self) -> None:
        with pytest.raises(ValueError, match=r"if 255 is white, say --mean 0 --std 0\.00392157;"):
            prepare(brought(raw() * 255), TASK)
        found = prepare(brought(raw() * 255), TASK, by=constants("0", "0.00392157"))
        assert torch.allclose(found.synthetic.images, images(), atol=1e-5)
        assert prepare(brought(raw() * 1.1), TASK, "raw").kind == "raw"

    def test_preprocessed_images_in_the_range_of_pixels_are_doubted(self) -> None:
        own = images().clamp(0, 1)
        with pytest.warns(UserWarning, match=r"lie in \[0, 1\], and would also fit.*--preprocessing task"):
            assert prepare(brought(own), TASK).kind == "raw"
        assert torch.equal(quietly(brought(own), "task").synthetic.images, own)

    def test_what_is_declared_or_whitened_is_not_doubted_by_its_range(self) -> None:
        assert quietly(brought(images().clamp(-1, 1)), "task").kind == "task"
        own = whitened()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert prepare(brought(own.train.images[:20].clamp(-1, 1)), own).kind == "task"

    def test_anything_else_is_taken_as_the_tasks(self) -> None:
        found = quietly(brought(images()))
        assert found.kind == "task" and "inferred: values from -0.81 to 1.85" in found.line
        assert torch.equal(found.synthetic.images, images())

    def test_bytes_are_pixels(self) -> None:
        assert quietly(brought(raw(), raw=True)).reason == "bytes"
        with pytest.raises(ValueError, match="the images are bytes"):
            quietly(brought(raw(), raw=True), "task")

    def test_what_is_declared_holds(self) -> None:
        assert quietly(brought(images()), "task").reason == "declared"
        with pytest.warns(UserWarning, match="is --preprocessing task, or the task, the right one"):
            assert prepare(brought(raw()), TASK, "task").kind == "task"

    def test_other_constants_are_undone(self) -> None:
        by = Constants((0.2,), (0.5,))
        foreign = (raw() - 0.2) / 0.5
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = prepare(brought(foreign), TASK, by=by)
        assert found.kind == "normalised" and "(mean 0.2, std 0.5): this is undone" in found.line
        assert torch.allclose(found.synthetic.images, images(), atol=1e-5)

    @pytest.mark.parametrize(
        ("mean", "std", "reason"),
        [
            ("0.1", None, "--mean and --std belong together"),
            ("0.1", "a", "give numbers, one per channel"),
            ("0.1", "0.1,0.2", "one each per channel"),
            ("0.1", "0", "std > 0"),
        ],
    )
    def test_constants_that_are_none_are_refused(self, mean: str, std: str | None, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            constants(mean, std)

    def test_constants_must_fit_the_set(self) -> None:
        by = constants("0.1,0.1,0.1", "1,1,1")
        assert by == Constants((0.1, 0.1, 0.1), (1, 1, 1)) and constants(None, None) is None
        with pytest.raises(ValueError, match="has not one value for each of 1 channel"):
            prepare(brought(images()), TASK, by=by)
        with pytest.raises(
            ValueError, match="the images are bytes, which no preprocessing gives; leave --mean"
        ):
            prepare(brought(raw(), raw=True), TASK, by=by)
        with pytest.raises(ValueError, match="--preprocessing raw and --mean contradict each other"):
            prepare(brought(images()), TASK, "raw", by)
        same: dict[str, Any] = {"preprocessing": TASK.preprocessing.describe()}
        with pytest.raises(ValueError, match="which is not other constants; leave --mean and --std out"):
            prepare(brought(images(), manifest=same), TASK, by=by)

    def test_a_manifest_must_agree_with_the_task(self) -> None:
        same: dict[str, Any] = {"preprocessing": TASK.preprocessing.describe()}
        assert quietly(brought(images(), manifest=same)).reason == "its manifest says so"
        assert quietly(brought(images() * 9, manifest=same)).kind == "task"  # distillation may do this
        with pytest.raises(ValueError, match="leave --preprocessing out"):
            quietly(brought(images(), manifest=same), "raw")
        with pytest.raises(ValueError, match="prepared by 'zca', which is not what digits has"):
            quietly(brought(images(), manifest={"preprocessing": {"kind": "zca"}}))


def test_a_whitening_fitted_elsewhere_is_known_by_its_data() -> None:
    """Its matrix has other last bits there."""
    facts = {"preprocessing": {"kind": "zca", "matrix_sha256": "0"}, "data": fingerprint(whitened())}
    own = brought(whitened().train.images[:20], manifest=facts)
    assert "it cannot be checked" not in prepare(own, whitened()).line
    assert "it cannot be checked" in prepare(brought(whitened().train.images[:20]), whitened(), "task").line


def whitened() -> Task:
    """Return digits whitened with hardly any regularisation: the images are tiny."""
    pixels = TASK.preprocessing.invert(TASK.train.images)
    zca = ZCA.fit([pixels], regularisation=1e-3)
    train = Examples(zca.apply(pixels), TASK.train.labels, 10)
    return replace(TASK, train=train, split=TestSplit(train), preprocessing=zca)


class TestDoubts:
    def test_none_about_the_tasks_own_images(self) -> None:
        assert doubts(images().flatten(0, 1), TASK.train.images, whitened=False) == []
        own = whitened().train.images
        assert doubts(own[:20], own, whitened=True) == []

    def test_another_mean_or_deviation(self) -> None:
        for odd in (images() + 2, images() * 3, images() / 3):
            found = doubts(odd.flatten(0, 1), TASK.train.images, whitened=False)
            assert len(found) == 1 and found[0].startswith("pixels have mean")

    def test_constant_images_are_no_error(self) -> None:
        assert doubts(torch.zeros(20, 1, 8, 8), TASK.train.images, whitened=False)


DATA = Path(os.environ.get("RATBENCH_DATA") or "data")


@cache
def natural(name: str) -> Tensor:
    """Return 3000 images in [0, 1]; those of CIFAR-10 at half their size, to whiten them in a second."""
    if name == "fashion-mnist":
        try:
            task = tasks.load(name, data=DATA)
        except ValueError:
            pytest.skip("no Fashion-MNIST here")
        return task.preprocessing.invert(task.train.images[:3000])
    files = list((DATA / name).glob("train*.parquet"))
    if not files:
        pytest.skip(f"no {name} in $RATBENCH_DATA")
    rows = next(parquet.ParquetFile(files[0]).iter_batches(3000)).to_pylist()
    column = "img" if "img" in rows[0] else "image"
    pixels = [np.asarray(Image.open(BytesIO(row[column]["bytes"])).convert("RGB")) for row in rows]
    return avg_pool2d(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255, 2)


@cache
def spaces(name: str) -> dict[str, Tensor]:
    """Return the images normalised, whitened as tasks are, and whitened as by kornia."""
    pixels = natural(name)
    rows = pixels.flatten(1).double() - pixels.flatten(1).double().mean(0)
    values, vectors = torch.linalg.eigh(rows.T @ rows / (len(rows) - 1))
    kornia = rows @ (vectors * (values.clamp(min=0) + 0.1).rsqrt()) @ vectors.T
    return {
        "plain": Normalise.fit([pixels]).apply(pixels),
        "whitened": ZCA.fit([pixels], regularisation=0.1).apply(pixels),
        "kornia": kornia.float().view_as(pixels),
    }


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10-jpeg"])
class TestNaturalImages:
    """At the strength of the tasks' own whitening."""

    @pytest.mark.parametrize(
        ("own", "task", "doubt"),
        [
            ("plain", "plain", None),
            ("whitened", "whitened", None),
            ("whitened", "plain", "look whitened"),
            ("kornia", "plain", "look whitened|and deviation"),
            ("plain", "whitened", "look unwhitened"),
            ("kornia", "whitened", "whitened by another rule; tasks -kornia"),
        ],
    )
    def test_each_in_each_space(self, name: str, own: str, task: str, doubt: str | None) -> None:
        found = spaces(name)
        for images in (found[own][:100], found[own][100:200]):
            said = doubts(images, found[task], whitened=task != "plain")
            assert (said == []) if doubt is None else re.search(doubt, " ".join(said))
