"""Differences by hand and against SciPy, tie groups, ranks."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, norm, ttest_ind, ttest_rel
from scipy.stats import t as student

from suite.board.statistics.differences import Copies, Difference, PerSeed, difference, middle_ranks, ranks
from suite.board.statistics.intervals import interval


def scored(*groups: Sequence[float], first: int = 0, networks: int = 0) -> PerSeed:
    """Return what seeds `first`, … scored; the fresh networks of a seed are `networks` + seed."""
    return {seed: Copies(networks + seed, tuple(group)) for seed, group in enumerate(groups, first)}


def single(values: NDArray[np.float64], first: int = 0) -> PerSeed:
    """Return one copy a seed."""
    return scored(*([value] for value in values.tolist()), first=first)


def ends(found: Difference) -> tuple[float, float, float]:
    return found.mean, found.low, found.high


def test_pairs_of_seeds_by_hand() -> None:
    # Paired, the resampled differences are .1, .15 and .2; apart they would reach from -.15 to .45.
    a, b = scored([0.5], [0.8]), scored([0.4], [0.6])
    assert ends(difference(a, b)) == (0.15, 0.1, 0.2)
    assert difference(a, b).paired == 2 and difference(a, b).settled
    apart = difference(a, scored([0.4], [0.6], first=2))
    assert ends(apart) == (0.15, -0.1, 0.4)
    assert apart.paired == 0 and not apart.settled


def test_one_shared_seed_of_several_is_not_paired() -> None:
    found = difference(scored([0.5], [0.6]), scored([0.4]))
    assert (ends(found), found.paired) == ((0.15, 0.1, 0.2), 0)


def test_pairs_of_copies_by_hand() -> None:
    # The same fresh networks: each copy gains .1. Other networks: from .5 - .8 to .9 - .4.
    a = scored([0.5, 0.9])
    assert ends(difference(a, scored([0.4, 0.8]))) == (0.1, 0.1, 0.1)
    assert ends(difference(a, scored([0.4, 0.8], networks=9))) == (0.1, -0.3, 0.5)
    # Of unequal numbers it is not known which belong together.
    assert difference(a, scored([0.4, 0.8, 0.6])).low < 0


def test_copies_are_paired_inside_pairs_of_seeds() -> None:
    a = scored([0.5, 0.9], [0.3, 0.7])
    assert ends(difference(a, scored([0.4, 0.8], [0.1, 0.5]))) == (0.15, 0.1, 0.2)


def test_it_is_the_difference_of_the_means_on_the_board() -> None:
    groups = [[0.2, 0.4, 0.6], [0.8], [0.5, 0.7]]
    others = [[0.1, 0.3], [0.3, 0.4], [0.2]]
    found = difference(scored(*groups), scored(*others, first=1))
    assert found.paired == 2
    assert found.mean == pytest.approx(interval(groups).mean - interval(others).mean)
    assert found.low < found.mean < found.high


def test_seeds_of_one_of_the_two_take_part() -> None:
    """Of partly shared seeds the shared ones are drawn for both: narrower than with none."""
    base = np.random.default_rng(7).normal(0.5, 0.05, size=12)
    a, b = single(base[:10]), single(base[2:] - 0.1, first=2)
    apart = single(base[2:] - 0.1, first=50)
    paired, unpaired = difference(a, b), difference(a, apart)
    assert (paired.paired, unpaired.paired) == (8, 0)
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)


@pytest.mark.parametrize("paired", [True, False])
def test_it_agrees_with_scipy_where_there_is_one_level(paired: bool) -> None:
    rng = np.random.default_rng(7)
    a = rng.normal(0.7, 0.05, size=12)
    b = a - rng.normal(0.02, 0.03, size=12)
    ours = difference(single(a), single(b, first=0 if paired else 40))
    tail = norm.cdf(np.sqrt(12 / 11) * student.ppf(0.025, 11))  # the expansion, for 12 seeds
    theirs = bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        paired=paired,
        vectorized=True,
        method="percentile",
        confidence_level=1 - 2 * tail,
        n_resamples=10_000,
        rng=1,
    ).confidence_interval
    assert ours.mean == pytest.approx(a.mean() - b.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.003)
    assert ours.high == pytest.approx(theirs.high, abs=0.003)


def test_with_many_seeds_it_is_the_t_interval() -> None:
    rng = np.random.default_rng(7)
    a = rng.normal(0.7, 0.05, size=60)
    b = a - rng.normal(0.02, 0.03, size=60)
    paired = ttest_rel(a, b).confidence_interval()
    unpaired = ttest_ind(a, b, equal_var=False).confidence_interval()
    for ours, theirs in (
        (difference(single(a), single(b)), paired),
        (difference(single(a), single(b, first=90)), unpaired),
    ):
        assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=0.05)
        assert ours.low == pytest.approx(theirs.low, abs=0.001)


def test_the_expansion_keeps_its_width_with_five_seeds() -> None:
    """A plain percentile interval of five seeds has two thirds of the t interval's width."""
    rng = np.random.default_rng(7)
    a = rng.normal(0.7, 0.05, size=5)
    ours, t = difference(single(a), single(np.zeros(5))), ttest_rel(a, np.zeros(5)).confidence_interval()
    plain = interval([[value] for value in a.tolist()])
    assert plain.high - plain.low < 0.7 * (t.high - t.low) < ours.high - ours.low <= t.high - t.low


def test_two_equal_methods_are_seldom_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation of the docstring's figures: how often zero is outside though nothing differs."""
    monkeypatch.setattr("suite.board.statistics.resampling.RESAMPLES", 1000)
    rng = np.random.default_rng(7)

    def told_apart(seeds: int, runs: int = 300) -> float:
        found = 0
        for _ in range(runs):
            networks = rng.normal(0, 0.5**0.5, size=(seeds, 5))  # half of the copies' variance
            one, other = (
                rng.normal(0, 1, size=(seeds, 1)) + networks + rng.normal(0, 0.5**0.5, size=(seeds, 5))
                for _ in range(2)
            )
            found += difference(scored(*one.tolist()), scored(*other.tolist())).settled
        return found / runs

    assert told_apart(2) == pytest.approx(0.14, abs=0.06)
    assert told_apart(3) == pytest.approx(0.08, abs=0.05)
    assert told_apart(5) < 0.08
    assert told_apart(10) < 0.08


def test_it_is_antisymmetric_in_the_mean_and_deterministic() -> None:
    a, b = scored([0.1, 0.2, 0.4], [0.3, 0.5]), scored([0.2, 0.2], [0.31, 0.77])
    assert difference(a, b) == difference(a, b)
    assert difference(a, b).mean == -difference(b, a).mean
    fine = scored(*np.random.default_rng(0).random((9, 7)).tolist())
    assert difference(fine, b) != difference(fine, b, seed=1)


def test_one_number_each_claims_nothing_but_order() -> None:
    assert ends(difference(scored([0.5]), scored([0.4]))) == (0.1, 0.1, 0.1)
    with pytest.raises(ValueError, match="finite"):
        difference(scored([0.5]), scored([float("nan")]))
    with pytest.raises(ValueError, match="at least one seed"):
        difference({}, scored([0.4]))


def ranks_of(*rows: PerSeed) -> list[int]:
    return [place.rank for place in ranks(rows)]


def test_tied_rows_share_a_rank_and_push_the_next() -> None:
    # .80 and .79 cross over between seeds; .60 is below both at each seed.
    a, b, c = scored([0.82], [0.78]), scored([0.78], [0.80]), scored([0.61], [0.59])
    assert ranks_of(c, a, b) == [3, 1, 1]
    found = ranks([a, b, c])
    assert found[0].behind is None
    assert found[1].behind == difference(a, b) and found[2].behind == difference(a, c)


def test_rows_are_compared_with_the_best_of_the_group_and_no_other() -> None:
    # b ties with a, c with b but not with a: c opens the next group, in which d is.
    a, b, c, d = (scored([x], [y]) for x, y in ((0.9, 0.7), (0.74, 0.76), (0.76, 0.6), (0.75, 0.6)))
    assert not difference(a, b).settled and not difference(b, c).settled and difference(a, c).settled
    assert ranks_of(a, b, c, d) == [1, 1, 3, 3]
    assert ranks([a, b, c, d])[3].behind == difference(c, d)


def test_where_nothing_varied_only_equal_means_tie() -> None:
    assert ranks_of(scored([0.5]), scored([0.9]), scored([0.7]), scored([0.7]), scored([0.1])) == [
        4,
        1,
        2,
        2,
        5,
    ]
    assert ranks_of(scored([0.1 + 0.2]), scored([0.3])) == [1, 1]  # they differ in the last bit only
    assert ranks_of() == []


def test_middle_ranks_share_their_places() -> None:
    assert middle_ranks([1, 1, 3]) == [1.5, 1.5, 3]
    assert middle_ranks([4, 1, 1, 1]) == [4, 2, 2, 2]
    assert sum(middle_ranks([1, 2, 2, 4, 4])) == 15  # as without ties
