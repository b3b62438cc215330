"""K-means: orders worked by hand."""

from importlib import import_module

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]

K_MEANS = import_module("suite.plugins.methods.k_means").METHOD


def test_k_means_takes_the_nearest_to_each_centre_the_largest_cluster_first() -> None:
    # Three clusters: 0, 1, 1.2, 4 with mean 1.55, nearest 1.2; 20, 21, 25 with mean 22, nearest 21; 50.
    features = torch.tensor([[50.0], [0.0], [21.0], [1.0], [20.0], [1.2], [25.0], [4.0]])
    assert K_MEANS().order(features, 3).tolist() == [5, 2, 0]
    # One cluster has the mean 15.275.
    assert K_MEANS().order(features, 1).tolist() == [4]


def test_k_means_takes_duplicates_once_each() -> None:
    with pytest.warns(ConvergenceWarning):
        assert sorted(K_MEANS().order(torch.ones(4, 2), 4).tolist()) == [0, 1, 2, 3]
