"""Augmentations against numbers worked by hand.

Most are asked to do something to a 1x4x4 image of the numbers 0..15 with chosen uniform numbers.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from suite.core.examples import Examples
from suite.core.seeding import generator
from suite.core.training.augment import (
    AUGMENTATIONS,
    AugmentParams,
    CutMix,
    EachOneOf,
    OneOf,
    augment_for,
    augmentation,
)

NUMBERS = torch.arange(16.0).reshape(1, 1, 4, 4)
DSA = augmentation("dsa")


def augmented(operation: str, *uniform: float, images: Tensor = NUMBERS) -> Tensor:
    padded = [*uniform, 0.5, 0.5, 0.5][:3]
    return DSA.apply(images, AugmentParams(operation, torch.tensor([padded])))


def test_none_is_the_identity() -> None:
    none = augmentation("none")
    assert none.apply(NUMBERS, none.sample(1, generator(0))) is NUMBERS


def test_flip_mirrors_the_columns_below_one_half() -> None:
    assert augmented("flip", 0.49)[0, 0, 0].tolist() == [3, 2, 1, 0]
    assert torch.equal(augmented("flip", 0.51), NUMBERS)


def test_crop_shifts_by_an_eighth_with_zeros() -> None:
    # 4 * 0.125 + 0.5 = 1 pixel: uniforms in thirds mean -1, 0, 1. Down 1 takes row r + 1 to row r.
    shifted = augmented("crop", 0.9, 0.5)[0, 0]
    assert shifted[0].tolist() == [4, 5, 6, 7] and shifted[3].tolist() == [0, 0, 0, 0]
    shifted = augmented("crop", 0.5, 0.1)[0, 0]
    assert shifted[:, 0].tolist() == [0, 0, 0, 0] and shifted[:, 1].tolist() == [0, 4, 8, 12]
    assert torch.equal(augmented("crop", 0.5, 0.5), NUMBERS)


def test_cutout_blanks_half_of_each_side_and_is_cut_at_the_border() -> None:
    # Side 4: a hole of 2; its centre is floor(5 u) in 0..4, its first pixel centre - 1.
    ones = torch.ones(1, 1, 4, 4)
    assert augmented("cutout", 0.5, 0.5, images=ones)[0, 0].tolist() == [
        [1, 1, 1, 1],
        [1, 0, 0, 1],
        [1, 0, 0, 1],
        [1, 1, 1, 1],
    ]
    corner = augmented("cutout", 0.0, 0.99, images=ones)[0, 0]  # rows -1..0, columns 3..4
    assert corner.sum() == 15 and corner[0, 3] == 0


def test_color_is_brightness_then_saturation_then_contrast() -> None:
    # Two channels of one pixel, 1 and 3. Brightness u = .75 adds .25: 1.25 and 3.25. Their mean over
    # channels is 2.25; saturation 2 u = 1.5 gives 2.25 -+ 1.5: .75 and 3.75. The mean over all is
    # 2.25; contrast u + .5 = .75 gives 2.25 -+ 1.125.
    pixel = torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)
    seen = augmented("color", 0.75, 0.75, 0.25, images=pixel).flatten()
    assert seen.tolist() == pytest.approx([1.125, 3.375])


def test_saturation_leaves_one_channel_alone() -> None:
    assert torch.allclose(augmented("color", 0.5, 0.0, 0.5), NUMBERS)


def test_rotation_by_nothing_and_its_range() -> None:
    assert torch.allclose(augmented("rotate", 0.5), NUMBERS, atol=1e-5)
    # A lone pixel 4 right of the centre turns by at most 15 degrees: 4 sin 15 = 1.04 rows. Uniform 0
    # is -15 degrees, clockwise in an image whose rows run down.
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 8] = 1
    for uniform, rows in ((0.0, 1.04), (1.0, -1.04)):
        turned = augmented("rotate", uniform, images=image)[0, 0]
        centre = float((turned.sum(1) * torch.arange(9.0)).sum() / turned.sum())
        assert centre - 4 == pytest.approx(rows, abs=0.15)


def test_scale_samples_with_factors_between_1_over_1_2_and_1_2() -> None:
    # u with factor 1: (1 - 1/1.2) / (1.2 - 1/1.2) = 5/11.
    assert torch.allclose(augmented("scale", 5 / 11, 5 / 11), NUMBERS, atol=1e-4)
    # Factor 1.2 samples beyond the border: zeros come in; factor 1/1.2 stays inside.
    ones = torch.ones(1, 1, 8, 8)
    assert augmented("scale", 1.0, 1.0, images=ones)[0, 0, 0, 0] < 0.6
    assert torch.allclose(augmented("scale", 0.0, 0.0, images=ones), ones)


@pytest.mark.parametrize("name", ["dsa", "dsa-unmirrored", "flip-rotate"])
def test_a_draw_is_one_operation_for_a_batch_with_parameters_per_image(name: str) -> None:
    family, rng = augmentation(name), generator(0, "augmentation")
    draws = [family.sample(5, rng) for _ in range(200)]
    assert {one.uniform.shape for one in draws} == {(5, 3)}
    operations = {one.operation for one in draws}
    expected = {
        "dsa": {"color", "crop", "cutout", "flip", "scale", "rotate"},
        "flip-rotate": {"flip", "rotate"},
        "dsa-unmirrored": {"color", "crop", "cutout", "scale", "rotate"},
    }
    assert operations == expected[name]


@pytest.mark.parametrize("operation", ["color", "crop", "cutout", "flip", "scale", "rotate"])
def test_one_draw_serves_a_whole_batch_and_lets_gradients_through(operation: str) -> None:
    images = torch.rand(3, 1, 8, 8, generator=generator(0)).requires_grad_()
    draw = AugmentParams(operation, torch.tensor([[0.3, 0.6, 0.8]]))
    seen = DSA.apply(images, draw)
    alone = DSA.apply(images[2:], draw)
    assert seen.shape == images.shape and torch.allclose(seen[2:], alone)
    (gradient,) = torch.autograd.grad(seen.sum(), images)
    assert gradient.abs().sum() > 0


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'flip-rotate'"):
        augmentation("fliprotate")


def test_rotation_resamples_bilinearly_about_the_centre() -> None:
    # At 15 degrees the output right of the centre, at (1, 0), reads (cos, sin) = (.9659, .2588). A lone
    # pixel at (1, 0) weighs .9659 * (1 - .2588) there. The output above it, at (1, -1), reads
    # (cos + sin, sin - cos) = (1.2247, -.7071): (1 - .2247) * (1 - .7071). The one above the centre
    # reads (sin, -cos) = (.2588, -.9659): .2588 * (1 - .9659). No other is within a pixel of it.
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 2] = 1
    expected = torch.tensor([[0.0, 0.0088, 0.2271], [0.0, 0.0, 0.7159], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(augmented("rotate", 1.0, images=image)[0, 0], expected, atol=1e-4, rtol=0)


def test_scale_has_a_factor_for_each_axis_columns_first() -> None:
    # Two pixels 1 and 3 lie at -.5 and .5. Factor 1/1.2 reads them at -.41667 and .41667, a twelfth of
    # the way inwards: 1 + 2 / 12 and 3 - 2 / 12. Factor 1.2 reads at -.6 and .6, a tenth outwards,
    # where there is 0: .9 * 1 and .9 * 3. Along an axis of one pixel nothing is outside.
    row = torch.tensor([1.0, 3.0]).reshape(1, 1, 1, 2)
    for images, order in ((row, (0, 1)), (row.mT, (1, 0))):
        for first, second, expected in ((0.0, 1.0, [7 / 6, 17 / 6]), (1.0, 0.0, [0.9, 2.7])):
            uniform = (first, second)
            seen = augmented("scale", uniform[order[0]], uniform[order[1]], images=images)
            assert seen.flatten().tolist() == pytest.approx(expected)


def test_the_largest_shift_is_an_eighth_and_the_hole_half_of_a_side() -> None:
    ones = torch.ones(1, 1, 16, 16)
    # 16 / 8 = 2 rows and columns come in as zeros; 8 of 16 rows and columns go, from 4 to 11.
    assert augmented("crop", 0.0, 0.999, images=ones).sum() == 14 * 14
    hole = 1 - augmented("cutout", 0.5, 0.5, images=ones)[0, 0]
    assert hole.sum() == hole[4:12, 4:12].sum() == 64


def test_color_averages_over_one_image_with_all_its_pixels() -> None:
    # Contrast u + .5 = .5 halves the distance to the mean of each image: 2 and 6.
    images = torch.tensor([[1.0, 3.0], [4.0, 8.0]]).reshape(2, 1, 1, 2)
    seen = DSA.apply(images, AugmentParams("color", torch.tensor([[0.5, 0.5, 0.0]])))
    assert seen.flatten().tolist() == pytest.approx([1.5, 2.5, 5.0, 7.0])


@pytest.mark.parametrize("operation", ["color", "crop", "cutout", "flip", "scale", "rotate"])
def test_every_image_has_parameters_of_its_own(operation: str) -> None:
    images = torch.rand(2, 1, 8, 8, generator=generator(0))
    uniform = torch.tensor([[0.1, 0.8, 0.3], [0.9, 0.2, 0.6]])
    together = DSA.apply(images, AugmentParams(operation, uniform))
    for row in range(2):
        alone = DSA.apply(images[row : row + 1], AugmentParams(operation, uniform[row : row + 1]))
        torch.testing.assert_close(together[row : row + 1], alone)
    other = DSA.apply(images, AugmentParams(operation, uniform.flip(0)))
    assert not torch.allclose(together[0], other[0]) and not torch.allclose(together[1], other[1])


def test_a_batch_draws_different_parameters_for_its_images_and_repeats_them_for_its_seed() -> None:
    first, again = (DSA.sample(4, generator(3)) for _ in range(2))
    assert first.operation == again.operation and torch.equal(first.uniform, again.uniform)
    assert len(set(first.uniform.flatten().tolist())) == 12


@pytest.mark.parametrize("operation", ["color", "crop", "cutout", "flip", "scale", "rotate"])
def test_gradients_agree_with_finite_differences(operation: str) -> None:
    images = torch.rand(2, 2, 4, 4, generator=generator(0), dtype=torch.float64).requires_grad_()
    draw = AugmentParams(operation, torch.tensor([[0.3, 0.6, 0.8], [0.7, 0.2, 0.1]]))
    assert torch.autograd.gradcheck(lambda seen: DSA.apply(seen, draw), (images,))


class TestCutMix:
    """Three 4x4 images of 0s, 1s and 2s, whose first augmentation flips them, which changes nothing."""

    IMAGES = torch.arange(3.0)[:, None, None, None].expand(3, 1, 4, 4)
    TARGETS = torch.eye(3)

    def draw(self, whether: float, area: float, row: float, column: float) -> AugmentParams:
        """The partners are images 2, 0 and 1: the order of the numbers .3, .9 and .1 is 2, 0, 1."""
        uniform = torch.zeros(3, 8)
        uniform[:, 3] = torch.tensor([0.3, 0.9, 0.1])
        uniform[0, 4:] = torch.tensor([whether, area, row, column])
        return AugmentParams("flip", uniform)

    def test_a_rectangle_is_the_partners(self) -> None:
        # An area of .25 is half of each side: 2 of 4 pixels around pixel 2, rows and columns 1 and 2.
        seen = CutMix(OneOf(("flip",)), 0.5).apply(self.IMAGES, self.draw(0.4, 0.25, 0.5, 0.5))
        assert seen[0, 0].tolist() == [[0, 0, 0, 0], [0, 2, 2, 0], [0, 2, 2, 0], [0, 0, 0, 0]]
        assert seen[1, 0, 1:3, 1:3].eq(0).all() and seen[2, 0, 1:3, 1:3].eq(1).all()

    def test_targets_are_mixed_by_the_area_within_the_border(self) -> None:
        # At the upper left corner a quarter of the 2x2 pixels is left: 1 of 16.
        drawn = self.draw(0.4, 0.25, 0.0, 0.0)
        family = CutMix(OneOf(("flip",)), 0.5)
        assert family.apply(self.IMAGES, drawn)[0, 0].sum() == 2
        found = family.mix(self.TARGETS, drawn, (4, 4))
        assert found[0].tolist() == [15 / 16, 0, 1 / 16] and found[1].tolist() == [1 / 16, 15 / 16, 0]

    def test_nothing_is_mixed_above_the_probability(self) -> None:
        drawn, family = self.draw(0.5, 0.9, 0.5, 0.5), CutMix(OneOf(("flip",)), 0.5)
        assert torch.equal(family.apply(self.IMAGES, drawn), self.IMAGES)
        assert torch.equal(family.mix(self.TARGETS, drawn, (4, 4)), self.TARGETS)

    def test_it_augments_first(self) -> None:
        images = torch.rand(3, 1, 4, 4, generator=generator(0))
        seen = CutMix(OneOf(("flip",)), 0.0).apply(images, self.draw(0.4, 0.25, 0.5, 0.5))
        assert torch.equal(seen, images.flip(3))

    def test_how_often_and_how_much(self) -> None:
        family, rng = augmentation("color+move+cutmix", mixing=True), generator(0, "augmentation")
        shares = []
        for _ in range(2000):
            drawn = family.sample(2, rng)
            seen = family.mix(torch.eye(2), drawn, (32, 32))
            if drawn.uniform[0, 6] > drawn.uniform[1, 6]:  # each is the other's partner
                shares.append(float(seen[0, 1]))
        mixed = torch.tensor(shares)
        assert abs(float((mixed > 0).float().mean()) - 0.5) < 0.05
        # Sides of share s, uniform centres: s (1 - s / 4) of a side is left on average, squared it is
        # s² - s³ / 2 + s⁴ / 16, whose mean over uniform s² is 1/2 - 1/5 + 1/48.
        assert abs(float(mixed[mixed > 0].mean()) - 0.321) < 0.04

    def test_only_who_mixes_labels_may_have_it(self) -> None:
        with pytest.raises(ValueError, match="'flip-cutmix' mixes images and labels"):
            augmentation("flip-cutmix")
        assert augmentation("flip-cutmix", mixing=True) == CutMix(OneOf(("flip",)), 1.0)


def test_only_cutmix_and_mixup_mix() -> None:
    mixing = {name for name, family in AUGMENTATIONS.items() if family.mixes}
    assert mixing == {name for name in AUGMENTATIONS if name.endswith(("cutmix", "mixup"))}
    assert len(mixing) == 11


def test_without_mixing_targets_stay() -> None:
    targets = torch.rand(3, 2, generator=generator(0))
    for name in ("none", "dsa"):
        family = augmentation(name)
        assert family.mix(targets, family.sample(3, generator(0)), (4, 4)) is targets


class TestOrder:
    """Operations that every batch has, with numbers of their own: 1x4x4 images of the numbers 0..15."""

    def test_before_and_after_the_drawn_one(self) -> None:
        # Brightness .75 adds .25, contrast .5 changes nothing; down 1 takes the row below; the hole is in the
        # middle. The crop's zeros come after the brightness, and the cutout's after the crop.
        family = OneOf(("crop",), before=("color",), after=("cutout",))
        uniform = torch.tensor([[0.75, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5]])
        seen = family.apply(NUMBERS, AugmentParams("crop", uniform))[0, 0]
        assert seen.tolist() == [
            [4.25, 5.25, 6.25, 7.25],
            [8.25, 0, 0, 11.25],
            [12.25, 0, 0, 15.25],
            [0, 0, 0, 0],
        ]

    def test_a_flip_comes_first(self) -> None:
        family = OneOf(("crop",), before=("flip", "color"))
        uniform = torch.tensor([[0.4, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.1, 0]])  # then right by -1
        seen = family.apply(NUMBERS, AugmentParams("crop", uniform))[0, 0]
        assert seen[0].tolist() == pytest.approx([0, 3, 2, 1])

    def test_every_batch_has_them_and_one_of_the_rest(self) -> None:
        family, rng = OneOf(("crop", "scale", "rotate"), before=("flip", "color")), generator(0)
        draws = [family.sample(4, rng) for _ in range(300)]
        counts = [sum(one.operation == name for one in draws) for name in family.operations]
        assert min(counts) > 70 and {one.uniform.shape for one in draws} == {(4, 9)}


def test_an_image_has_an_operation_of_its_own() -> None:
    family = EachOneOf(("flip", "cutout"))
    ones = torch.ones(3, 1, 4, 4).cumsum(3)
    uniform = torch.tensor([[0.49, 0.4, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [0.99, 0.5, 0.5, 0.5]])
    seen = family.apply(ones, AugmentParams("", uniform))
    assert seen[0, 0, 0].tolist() == [4, 3, 2, 1]
    assert torch.equal(seen[1:], DSA.apply(ones[1:], AugmentParams("cutout", uniform[1:, 1:])))


def test_digits_are_not_flipped() -> None:
    digits = Examples(torch.zeros(2, 1, 4, 4), torch.arange(2), 2, mirrored=False)
    others = replace(digits, mirrored=True)
    assert augment_for("dsa", others) == "dsa" and augment_for("dsa", digits) == "dsa-unmirrored"
    for name in AUGMENTATIONS:
        assert augment_for(name, others) == name
        if name != "flip-rotate":  # its authors flip digits as well
            assert "flip" not in repr(augmentation(augment_for(name, digits), mixing=True))
    assert augmentation("dsa-unmirrored") == OneOf(("color", "crop", "cutout", "scale", "rotate"))
    flipped, plain = (augmentation(name, mixing=True) for name in (IDC, augment_for(IDC, digits)))
    assert isinstance(flipped, CutMix) and isinstance(flipped.first, OneOf)
    assert plain == replace(flipped, first=replace(flipped.first, before=("color",)))


IDC = "flip+color+move+cutmix"
