"""DELT: how many steps each image takes, where images start, and the authors' settings."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.core.spec import Budget, Examples
from suite.plugins.methods.delt import DELT, METHOD, medium
from suite.plugins.registry import native_recipe, published
from tests.support.small_data import few_digits

TINY: dict[str, Any] = {"epochs": 4, "network": "convnet-d1-w4-in"}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))


def train() -> Examples:
    return few_digits(8)


def started(ipc: int, seed: int, **settings: Any) -> Any:
    return DELT(**settings).start(train(), Budget(ipc), seed=seed)


@pytest.mark.parametrize(
    ("ipc", "iterations"),
    [
        # Eight rounds of 500 of 4000 steps: seven images in the first two rounds, six in each later one.
        (50, [4000] * 7 + [3500] * 7 + [s for s in (3000, 2500, 2000, 1500, 1000, 500) for _ in range(6)]),
        (10, [4000] * 2 + [3500] * 2 + [3000, 2500, 2000, 1500, 1000, 500]),
        (1, [4000]),
        (3, [4000, 3500, 3000]),
    ],
)
def test_iterations_of_each_image(ipc: int, iterations: list[int]) -> None:
    method = DELT()
    joined = torch.tensor([method.joined(ipc, step) for step in range(method.steps)])
    assert [int((joined > image).sum()) for image in range(ipc)] == iterations


def test_a_run_moves_the_images_that_have_joined_only() -> None:
    """Three images in rounds of two steps: one after the other."""
    run = started(3, 0, **TINY, steps=6, round_steps=2, image_lr=0.1)
    moved = []
    for _ in range(6):
        before = run.images.detach().clone()
        run.step()
        changed = (run.images != before).flatten(2).any(2)
        assert (changed == changed[:1]).all()  # in every class
        moved.append(changed[0].tolist())
    assert moved == [[True, False, False]] * 2 + [[True, True, False]] * 2 + [[True] * 3] * 2


def test_a_batch_has_whole_classes() -> None:
    """Two images of each class have joined; a batch of six has two classes of three."""
    run = started(3, 0, **TINY, steps=6, round_steps=2, batch=6)
    run.step_count = 2
    assert [rows.tolist() for rows in run.batches()][:2] == [[0, 1, 3, 4], [6, 7, 9, 10]]
    assert len(run.batches()) == 5


@pytest.mark.parametrize(("steps", "counts"), [(12, [10]), (500, [10]), (501, [5, 10]), (1200, [4, 7, 10])])
def test_a_run_of_any_length_ends_with_all_images(steps: int, counts: list[int]) -> None:
    """The last round is as long as what is left."""
    method = DELT(steps=steps)
    assert [method.joined(10, step) for step in range(0, steps, 500)] == counts
    assert method.joined(10, steps - 1) == 10


def test_images_of_medium_difficulty_come_first() -> None:
    """Of seven scores in order, the middle one is number 4 from 0; then the next larger, the next smaller."""
    scores = torch.tensor([0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.6])  # in order: 2 5 0 3 6 4 1
    assert medium(scores, 5).tolist() == [6, 4, 3, 1, 0]
    assert medium(scores, 7).tolist() == [6, 4, 3, 1, 0, 5, 2]
    assert medium(torch.tensor([0.5]), 1).tolist() == [0]


def test_images_start_from_real_ones() -> None:
    run = started(2, 0, **TINY, steps=2, round_steps=1)
    (net,), (teacher,) = run.known.networks, run.known.teachers
    for label, rows in enumerate(train().by_class()):
        with torch.no_grad():
            logits = partial(net.logits, teacher.parameters)(train().images[rows])
        places = logits.softmax(1)[:, label].argsort(stable=True)
        assert torch.equal(run.images[label], train().images[rows[places[[4, 5]]]])


def test_the_authors_settings() -> None:
    method = METHOD()
    assert (method.steps, method.round_steps, method.jitter, method.milestone) == (4000, 500, 0, 1)
    assert (method.image_lr, method.match_weight, method.batch) == (0.25, 0.01, 100)
    assert published(METHOD, "imagenet-1k", 50) == {}
    for family in ("cifar10", "tiny-imagenet", "imagenet-1k"):
        assert native_recipe(METHOD, family, 10) == "delt-300"


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="round_steps 0 must be at least 1"):
        DELT(round_steps=0)
    with pytest.raises(ValueError, match="ipc 9 is larger than the smallest class"):
        DELT(**TINY).check(train(), Budget(9))
