"""Stages of boosted distillation: how blocks and outer steps add up."""

from typing import Any

import pytest
import torch

from suite.core.distilling.boosting import Block, Growth, Stages, check_boosting, stages


def test_one_block_is_repeated_and_steps_are_split_evenly() -> None:
    found = stages(6, 2, 11, None)
    assert found == Stages((2, 2, 2), (4, 4, 3))
    assert found.sizes == (2, 4, 6) and found.ends == (4, 8, 11)


def test_blocks_and_steps_of_each_stage() -> None:
    found = stages(10, (1, 1, 3, 5), 100, (10, 20, 30, 40))
    assert found.sizes == (1, 2, 5, 10) and found.ends == (10, 30, 60, 100)


def test_a_distiller_grows_where_a_stage_has_had_its_steps() -> None:
    growth = Growth(Stages((1, 2), (2, 3)))
    seen = [(growth.advance(), growth.size, growth.earlier) for _ in range(5)]
    assert seen == [(False, 1, 0), (False, 1, 0), (True, 3, 1), (False, 3, 1), (False, 3, 1)]
    assert growth.milestones == (2,)


def test_growth_is_restored_where_it_was() -> None:
    growth, other = (Growth(Stages((1, 2), (2, 3))) for _ in range(2))
    for _ in range(3):
        growth.advance()
    other.load_state_dict(growth.state_dict())
    assert (other.size, other.stage, other.step_in_stage) == (3, 1, 1)


@pytest.mark.parametrize(("beta", "after"), [(0.0, [1, 1, 4]), (0.25, [1.5, 1.5, 4]), (1.0, [3, 3, 4])])
def test_updates_reach_earlier_stages_by_their_share(beta: float, after: list[float]) -> None:
    growth, images = Growth(Stages((2, 1), (1, 1))), torch.ones(1, 3, requires_grad=True)
    for _ in range(2):
        growth.advance()
    with growth.updating(images, beta), torch.no_grad():
        images += torch.tensor([[2.0, 2.0, 3.0]])
    assert images.tolist() == [after]


@pytest.mark.parametrize(
    ("ipc", "block", "steps", "stage_steps", "message"),
    [
        (12, 5, 10, None, "ipc 12 is not a sum of blocks of 5"),
        (4, 5, 10, None, "ipc 4 is not a sum of blocks of 5"),
        (10, (1, 1, 3), 10, None, r"ipc 10 is not a sum of blocks of \[1, 1, 3\]"),
        (10, 5, 10, (2, 3, 5), r"stage_steps \[2, 3, 5\]: ipc 10 takes 2 stages"),
        (10, 1, 9, None, "steps 9 are too few for 10 stages"),
    ],
)
def test_sizes_and_steps_that_do_not_fit_are_refused(
    ipc: int, block: Block, steps: int, stage_steps: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stages(ipc, block, steps, stage_steps)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": -0.1}, r"beta -0.1 must lie between 0"),
        ({"beta": 1.5}, r"beta 1.5 must lie between 0"),
        ({"block": 0}, "block 0: every stage adds at least 1 image per class"),
        ({"block": ()}, r"block \[\]: every stage"),
        ({"block": (1, 0)}, r"block \[1, 0\]: every stage"),
        ({"stage_steps": (4, 0)}, r"stage_steps \[4, 0\]: every stage takes at least 1 outer step"),
        ({"stage_steps": (4, 5)}, r"stage_steps \[4, 5\] are 9 in all, and steps is 10"),
    ],
)
def test_settings_that_make_no_stages_are_refused(changes: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"block": 1, "beta": 0.0, "steps": 10, "stage_steps": None, **changes}
    with pytest.raises(ValueError, match=message):
        check_boosting(**settings)
