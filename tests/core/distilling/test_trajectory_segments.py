"""Segments of trajectories: where they may start, and what is drawn."""

import pytest
import torch

from suite.core.distilling.experts import Experts
from suite.core.distilling.trajectory_segments import TrajectorySegments

KNOWN = Experts(tuple(torch.arange(7.0)[:, None] + 10 * expert for expert in range(3)), 0.0)
"""Three experts of six epochs, whose only parameter is the epoch, and ten for each expert before it."""


def test_the_bound_rises_from_early_to_end() -> None:
    rising = TrajectorySegments(length=2, first=0, end=5, early=1, growth=8)
    assert [rising.before(step) for step in (0, 1, 2, 4, 7, 8, 100)] == [1, 1, 2, 3, 4, 5, 5]
    assert TrajectorySegments(2, 0, 5).before(0) == 5


def test_segments_are_those_of_their_expert_and_length() -> None:
    segments, rng = TrajectorySegments(length=2, first=1, end=4), torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        start, end, epoch = segments.sample(KNOWN, 0, rng)
        assert end - start == 2 and start % 10 == epoch and 1 <= epoch < 4
        seen.add((int(start // 10), epoch))
    assert seen == {(expert, epoch) for expert in range(3) for epoch in (1, 2, 3)}


def test_early_steps_start_early() -> None:
    segments = TrajectorySegments(length=1, first=0, end=5, early=1, growth=10)
    rng = torch.Generator().manual_seed(0)
    assert {segments.sample(KNOWN, 0, rng)[2] for _ in range(50)} == {0}
    assert {segments.sample(KNOWN, 10, rng)[2] for _ in range(100)} == {0, 1, 2, 3, 4}


def test_experts_must_be_long_enough() -> None:
    TrajectorySegments(length=2, first=0, end=5).check(epochs=6)
    with pytest.raises(ValueError, match="a segment may end at epoch 7 = max_start_epoch 5 - 1"):
        TrajectorySegments(length=3, first=0, end=5).check(epochs=6)


@pytest.mark.parametrize(
    "segments",
    [
        TrajectorySegments(1, first=5, end=5),
        TrajectorySegments(1, first=-1, end=5),
        TrajectorySegments(1, first=2, end=5, early=2),
        TrajectorySegments(1, first=0, end=5, early=6),
    ],
)
def test_bounds_that_leave_no_epoch_are_refused(segments: TrajectorySegments) -> None:
    with pytest.raises(ValueError, match="raise the bound that leaves no epoch"):
        segments.check(epochs=100)
