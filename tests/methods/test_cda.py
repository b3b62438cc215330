"""CDA: its curriculum of crops by hand."""

from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.core.spec import Budget
from suite.plugins.methods.cda import CDA, METHOD
from suite.plugins.registry import native_recipe, published
from tests.support.small_data import few_digits


def test_the_least_area_falls_from_the_whole_image() -> None:
    """1 at first, .08 + .92 / 2 in the middle, nearly .08 at the end."""
    method = CDA(steps=100)
    assert method.least(0) == 1.0 and method.least(50) == pytest.approx(0.54)
    assert method.least(99) == pytest.approx(0.08 + 0.92 * (1 + cos(0.99 * pi)) / 2)
    assert method.least(25) == pytest.approx(0.08 + 0.92 * (1 + 0.5**0.5) / 2)
    half = CDA(steps=100, milestone=0.5)
    assert half.least(25) == pytest.approx(0.54) and half.least(50) == half.least(99) == pytest.approx(0.08)


def test_crops_follow_the_curriculum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draw is the whole image at first, and a crop at the end; digits are not flipped."""
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    train = few_digits(4)
    run: Any = CDA(steps=10, epochs=1, network="convnet-d1-w4-in").start(train, Budget(1), seed=0)
    params, images = run.views.sample(1, run.rng), train.images[:3]
    assert torch.allclose(run.views.apply(images, params), images, atol=1e-5) and not run.views.mirrors
    for _ in range(9):
        run.step()
    assert run.views.least == pytest.approx(run.method.least(9))
    assert not torch.allclose(run.views.apply(images, params), images, atol=0.1)


def test_the_authors_settings() -> None:
    tiny, large = (METHOD(**published(METHOD, family, 50)) for family in ("tiny-imagenet", "imagenet-1k"))
    assert (tiny.steps, tiny.image_lr, tiny.match_weight, tiny.jitter) == (4000, 0.4, 0.05, 4)
    assert (large.steps, large.image_lr, large.match_weight, large.jitter) == (4000, 0.25, 0.01, 32)
    assert tiny.milestone == large.milestone == 1
    assert native_recipe(METHOD, "imagenet-1k", 50) == "sre2l-300"


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="milestone 0 must be larger than 0"):
        CDA(milestone=0)
