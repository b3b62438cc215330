"""Measured meta-gradients: those of the engine, averaged and compared."""

import math
from typing import Any

import pytest
import torch

from suite.core.spec import Budget
from suite.experiments.studies import find
from suite.experiments.studies.gradient_study import GradientStudy
from suite.plugins.smoke import smoke_data

SMALL: dict[str, Any] = {
    "initialisations": 3,
    "unroll": 4,
    "share": 0.5,
    "real_batch": 32,
    "inner_lr": 0.01,
    "network": "convnet-d1-w8-in",
}


def measured(steps: int = 3, seed: int = 0, **changes: Any) -> list[dict[str, float]]:
    run = GradientStudy(**{**SMALL, **changes}).start(smoke_data(), Budget(1), seed=seed)
    return [dict(run.step()) for _ in range(steps)]


def test_the_whole_unroll_is_what_it_is_compared_with() -> None:
    for found in measured(truncation="full"):
        assert found["cosine_to_full"] == pytest.approx(1, abs=1e-6)
        assert found["norm"] == found["full_norm"] > 0 and found["step_seconds"] > 0


def test_a_mean_is_no_longer_than_the_norms_that_it_averages() -> None:
    found = measured()
    norms = [each["norm"] for each in found]
    assert found[0]["mean_gradient_norm"] == pytest.approx(norms[0])
    for taken, each in enumerate(found, start=1):
        assert each["mean_gradient_norm"] <= sum(norms[:taken]) / taken + 1e-9
    assert len(set(norms)) == 3  # a fresh network each


def test_a_short_window_sees_another_gradient() -> None:
    found = measured(truncation="fixed", share=0.25)
    assert all(-1 <= each["cosine_to_full"] < 0.9999 for each in found)
    assert [each["full_norm"] for each in found] == [each["full_norm"] for each in measured()]


def test_a_seed_repeats_its_numbers() -> None:
    def numbers(seed: int) -> list[list[float]]:
        return [[each[name] for name in each if name != "step_seconds"] for each in measured(2, seed)]

    assert numbers(0) == numbers(0) and numbers(0) != numbers(1)


def test_a_run_goes_on_with_the_same_bits() -> None:
    study = GradientStudy(**SMALL)
    one, other = (study.start(smoke_data(), Budget(1), seed=seed) for seed in (0, 0))
    one.step()
    other.load_state_dict(one.state_dict())
    first, second = one.step(), other.step()
    assert {name: value for name, value in first.items() if name != "step_seconds"} == {
        name: value for name, value in second.items() if name != "step_seconds"
    }


@pytest.mark.parametrize(("share", "unroll", "window"), [(0.3, 10, 3), (0.01, 10, 1), (1.0, 7, 7)])
def test_a_window_is_a_share_of_the_unroll(share: float, unroll: int, window: int) -> None:
    assert GradientStudy(share=share, unroll=unroll).window == window


def test_images_are_not_learned() -> None:
    run = GradientStudy(**SMALL).start(smoke_data(), Budget(1), seed=0)
    before = run.images.clone()
    run.step()
    assert torch.equal(run.images, before) and math.isfinite(float(before.sum()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 0.0}, "share 0.0 must be above 0"),
        ({"initialisations": 0}, "initialisations 0 must be at least 1"),
        ({"augment": "flips"}, "unknown augmentation 'flips'"),
        ({"truncation": "full", "unroll": 0}, "must be at least 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GradientStudy(**{**SMALL, **changes})


def test_it_is_found_by_its_name() -> None:
    assert find("gradient_study") is GradientStudy
    with pytest.raises(ValueError, match="unknown study 'gradient_studdy'; did you mean 'gradient_study'"):
        find("gradient_studdy")
    with pytest.raises(ValueError, match="larger than the smallest class"):
        GradientStudy(**SMALL).check(smoke_data(), Budget(1000))
