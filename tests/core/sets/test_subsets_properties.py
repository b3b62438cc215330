"""What holds of every prefix and subset, whatever the set."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.core.seeding import generator
from suite.core.sets.subsets import cut
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.records.cells import Part

sizes = st.tuples(st.integers(2, 5), st.integers(1, 8))  # classes, images per class
seeds = st.integers(0, 1000)
FAST = settings(max_examples=60, deadline=None)


def made(size: tuple[int, int], seed: int, *, soft: bool) -> SyntheticSet:
    classes, ipc = size
    rng = generator(seed, "a set")
    labels = torch.rand(classes, ipc, classes, generator=rng) if soft else one_hot(classes, ipc)
    return SyntheticSet(torch.randn(classes, ipc, 1, 3, 3, generator=rng), labels)


def equal(one: SyntheticSet, other: SyntheticSet) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def positions(part: SyntheticSet, whole: SyntheticSet) -> list[list[int]]:
    """Return for each class where the images of a part stand in the whole; their labels stand there, too."""
    found = (part.images[:, :, None] == whole.images[:, None]).flatten(3).all(3)
    assert (found.sum(2) == 1).all()
    rows = found.int().argmax(2)
    assert torch.equal(part.labels, whole.labels[torch.arange(whole.classes)[:, None], rows])
    return rows.tolist()


@given(sizes, seeds, st.booleans(), st.data())
@FAST
def test_a_prefix_of_a_prefix_is_a_prefix(
    size: tuple[int, int], seed: int, soft: bool, data: st.DataObject
) -> None:
    whole = made(size, seed, soft=soft)
    first = data.draw(st.integers(1, size[1]))
    second = data.draw(st.integers(1, first))
    assert equal(whole.prefix(first).prefix(second), whole.prefix(second))
    assert whole.prefix(second).stored_bytes * first == whole.prefix(first).stored_bytes * second
    assert equal(cut(whole, Part(how="prefix", ipc=second), seed=seed), whole.prefix(second))
    assert positions(whole.prefix(second), whole) == [list(range(second))] * size[0]


@given(sizes, seeds, st.integers(0, 3), st.data())
@FAST
def test_random_subsets_are_nested_and_repeat_nothing(
    size: tuple[int, int], seed: int, index: int, data: st.DataObject
) -> None:
    whole = made(size, seed, soft=True)
    larger = data.draw(st.integers(1, size[1]))
    smaller = data.draw(st.integers(1, larger))
    one, other = (
        cut(whole.prefix(size[1]), Part(how="random", ipc=ipc, index=index), seed=seed)
        for ipc in (larger, smaller)
    )
    assert (one.ipc, other.ipc) == (larger, smaller)
    assert equal(one.prefix(smaller), other)
    for places in positions(one, whole):
        assert len(set(places)) == larger


@given(seeds)
@FAST
def test_classes_draws_and_seeds_have_random_subsets_of_their_own(seed: int) -> None:
    """Of eight images in a random order: two orders are equal once in 40320 times."""
    whole = made((4, 8), seed, soft=True)
    orders = [
        tuple(places)
        for own, index in ((seed, 0), (seed, 1), (seed + 1, 0))
        for places in positions(cut(whole, Part(how="random", ipc=8, index=index), seed=own), whole)
    ]
    assert len(set(orders)) >= len(orders) - 1


@given(sizes.filter(lambda size: size[1] > 1), seeds, st.data())
@FAST
def test_without_one_image_all_others_stay_in_order(
    size: tuple[int, int], seed: int, data: st.DataObject
) -> None:
    whole, index = made(size, seed, soft=True), data.draw(st.integers(0, size[1] - 1))
    left = cut(whole, Part(how="without", ipc=size[1] - 1, index=index), seed=seed)
    expected = [place for place in range(size[1]) if place != index]
    assert positions(left, whole) == [expected] * size[0]
