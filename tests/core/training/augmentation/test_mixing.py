"""Mixup on numbers worked by hand; CutMix is tested with the table in `test_augment.py`."""

import pytest
import torch

from suite.core.seeding import generator
from suite.core.training.augmentation.mixing import Mixup
from suite.core.training.augmentation.single import AugmentParams, Identity, OneOf


def test_images_and_targets_have_one_share() -> None:
    # Keys .2, .9, .5 order the partners: image 0 is mixed with 0, 1 with 2, 2 with 1; each keeps .75.
    params = AugmentParams("none", torch.tensor([[0.2, 0.75], [0.9, 0.75], [0.5, 0.75]]))
    mixup = Mixup(Identity(), 0.8)
    images = torch.tensor([0.0, 4.0, 8.0]).view(3, 1, 1, 1)
    assert mixup.apply(images, params).flatten().tolist() == [0.0, 5.0, 7.0]
    assert mixup.mix(torch.eye(3), params, (1, 1)).tolist() == [[1, 0, 0], [0, 0.75, 0.25], [0, 0.25, 0.75]]


def test_the_image_is_augmented_before_it_is_mixed() -> None:
    first = OneOf(("flip",))
    params = Mixup(first, 0.8).sample(4, generator(0))
    images = torch.randn(4, 1, 2, 2, generator=generator(1))
    seen = first.apply(images, AugmentParams("flip", params.uniform[:, :-2]))
    share, partners = params.uniform[0, -1], params.uniform[:, -2].argsort()
    expected = share * seen + (1 - share) * seen[partners]
    assert torch.allclose(Mixup(first, 0.8).apply(images, params), expected)


@pytest.mark.parametrize("alpha", [0.4, 0.8, 1.0])
def test_shares_have_a_beta_distribution(alpha: float) -> None:
    """Its mean is 1/2, its variance 1 / (4 (2 alpha + 1))."""
    mixup, rng = Mixup(Identity(), alpha), generator(0)
    draws = [mixup.sample(1, rng).uniform[0, -1] for _ in range(3000)]
    shares = torch.stack(draws)
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)
