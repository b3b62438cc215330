"""Clusters: k-means by hand and against scikit-learn, and the images that are chosen."""

import pytest
import torch
from sklearn.cluster import KMeans  # type: ignore[import-untyped]

from suite.core.distilling.by_class.clusters import Clusters, centres, nearest
from suite.core.distilling.matching import real_batches
from suite.core.seeding import generator
from suite.core.spec import Examples


def test_rounds_by_hand() -> None:
    # From 0 and 1: 0 | 1, 10, 11 with means 0 and 22/3; then 0, 1 | 10, 11 with means 1/2 and 21/2.
    points = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    for rounds, expected in ((0, [0, 1]), (1, [0, 22 / 3]), (2, [0.5, 10.5]), (9, [0.5, 10.5])):
        assert centres(points, points[:2], rounds).flatten().tolist() == pytest.approx(expected)


def test_a_centre_without_members_stays() -> None:
    points = torch.tensor([[0.0], [1.0]])
    assert centres(points, torch.tensor([[0.5], [0.5], [9.0]]), 3).flatten().tolist() == [0.5, 0.5, 9.0]


def test_centres_are_those_of_scikit_learn() -> None:
    points = torch.randn(200, 5, generator=generator(0)).double()
    theirs = KMeans(7, init=points[:7].numpy(), n_init=1, algorithm="lloyd", tol=0).fit(points.numpy())
    found = centres(points, points[:7], 100)
    torch.testing.assert_close(found, torch.from_numpy(theirs.cluster_centers_))
    rows = nearest(points, found)
    distances = (points[:, None] - found).norm(dim=2)
    assert torch.equal(rows, distances.argmin(0))


def test_each_class_has_images_near_its_own_centres() -> None:
    # Class 0 has images at 0, 1, 10 and 11, class 1 at 100 and 105, with rows that alternate at first.
    values = torch.tensor([0.0, 100, 1, 105, 10, 11])
    data = Examples(values.reshape(6, 1, 1, 1), torch.tensor([0, 1, 0, 1, 0, 0]), 2)
    chosen = Clusters.of(real_batches(data, 2), 9).choose(
        lambda images: images.flatten(1), torch.tensor([[0, 2], [1, 3]])
    )
    assert chosen.tolist() == [[0, 4], [1, 3]]


def test_filled_up_batches_stay_filled_up() -> None:
    values = torch.tensor([0.0, 1, 10, 11, 50])
    data = Examples(values.reshape(5, 1, 1, 1), torch.tensor([0, 0, 0, 0, 1]), 2)
    real = real_batches(data, 2)
    chosen = Clusters.of(real, 9).choose(lambda images: images.flatten(1), real.draw(generator(0)))
    assert chosen[1].tolist() == [4, 4] and sorted(chosen[0].tolist()) == [0, 2]
    assert real.weights is not None and real.weights[1].tolist() == [1, 0]
