"""Test images in a set are found; images of train, and of every committed set, are none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact
from suite.core.spec import Task
from suite.submissions import leaks
from tests.support.submissions import drawn

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def task() -> Task:
    return tasks.load("digits")


def noised(images: Tensor, share: float) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return images + share * images.std() * torch.randn(images.shape, generator=rng)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda images: images,
    "mirrored": lambda images: images.flip(4),
    "upside down": lambda images: images.flip(3),
    "turned": lambda images: images.rot90(1, (3, 4)),
    "brighter": lambda images: 0.6 * images + 0.3,
    "negative": lambda images: -images,
    "noised": lambda images: noised(images, 0.1),
    "moved": lambda images: images.roll(1, 4),
    "scaled": lambda images: leaks._zoomed(images.flatten(0, 1), 0.9).view_as(images),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_set_of_test_images_is_found_whatever_was_done_to_it(change: str, task: Task) -> None:
    hidden = drawn(task.split.read(), 2)
    found = leaks.find(replace(hidden, images=CHANGES[change](hidden.images)), task)
    assert found.reason and found.test_reads == 1


@pytest.mark.parametrize("change", ["none", "mirrored", "brighter", "negative"])
def test_one_test_image_among_others_is_named(change: str, task: Task) -> None:
    test, made = task.split.read(), drawn(task.train, 2)
    images = made.images.clone()
    images[3, 1] = CHANGES[change](test.images[7].view(1, 1, *test.shape)).view(test.shape)
    found = leaks.find(replace(made, images=images), task)
    told = "is test image 7" + " changed a little" * (change != "none")
    assert found.reason.startswith(f"the set holds 1 test image: image 1 of class 3 {told}")


def test_a_mixture_of_test_images_resembles_none_but_is_found(task: Task) -> None:
    first, second = (drawn(task.split.read(), 10, seed) for seed in (0, 1))
    found = leaks.find(replace(first, images=0.6 * first.images + 0.4 * noised(second.images, 0.3)), task)
    assert "was made with test images: of the " in replace(found, copies=()).reason


def test_images_of_train_are_no_test_images(task: Task) -> None:
    for seed in range(20):
        assert not leaks.find(drawn(task.train, (1, 10)[seed % 2], seed), task).reason


def test_changed_and_mixed_images_of_train_are_none(task: Task) -> None:
    first, second = (drawn(task.train, 10, seed) for seed in (0, 1))
    for images in (noised(first.images, 0.3), 0.5 * (first.images + second.images), first.images.roll(1, 3)):
        assert not leaks.find(replace(first, images=images), task).reason


def test_what_train_and_test_share_may_be_in_a_set(task: Task) -> None:
    """Datasets have images twice, in both splits."""
    made, images = drawn(task.train, 2), task.train.images.clone()
    images[5] = task.split.read().images[7]
    both = replace(task, train=replace(task.train, images=images))
    synthetic = replace(made, images=made.images.clone())
    synthetic.images[3, 1] = images[5]
    assert not leaks.find(synthetic, both).reason


def test_a_set_without_any_image_in_it_is_none(task: Task) -> None:
    made = drawn(task.train, 2)
    noise = torch.randn(made.images.shape, generator=torch.Generator().manual_seed(0))
    for images in (torch.zeros_like(noise), noise):
        assert not leaks.find(replace(made, images=images), task).reason


@pytest.mark.benchmark
def test_no_committed_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 70 of them, on Fashion-MNIST."""
    monkeypatch.setattr("suite.core.data.cache.usable_folder", lambda data: None)
    try:
        task = tasks.load("fashion-mnist")
    except tasks.DataMissing as missing:
        pytest.skip(str(missing))
    paths = sorted(ROOT.glob("results/**/artefacts/*.safetensors"))
    found = [leaks.find(load_artefact(path)[0], task) for path in paths]
    assert len(found) >= 70 and not [each.reason for each in found if each.reason]
    assert min(each.ratio for each in found) > 1.5 * leaks.RATIO
