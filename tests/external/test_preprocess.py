"""Preprocessing of foreign sets: declared, inferred, said, and doubted where statistics contradict it."""

import warnings
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from suite.core.data.preprocessing import ZCA
from suite.core.data.tasks import fingerprint
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Examples, Task, TestSplit
from suite.external.preprocess import Constants, Prepared, constants, doubts, prepare
from suite.external.sandbox import ForeignSet
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

    def test_a_manifest_must_agree_with_the_task(self) -> None:
        same: dict[str, Any] = {"preprocessing": TASK.preprocessing.describe()}
        assert quietly(brought(images(), manifest=same)).reason == "its manifest says so"
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
        assert doubts(images().flatten(0, 1), TASK.train.images) == []
        own = whitened().train.images
        assert doubts(own[:20], own) == []

    def test_whitened_images_on_a_task_that_is_not(self) -> None:
        found = doubts(whitened().train.images[:20], TASK.train.images)
        assert any("look whitened" in doubt for doubt in found)

    def test_plain_images_on_a_whitened_task(self) -> None:
        rows = torch.arange(8.0)
        smooth = (rows[:, None] + rows).expand(20, 1, 8, 8) / 7 - 1
        found = doubts(smooth, whitened().train.images)
        assert any("look unwhitened" in doubt for doubt in found)

    def test_another_mean_or_deviation(self) -> None:
        for odd in (images() + 2, images() * 3, images() / 3):
            found = doubts(odd.flatten(0, 1), TASK.train.images)
            assert len(found) == 1 and found[0].startswith("pixels have mean")

    def test_constant_images_are_no_error(self) -> None:
        assert doubts(torch.zeros(20, 1, 8, 8), TASK.train.images)
