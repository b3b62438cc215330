"""`import suite`: what a notebook uses, and that it costs nothing until it is used."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import suite
from tests.support import broken_files


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
        ((1, 9, 9), 10, r"the set's images are \(1, 9, 9\); return \(1, 8, 8\), as the task's are"),
        ((1, 8, 8), 9, "the set has 9 classes; return the task's 10"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(shape: tuple[int, ...], classes: int, message: str) -> None:
    synthetic = suite.SyntheticSet.from_flat(torch.zeros(classes, *shape), torch.arange(classes))
    with pytest.raises(ValueError, match=message):
        suite.evaluate(synthetic, suite.load_task("digits"))


def test_an_unknown_hyper_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="rat_bptt: unknown key 'windw'; did you mean 'window'"):
        suite.distil("rat_bptt", suite.load_task("digits"), 1, windw=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.images.fill_(torch.nan), "the set's images are not finite"),
        (lambda made: made.labels.neg_(), "labels are negative"),
        (lambda made: made.labels.zero_(), "labels of the set are all zero"),
    ],
)
def test_a_set_that_cannot_be_scored_is_refused(
    change: Callable[[suite.SyntheticSet], object], message: str
) -> None:
    task = suite.load_task("digits")
    synthetic = suite.SyntheticSet.from_flat(torch.zeros(10, 1, 8, 8), torch.arange(10))
    change(synthetic)
    with pytest.raises(ValueError, match=message):
        suite.evaluate(synthetic, task)


def test_what_is_no_task_or_set_is_refused() -> None:
    with pytest.raises(TypeError, match=r"task is a str; pass suite.load_task\(name\)"):
        suite.distil("random_subset", "digits", 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the set is a Tensor; return a SyntheticSet"):
        suite.evaluate(torch.zeros(1), suite.load_task("digits"))  # type: ignore[arg-type]


def test_distil_checks_what_a_method_returns(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text(broken_files.OTHER_SIZE)
    with pytest.raises(ValueError, match=r"the set's images are \(1, 9, 9\); return \(1, 8, 8\)"):
        suite.distil(str(tmp_path / "large.py"), suite.load_task("digits"), 1)


def test_files_of_sets_are_named_in_errors(tmp_path: Path) -> None:
    task = suite.load_task("digits")
    synthetic = suite.distil("random_subset", task, 1)
    path = tmp_path / "set.safetensors"
    suite.save_set(synthetic, path, task)
    with pytest.raises(ValueError, match=r"set\.safetensors exists; choose another name"):
        suite.save_set(synthetic, path, task)
    with pytest.raises(ValueError, match=r"the name of a set's file ends in \.safetensors"):
        suite.save_set(synthetic, tmp_path / "set.pt", task)
    with pytest.raises(ValueError, match=r"no file .*none\.safetensors"):
        suite.load_set(tmp_path / "none.safetensors")
