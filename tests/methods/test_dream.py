"""DREAM: which real images it matches, when it chooses them anew, its start, and the authors' settings."""

from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch

from suite.core.distilling.by_class.clusters import Clusters
from suite.core.distilling.initial_images import random_choice
from suite.core.distilling.matching import real_batches
from suite.core.seeding import generator
from suite.core.sets.parametrisations import MultiFormation
from suite.core.spec import Budget
from suite.plugins.registry import published
from tests.support.small_data import few_digits

METHOD = import_module("suite.plugins.methods.dream").METHOD
DATA = few_digits(12)
QUICK: dict[str, Any] = {
    "steps": 9,
    "network_steps": 5,
    "cluster_every": 2,
    "real_batch": 3,
    "network_images": 16,
    "network": "convnet-d1-w4-in",
}


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(DATA, Budget(ipc), seed=0)


def test_a_step_matches_the_images_nearest_to_the_centres_of_the_current_network() -> None:
    run = started(augment="none")
    run.state = run.state + 0.1  # a network that differs from the one of the start
    drawn = real_batches(DATA, 3).draw(generator(0, "real batches"))
    clusters = Clusters.of(real_batches(DATA, 3), 100)
    expected = clusters.choose(partial(run.network.features, run.state[0]), drawn)
    images, seen = run.decoded().detach(), DATA.images[expected]
    loss = float(run.gap(images, seen, run.state[0])) / 10
    assert float(run.step()["outer_loss"]) == pytest.approx(loss, rel=1e-5)
    assert torch.equal(run.rows, expected) and not torch.equal(expected, drawn)


def test_images_are_chosen_anew_at_intervals_and_with_each_network(monkeypatch: pytest.MonkeyPatch) -> None:
    run, chosen = started(), list[int]()
    plain = Clusters.choose

    def watched(*given: Any) -> torch.Tensor:
        chosen.append(run.step_count)
        return plain(*given)

    monkeypatch.setattr(Clusters, "choose", watched)
    for _ in range(9):
        before = run.rows.clone()
        run.step()
        assert chosen[-1:] == [run.step_count - 1] or torch.equal(before, run.rows)
    assert chosen == [0, 2, 4, 5, 7]  # a second network begins in step 5


def test_formations_start_from_representative_images() -> None:
    run = started(2)
    first = run.network.initialise(generator(0, "networks"))
    assert torch.equal(first, run.state[0])
    start = torch.stack(random_choice(DATA, 8, seed=0))
    rows = Clusters.of(real_batches(DATA, 3), 100).choose(partial(run.network.features, first), start)
    expected = MultiFormation.of(DATA.images[rows], 2).decode()
    torch.testing.assert_close(run.synthetic().images, expected, atol=1e-5, rtol=1e-5)


def test_the_authors_settings() -> None:
    default = METHOD()
    assert (default.cluster_every, default.real_batch, default.network_steps) == (10, 128, 100)
    assert (default.steps, default.cluster_rounds, default.recipe) == (200_000, 100, "idc-1000-v2")
    assert published(METHOD, "svhn", 10) == {"network_images": 500}
    tiny = {"real_batch": 64, "network_images": 1000, "image_lr": 0.02}  # 5e-3, four times as many pixels
    assert published(METHOD, "tiny-imagenet", 10) == tiny
    assert published(METHOD, "tiny-imagenet", 50) == {**tiny, "image_lr": 4e-6}


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="cluster_every 0 must be at least 1"):
        METHOD(cluster_every=0)
