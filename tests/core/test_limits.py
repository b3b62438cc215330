"""Limits are told by the name, the value and the bound; sets that fit no budget are refused."""

from dataclasses import dataclass, replace

import pytest
import torch

from suite.core.limits import Diverged, above_zero, at_least_one, check_set, not_negative
from suite.core.sets.codes import Images
from suite.core.sets.parametrisations import Linear
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Examples


@dataclass(frozen=True)
class Settings:
    count: int | None = 1
    rate: float = 0.1


def test_what_keeps_its_limit_passes() -> None:
    at_least_one(Settings(), "count")
    at_least_one(Settings(count=None), "count")
    above_zero(Settings(), "count", "rate")
    not_negative(Settings(rate=0.0), "rate")


def test_what_does_not_is_named() -> None:
    with pytest.raises(ValueError, match=r"^count 0 must be at least 1$"):
        at_least_one(Settings(count=0), "count")
    with pytest.raises(ValueError, match=r"^rate 0\.0 must be larger than 0$"):
        above_zero(Settings(rate=0.0), "count", "rate")
    with pytest.raises(ValueError, match=r"^rate -0\.1 must not be negative$"):
        not_negative(Settings(rate=-0.1), "rate")


TRAIN = Examples(torch.zeros(6, 1, 8, 8), torch.arange(6) % 3, 3)


def plain(classes: int = 3, ipc: int = 2, side: int = 8) -> SyntheticSet:
    return SyntheticSet(torch.zeros(classes, ipc, 1, side, side), one_hot(classes, ipc))


def linear(bases: int, side: int = 8) -> SyntheticSet:
    code = Linear(torch.zeros(bases, 1, 4, 4), torch.zeros(3, 5, bases), side, side)
    return SyntheticSet.from_parametrisation(code)


def test_a_set_that_fits_its_budget_passes() -> None:
    soft = replace(plain(), labels=plain().labels * 0.5)
    for made in (plain(), soft, linear(bases=12)):  # 12 * 16 numbers of bases, 3 * 5 * 12 of coefficients
        check_set(made, TRAIN, Budget(2))
    check_set(plain(ipc=1), TRAIN, Budget(2), growing=True)
    check_set(plain(ipc=4).quantised(8), TRAIN, Budget(2))  # 12 * (64 + 8) bytes of 6 * 256


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (plain(side=9), r"images are \(1, 9, 9\); return \(1, 8, 8\), as the task's are"),
        (plain(classes=4), "the set has 4 classes; return the task's 3"),
        (plain(ipc=3), "the set has 3 images per class; return the budget's 2"),
        (plain(ipc=1), "the set has 1 images per class"),
        (
            replace(plain(), images=plain().images.double()),
            r"are torch\.float64; return torch\.float32",
        ),
        (replace(plain(), labels=plain().labels.half()), r"labels are torch\.float16"),
        (replace(plain(), labels=plain().labels - 0.1), "labels are negative"),
        (linear(bases=13), "the set stores 1612 bytes; ipc 2 allows 1536"),
        (linear(bases=1, side=4), r"images are \(1, 4, 4\)"),
        (replace(plain(), images=plain().images.byte()), r"images are torch\.uint8; return torch\.float32$"),
        (plain(ipc=8).quantised(8), "the set stores 1728 bytes; ipc 2 allows 1536"),
        (SyntheticSet.from_parametrisation(Images(plain().images.half())), "images are torch.float16"),
    ],
)
def test_any_other_set_is_refused(made: SyntheticSet, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_set(made, TRAIN, Budget(2))


def test_growing_ends_at_the_budget() -> None:
    for ipc in (0, 3):
        with pytest.raises(ValueError, match="return the budget's 2"):
            check_set(plain(ipc=ipc), TRAIN, Budget(2), growing=True)


@pytest.mark.parametrize("name", ["images", "labels"])
def test_a_set_that_is_not_finite_has_diverged(name: str) -> None:
    made = replace(plain(), **{name: getattr(plain(), name) / 0})
    with pytest.raises(Diverged, match=f"the set's {name} are not finite"):
        check_set(made, TRAIN, Budget(2))


@pytest.mark.parametrize("lr", [0.0, -0.1, float("nan"), float("inf")])
def test_a_learned_rate_that_trains_nothing_has_diverged(lr: float) -> None:
    check_set(replace(plain(), lr=0.1), TRAIN, Budget(2))
    with pytest.raises(Diverged, match=r"the set's learned rate is .*, not a number above 0"):
        check_set(replace(plain(), lr=lr), TRAIN, Budget(2))
