"""`import suite`: what a notebook uses, and that it costs nothing until it is used."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import suite


def test_import_is_lazy_and_lists_its_names() -> None:
    code = "import sys, suite; print(*dir(suite)); assert not {'torch', 'ray'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == sorted(suite.__all__)


@pytest.mark.parametrize("name", suite.__all__)
def test_every_name_is_there_and_described(name: str) -> None:
    assert getattr(suite, name).__doc__
    assert f"    {name}" in (suite.__doc__ or "") or f", {name}  " in (suite.__doc__ or "")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'distill'; it has SGD, Adam"):
        suite.distill  # noqa: B018


def test_from_images_to_accuracies(tmp_path: Path) -> None:
    task, seen = suite.load_task("digits"), list[tuple[int, int]]()
    synthetic = suite.distil(
        "rat_bptt",
        task,
        1,
        seed=3,
        progress=lambda step, steps: seen.append((step, steps)),
        steps=2,
        unroll=3,
        window=2,
        real_batch=16,
        network="convnet-d1-w8-in",
        initial="real",
    )
    assert seen == [(1, 2), (2, 2)]
    suite.save_set(synthetic, tmp_path / "set.safetensors", task)
    again = suite.load_set(tmp_path / "set.safetensors")
    assert torch.equal(again.images, synthetic.images) and again.minibatch == synthetic.minibatch
    scores = suite.evaluate(again, task, "dc-300", network="mlp-w32", copies=2)
    assert len(scores.values["accuracy"]) == 2 and min(scores.values["accuracy"]) > 0.15


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((1, 9, 9), 10, r"images \(1, 9, 9\) does not fit the task 'digits': 10 classes of \(1, 8, 8\)"),
        ((1, 8, 8), 9, "a set of 9 classes"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(shape: tuple[int, ...], classes: int, message: str) -> None:
    synthetic = suite.SyntheticSet.from_flat(torch.zeros(classes, *shape), torch.arange(classes))
    with pytest.raises(ValueError, match=message):
        suite.evaluate(synthetic, suite.load_task("digits"))


def test_an_unknown_hyper_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="rat_bptt: unknown key 'windw'; did you mean 'window'"):
        suite.distil("rat_bptt", suite.load_task("digits"), 1, windw=3)
