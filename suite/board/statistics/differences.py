"""Compare methods: differences and weighted sums with intervals, and ranks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from suite.board.statistics import resampling
from suite.board.statistics.intervals import DIGITS, refuse


@dataclass(frozen=True)
class Copies:
    """The accuracies of the networks retrained on one distilled set.

    networks: the seed of these networks. If it is equal for two methods, their copies k start equal.
    """

    networks: int
    values: tuple[float, ...]


PerSeed = Mapping[int, Copies]
"""The accuracies of a method, by distillation seed."""


@dataclass(frozen=True)
class Difference:
    """One method's mean minus another's, with an interval. paired: whether seeds are drawn jointly."""

    mean: float
    low: float
    high: float
    paired: int

    @property
    def settled(self) -> bool:
        """Whether the interval excludes zero, so that one of the two is better."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Rank:
    """A rank. behind: the best row of the compared group minus this row; None for the first row."""

    rank: int
    behind: Difference | None


def difference(first: PerSeed, second: PerSeed, *, level: float = 0.95, seed: int = 0) -> Difference:
    """Return the difference of two means of seed means with a hierarchical bootstrap interval.

    The methods are paired by distillation seed if they share seeds: a resample draws the seeds of both
    jointly, and each mean is over the drawn seeds that its method has. They are paired by copy within a seed
    if both have the same number of copies from the same fresh networks. Otherwise seeds and copies are drawn
    separately. This is also done if only one of several seeds is shared: one pair shows no benefit.

    The percentiles are moved outwards, as a t interval of that many seeds is wider than a normal interval
    (the expanded percentile interval: Hesterberg 2015, arXiv 1411.5279). In simulations in which seeds and
    copies vary equally, each seed has five copies and half of the copies' variance comes from the networks,
    two equal methods differ in 14% of cases with 2 seeds, 8% with 3 and at most 5% with 5 or more; without
    the expansion in 31%, 18% and 13%. If copies hardly vary: 37% with 2 seeds, 14% with 3, about 5% with 5 or
    more.

    With one seed each, only copies are drawn, and the interval does not cover other distillations. With one
    copy of one seed each, low == mean == high.

    Raises ValueError as `interval` does.
    """
    return combination([(1.0, first), (-1.0, second)], level=level, seed=seed)


def combination(terms: Sequence[tuple[float, PerSeed]], *, level: float = 0.95, seed: int = 0) -> Difference:
    """Return a weighted sum of means of seed means, with an interval as in `difference`.

    Every term is paired with the first term or drawn separately, as for two methods. Full data has a separate
    seed; only its copies are drawn.

    Raises ValueError as `interval` does.
    """
    return _combination(tuple((weight, tuple(sorted(side.items()))) for weight, side in terms), level, seed)


@lru_cache(maxsize=resampling.REMEMBERED)
def _combination(
    terms: tuple[tuple[float, tuple[tuple[int, Copies], ...]], ...], level: float, seed: int
) -> Difference:
    sides = [dict(side) for _, side in terms]
    weights = [weight for weight, _ in terms]
    for per_seed in sides:
        refuse([copies.values for copies in per_seed.values()], level)
    mean = _sum(weights, [_mean(per_seed) for per_seed in sides])
    tail = 100 * _tail(_units(sides), level)
    found = _sum(weights, _resampled(sides, seed))
    low, high = resampling.ends(found[np.isfinite(found)], tail)
    mean, low, high = (round(float(value), DIGITS) for value in (mean, low, high))
    paired = [seeds for side in sides[1:] if (seeds := _paired(sides[0], side))]
    return Difference(mean, low, high, len(frozenset.intersection(*paired)) if paired else 0)


def ranks(rows: Sequence[PerSeed]) -> list[Rank]:
    """Return the rank of each row: competition ranks (1, 1, 3), equal for tied rows.

    In the order of means, a row joins the group of the previous row if the interval of its difference to the
    best row of that group contains zero; otherwise it opens the next group. So the best rows of neighbouring
    groups differ; other rows may differ or not. If nothing varied, only equal means tie.
    """
    means = [round(_mean(per_seed), DIGITS) for per_seed in rows]
    order = sorted(range(len(rows)), key=lambda place: -means[place])
    found: dict[int, Rank] = {}
    best, rank = 0, 1
    for number, at in enumerate(order, 1):
        behind = difference(rows[best], rows[at]) if found else None
        if behind is None or behind.settled:
            best, rank = at, number
        found[at] = Rank(rank, behind)
    return [found[at] for at in range(len(rows))]


def middle_ranks(ranks: Sequence[int]) -> list[float]:
    """Return ranks with the mean rank for tied rows: 1, 1, 3 gives 1.5, 1.5, 3."""
    return [float(rank) for rank in rankdata(ranks, method="average")]


def _mean(per_seed: PerSeed) -> float:
    return float(np.mean([np.mean(copies.values) for copies in per_seed.values()]))


def _paired(first: Mapping[int, object], second: Mapping[int, object]) -> frozenset[int]:
    """Return the seeds drawn jointly: the shared ones, unless only one of several is shared."""
    shared = first.keys() & second.keys()
    return frozenset(shared if len(shared) >= min(2, len(first.keys() | second.keys())) else ())


def _sum(weights: Sequence[float], values: Sequence[Any]) -> Any:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _units(sides: Sequence[PerSeed]) -> int:
    """Return the smallest number of varying units: seeds, or the copies of a single seed."""
    counts = [
        len(per_seed) if len(per_seed) > 1 else len(next(iter(per_seed.values())).values)
        for per_seed in sides
    ]
    return min((count for count in counts if count > 1), default=1)


@cache
def _tail(units: int, level: float) -> float:
    """Return the share of resampled values to leave out at each end."""
    tail = (1 - level) / 2
    if units < 2:
        return tail
    return float(norm.cdf(np.sqrt(units / (units - 1)) * student.ppf(tail, units - 1)))


def _resampled(sides: Sequence[PerSeed], seed: int) -> list[resampling.Floats]:
    """Return each side's mean in every resample; NaN if a resample drew none of its seeds."""
    shape = tuple(
        tuple((each, side[each].networks, len(side[each].values)) for each in sorted(side)) for side in sides
    )
    values = [[value for each in sorted(side) for value in side[each].values] for side in sides]
    parts = [
        [resampling.means(*each) for each in zip(values, weights, strict=True)]
        for weights in _weights(shape, seed)
    ]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


_Shape = tuple[tuple[tuple[int, int, int], ...], ...]
"""Of each side: its seeds in order, with their networks and the number of their copies."""


def _weights(shape: _Shape, seed: int) -> Iterable[Sequence[resampling.Floats]]:
    """Return the weights of each side's values in all resamples, in parts."""
    numbers = sum(len(side) * max(copies for *_, copies in side) for side in shape)
    parts = tuple(resampling.parts(numbers))
    few = numbers * resampling.RESAMPLES <= resampling.KEPT
    return _kept(shape, seed, parts) if few else _drawn(shape, seed, parts)


@lru_cache(maxsize=resampling.DRAWS)
def _kept(shape: _Shape, seed: int, parts: tuple[int, ...]) -> Sequence[Sequence[resampling.Floats]]:
    return tuple(_drawn(shape, seed, parts))


def _drawn(shape: _Shape, seed: int, parts: tuple[int, ...]) -> Iterator[Sequence[resampling.Floats]]:
    sides = [{each: (networks, copies) for each, networks, copies in side} for side in shape]
    rng, first = np.random.default_rng(seed), sides[0]
    paired = [frozenset(first), *(_paired(first, side) for side in sides[1:])]
    together = sorted({each for side, seeds in zip(sides, paired, strict=True) if seeds for each in side})
    orders = [together if seeds else sorted(side) for side, seeds in zip(sides, paired, strict=True)]
    alike = [
        np.array([each in seeds and first[each] == side[each] for each in together])
        for side, seeds in zip(sides, paired, strict=True)
    ]
    most = max(copies for side in sides for _, copies in side.values())
    for resamples in parts:
        shared = resampling.sample_seeds(len(together), rng, resamples)
        drawn = [
            shared if seeds else resampling.sample_seeds(len(order), rng, resamples)
            for seeds, order in zip(paired, orders, strict=True)
        ]
        chosen = [resampling.sample_copies(seeds, most, rng) for seeds in drawn]
        for at, seeds in enumerate(paired):
            if seeds:
                chosen[at] = np.where(alike[at][shared][..., None], chosen[0], chosen[at])
        yield [
            resampling.weights([side[each][1] if each in side else 0 for each in order], seeds, copies)
            for side, order, seeds, copies in zip(sides, orders, drawn, chosen, strict=True)
        ]
