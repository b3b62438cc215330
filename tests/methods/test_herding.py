"""Herding: orders worked by hand."""

from importlib import import_module

import torch

HERDING = import_module("suite.plugins.methods.herding").METHOD


def test_herding_follows_the_mean() -> None:
    # Mean of 0, 1, 2, 9 is 3. Nearest: 2. Then (2 + x) / 2 nearest to 3: x = 1 gives 1.5, x = 9 gives
    # 5.5, x = 0 gives 1: errors 1.5, 2.5, 2. Then (3 + x) / 3: x = 9 gives 4, x = 0 gives 1.
    features = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
    assert HERDING().order(features, 4).tolist() == [2, 1, 3, 0]


def test_herding_never_takes_an_image_twice() -> None:
    features = torch.ones(5, 2)
    assert sorted(HERDING().order(features, 5).tolist()) == [0, 1, 2, 3, 4]


def test_herding_works_in_two_dimensions() -> None:
    # The mean is (2, 1.75): nearest is row 3. ((2, 1) + x) / 2 is nearest to it for x near (2, 2.5):
    # rows 0, 1, 2 are (2, 2.5), (4, 2.5), (2, 3.5) off. ((2, 1) + x) / 3, x near (4, 4.25): row 1 is
    # (2, 4.25) off and row 2 (4, 1.75), although row 1 is nearer to the mean itself.
    features = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0], [2.0, 1.0]])
    assert HERDING().order(features, 4).tolist() == [3, 0, 2, 1]
    assert HERDING().order(features, 2).tolist() == [3, 0]
