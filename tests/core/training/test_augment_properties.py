"""What holds of every augmentation, whatever the images and the seed."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from suite.core.seeding import generator
from suite.core.training.augment import AUGMENTATIONS, CutMix, OneOf, augmentation

MIXING = tuple(name for name, augment in AUGMENTATIONS.items() if augment.mixes)
PLAIN = tuple(name for name in AUGMENTATIONS if name not in MIXING)
EVERY_IMAGE_ALONE = settings(max_examples=60, deadline=None)

seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(PLAIN)
shapes = st.tuples(st.integers(1, 5), st.sampled_from((1, 3)), st.integers(2, 12), st.integers(2, 12))


def images(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=generator(seed, "images"))


@given(st.sampled_from(PLAIN + MIXING), shapes, seeds)
@settings(max_examples=120, deadline=None)
def test_shape_and_input_stay_and_a_seed_repeats(name: str, shape: tuple[int, ...], seed: int) -> None:
    augment, x = augmentation(name, mixing=True), images(shape, seed)
    before = x.clone()
    first, second = (augment.apply(x, augment.sample(len(x), generator(seed))) for _ in range(2))
    assert first.shape == x.shape and first.dtype == x.dtype and first.isfinite().all()
    assert torch.equal(first, second) and torch.equal(x, before)


@given(
    st.sampled_from(PLAIN + MIXING),
    shapes,
    st.sampled_from((torch.contiguous_format, torch.channels_last)),
    seeds,
)
@EVERY_IMAGE_ALONE
def test_the_memory_format_stays(
    name: str, shape: tuple[int, ...], memory: torch.memory_format, seed: int
) -> None:
    """A training step is compiled for each format that it sees."""
    augment, x = augmentation(name, mixing=True), images(shape, seed).contiguous(memory_format=memory)
    for number in range(12):
        seen = augment.apply(x, augment.sample(len(x), generator(seed, number)))
        assert seen.stride() == x.stride()


@given(names, shapes, seeds)
@EVERY_IMAGE_ALONE
def test_one_sample_serves_a_whole_batch(name: str, shape: tuple[int, ...], seed: int) -> None:
    """Real and synthetic images of a class share one sample: each image changes as it would alone."""
    augment, x = augmentation(name), images(shape, seed)
    params = augment.sample(1, generator(seed))
    alone = torch.cat([augment.apply(each[None], params) for each in x])
    assert torch.allclose(augment.apply(x, params), alone, atol=1e-5)


@given(names, shapes, seeds)
@EVERY_IMAGE_ALONE
def test_gradients_reach_the_images(name: str, shape: tuple[int, ...], seed: int) -> None:
    """Every operation is affine in the pixels, so that a finite step is its derivative."""
    augment, x = augmentation(name), images(shape, seed).double().requires_grad_()
    params = augment.sample(len(x), generator(seed))
    direction = images(shape, seed + 1).double()
    changed = augment.apply(x, params)
    weights = torch.randn(changed.shape, generator=generator(seed, "weights")).double()
    (gradient,) = torch.autograd.grad((weights * changed).sum(), x)
    moved = augment.apply(x.detach() + direction, params) - changed.detach()
    assert torch.allclose((gradient * direction).sum(), (weights * moved).sum(), rtol=1e-6, atol=1e-6)


def python_rectangle(numbers: list[float], size: tuple[int, int]) -> list[tuple[int, int]]:
    """The rows and columns (start, end), as one computes them from numbers that one has."""
    whether, area, *centre = numbers
    if whether >= 0.5:
        return [(0, 0), (0, 0)]
    spans = []
    for side, at in zip(size, centre, strict=True):
        middle, half = int(at * side), int(side * math.sqrt(area)) // 2
        spans.append((max(0, middle - half), min(side, middle + half)))
    return spans


@given(st.integers(1, 5), st.tuples(st.integers(1, 40), st.integers(1, 40)), seeds)
@settings(max_examples=200, deadline=None)
def test_a_rectangle_is_that_of_python(count: int, size: tuple[int, int], seed: int) -> None:
    """Of partners that are all ones in images of zeros, the rectangle and its share are to be seen."""
    augment = CutMix(OneOf(("flip",)), 0.5)
    params = augment.sample(count, generator(seed))
    (top, bottom), (left, right) = python_rectangle(params.uniform[0, 4:].tolist(), size)
    own = torch.arange(1.0, count + 1)[:, None, None, None].expand(count, 1, *size)
    partner = own[params.uniform[:, 3].argsort()]
    expected = own.clone()
    expected[:, :, top:bottom, left:right] = partner[:, :, top:bottom, left:right]
    assert torch.equal(augment.apply(own, params), expected)
    share = (bottom - top) * (right - left) / (size[0] * size[1])
    mixed = (1 - share) * own[:, :, 0, 0] + share * partner[:, :, 0, 0]
    assert torch.equal(augment.mix(own[:, :, 0, 0], params, size), mixed)


@given(st.sampled_from((0.5, 1.0)), st.integers(1, 6), st.integers(2, 5), st.integers(4, 12), seeds)
@EVERY_IMAGE_ALONE
def test_targets_are_mixed_as_the_pixels(
    share: float, count: int, classes: int, side: int, seed: int
) -> None:
    """Of constant images, one value a class, the mean pixel is the mean under the mixed targets."""
    augment = CutMix(OneOf(("flip",), before=("flip",)), share)
    params = augment.sample(count, generator(seed))
    labels = torch.randint(classes, (count,), generator=generator(seed, "labels"))
    targets = torch.nn.functional.one_hot(labels, classes).double()
    values = torch.arange(classes, dtype=torch.float64)
    x = values[labels][:, None, None, None].expand(count, 1, side, side)
    mixed = augment.mix(targets, params, (side, side))
    assert torch.allclose(mixed.sum(1), torch.ones(count).double()) and (mixed >= 0).all()
    assert torch.allclose(augment.apply(x, params).mean((1, 2, 3)), mixed @ values)
