"""RDED: its crops and stitching by hand, what it chooses, what its labels are."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network, Shape
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins.registry import published
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.rded")
METHOD = MODULE.METHOD


def train() -> Examples:
    return few_digits(20)


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher that is the surer of every class the brighter the image is, and most of class 3."""

    def build(name: str, shape: Shape, classes: int) -> Network:
        weights = torch.ones(classes)
        weights[3] = 2
        layer = Layer(lambda own, x: x.mean((1, 2, 3))[:, None] * weights + own[0] * 0, ((1,),))
        return Network(name, shape, classes, (layer,))

    monkeypatch.setattr(MODULE, "network", build)
    monkeypatch.setattr(MODULE, "trained_network", lambda *_, **__: (torch.zeros(1), 100.0))


def started(ipc: int = 2, **changes: Any) -> Any:
    return METHOD(**{"candidates": 20, **changes}).start(train(), Budget(ipc), seed=0)


def patches_of(run: Any, label: int) -> Tensor:
    """Return the class's candidates cropped as the run crops them: (crops, n, …)."""
    rng, rows = generator(0, "patches", label), train().by_class()[label]
    images = train().images[rows[torch.randperm(len(rows), generator=rng)[: run.method.candidates]]]
    side = 8 // run.method.factor
    uniform = [torch.rand(len(images), 3, generator=rng) for _ in range(run.method.crops)]
    return torch.stack([MODULE.cropped(images, (side, side), each) for each in uniform])


@pytest.mark.usefixtures("bright")
def test_the_best_crop_of_each_of_the_best_images_is_chosen() -> None:
    run = started(3)
    assert run.cached_seconds == 0 and run.step() == {}
    assert run.cached_seconds == 100
    made = run.synthetic().images
    for label in (0, 3):
        patches = patches_of(run, label)
        means = patches.mean((2, 3, 4))
        # Class 3 gains by brightness; the others lose by it, since the teacher is surer of class 3.
        best = means.max(0) if label == 3 else means.min(0)
        order = best.values.argsort(descending=label == 3)[:3]
        for place, row in enumerate(order.tolist()):
            assert torch.allclose(made[label, place], patches[best.indices[row], row], atol=1e-6)


@pytest.mark.usefixtures("bright")
def test_labels_are_the_teachers_probabilities() -> None:
    run = started()
    assert run.synthetic().hard  # before it starts
    run.step()
    made = run.synthetic()
    weights = torch.ones(10)
    weights[3] = 2
    expected = (made.images.mean((2, 3, 4))[..., None] * weights).softmax(2)
    assert torch.allclose(made.labels, expected, atol=1e-6) and not made.hard
    assert torch.allclose(made.labels.sum(2), torch.ones(10, 2))


@pytest.mark.usefixtures("bright")
def test_four_crops_make_an_image_at_factor_two() -> None:
    run = started(2, factor=2)
    run.step()
    made = run.synthetic().images
    assert made.shape == (10, 2, 1, 8, 8)
    # The surest two are the two images' upper left corners. Zeros around a crop shrink its mean by four.
    patches = patches_of(run, 3)
    best = patches.mean((2, 3, 4)).max(0)
    order = best.values.argsort(descending=True)[:4].tolist()
    corners = [patches[best.indices[row], row] for row in order]
    assert torch.allclose(made[3, 0, :, :4, :4], corners[0], atol=1e-6)
    assert torch.allclose(made[3, 1, :, :4, :4], corners[1], atol=1e-6)
    assert torch.allclose(made[3, 0, :, :4, 4:], corners[2], atol=1e-6)


def test_stitching_by_hand() -> None:
    patches = torch.arange(8.0).view(8, 1, 1, 1)  # two images of four
    images = MODULE.stitched(patches, 2)
    assert images.flatten(1).tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert torch.equal(MODULE.stitched(patches, 1), patches)


def test_padding_puts_a_patch_in_the_middle_of_zeros() -> None:
    found = MODULE.padded(torch.ones(2, 3, 1, 2, 2), (1, 4, 4))
    assert found.shape == (6, 1, 4, 4) and found.sum() == 24
    assert found[0, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_a_crop_keeps_inside_and_takes_what_share_was_drawn() -> None:
    """A ramp from left to right, cropped: its middle and slope tell where, and how large, the crop is."""
    ramp = torch.arange(64.0).expand(500, 1, 64, 64)
    uniform = torch.rand(500, 3, generator=generator(0, "patches"))
    found = MODULE.cropped(ramp, (64, 64), uniform)
    middle = found.mean((1, 2, 3))
    share = (found[:, 0, 32, 40] - found[:, 0, 32, 24]) / 16  # of the side
    side = (0.08 + 0.92 * uniform[:, 0]).sqrt()
    assert torch.allclose(share, side, atol=1e-3)
    left = (64 - 64 * side) * uniform[:, 2]
    assert torch.allclose(middle, left + 32 * side - 0.5, atol=0.05)
    assert found.min() >= 0 and found.max() <= 63


def test_a_whole_image_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "SCALE", (1.0, 1.0))
    images = train().images[:5]
    uniform = torch.rand(5, 3, generator=generator(0))
    assert torch.allclose(MODULE.cropped(images, (8, 8), uniform), images, atol=1e-5)


def test_a_real_teacher_is_surer_of_what_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    run = started(2, epochs=8, network="convnet-d1-w8-in")
    teacher, _ = MODULE.trained_network(train(), "convnet-d1-w8-in", "dc-300", 8, seed=0)
    run.step()
    made, net = run.synthetic(), run.network
    images, targets = made.flat()
    chosen = net.logits(teacher, images)
    assert torch.allclose(chosen.softmax(1), targets, atol=1e-5)
    labels = torch.arange(10).repeat_interleave(2)
    all_of_them = cross_entropy(net.logits(teacher, train().images), train().labels)
    assert cross_entropy(chosen, labels) < all_of_them


def test_the_authors_settings() -> None:
    method = METHOD()
    assert (method.candidates, method.crops, method.factor, method.recipe) == (300, 5, 1, "rded-300-v2")
    for ipc in (1, 10, 20, 50):
        for family in ("imagenette-128", "imagewoof-128"):
            assert published(METHOD, family, ipc) == {"factor": 2}


@pytest.mark.parametrize(
    ("changes", "ipc", "message"),
    [
        ({"factor": 3}, 1, "factor 3 must be at least 1 and divide 8x8 images evenly"),
        ({"candidates": 3}, 4, "candidates 3: ipc 4 takes 4 of each class"),
        ({"factor": 2}, 6, "ipc 6 begins with 24 real images of each class"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], ipc: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{"network": "convnet-d1-w4-in", **changes}).check(train(), Budget(ipc))
