"""K-Center: orders worked by hand."""

from importlib import import_module

import torch

K_CENTER = import_module("suite.plugins.methods.k_center").METHOD


def test_k_center_starts_in_the_middle_and_takes_the_farthest() -> None:
    # Mean 3: nearest is 2 (row 2). Farthest from 2 is 9. Then distances to {2, 9}: 0 has 2, 1 has 1.
    features = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    assert K_CENTER().order(features, 4).tolist() == [2, 3, 0, 1]


def test_k_center_takes_duplicates_once_each() -> None:
    assert sorted(K_CENTER().order(torch.ones(4, 2), 4).tolist()) == [0, 1, 2, 3]


def test_k_center_measures_to_the_nearest_that_it_has() -> None:
    # The mean is (4.4, 3.4), nearest is row 2. From it the others are 4, 6, -, 9, 8: row 3. That is 1 from
    # row 4, so the distances are 4, 6, -, -, 1: rows 1, 0, 4.
    features = torch.tensor([[0.0, 0.0], [10.0, 0.0], [4.0, 0.0], [4.0, 9.0], [4.0, 8.0]])
    assert K_CENTER().order(features, 5).tolist() == [2, 3, 1, 0, 4]
