"""DD-Ranking's scores by hand, from accuracies."""

from math import e, exp

import pytest

from suite.board.dd_ranking import (
    ARS,
    AUGMENTED,
    FULL_HARD,
    HARD,
    HLR,
    IOR,
    LRS,
    NATIVE,
    PLAIN,
    RANDOM_AUGMENTED,
    RANDOM_NATIVE,
    RANDOM_PLAIN,
    RELABELLED_SCORES,
    SCORES,
    TRAININGS,
    Weights,
    normalised,
)
from suite.board.statistics.differences import Copies, Difference, PerSeed, combination, difference


def scored(*values: float, seed: int = 0) -> PerSeed:
    return {seed + place: Copies(place, (value,)) for place, value in enumerate(values)}


def label_robust(
    own: PerSeed, random: PerSeed, hard: PerSeed, full: PerSeed, weight: float = 0.5
) -> Difference:
    trained = {NATIVE: own, RANDOM_NATIVE: random, HARD: hard, FULL_HARD: full}
    return LRS.value(trained, Weights(label=weight))


class TestByHand:
    def test_full_85_synthetic_60_random_30(self) -> None:
        found = label_robust(scored(0.60), scored(0.30), scored(0.60), scored(0.85, seed=9))
        assert found.mean == pytest.approx(0.2797, abs=5e-5)
        assert found.mean == pytest.approx((exp(0.025) - 1 / e) / (e - 1 / e))

    def test_ends_and_middle(self) -> None:
        assert (normalised(-1), normalised(1)) == (0, 1)
        assert normalised(0) == pytest.approx(0.26894, abs=1e-5)

    def test_weights(self) -> None:
        own, random, hard, full = (scored(value) for value in (0.7, 0.3, 0.5, 0.9))
        found = {w: label_robust(own, random, hard, full, w).mean for w in (0, 0.25, 1)}
        wanted = {0: normalised(-0.4), 0.25: normalised(0.25 * 0.4 - 0.75 * 0.4), 1: normalised(0.4)}
        assert found == pytest.approx(wanted)
        trained = {AUGMENTED: own, RANDOM_AUGMENTED: random, PLAIN: hard, RANDOM_PLAIN: scored(0.4)}
        aided = ARS.value(trained, Weights(augmentation=0.25))
        assert aided.mean == pytest.approx(normalised(0.25 * 0.4 + 0.75 * 0.1))

    @pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
    def test_a_weight_outside_is_refused(self, weight: float) -> None:
        with pytest.raises(ValueError, match=r"label weight .* must lie between 0 and 1"):
            Weights(label=weight)

    def test_the_interval_is_that_of_the_sum_normalised(self) -> None:
        own, random = scored(0.6, 0.8), scored(0.3, 0.4)
        found = label_robust(own, random, own, scored(0.9, seed=9), 1.0)
        plain = difference(own, random)
        assert (found.low, found.high) == pytest.approx((normalised(plain.low), normalised(plain.high)))

    def test_ior_and_hlr_are_differences_in_their_order(self) -> None:
        ours, chance, full = scored(0.60), scored(0.30), scored(0.85, seed=9)
        trained = {NATIVE: ours, RANDOM_NATIVE: chance, HARD: ours, FULL_HARD: full}
        ior, hlr = (score.value(trained, Weights()) for score in (IOR, HLR))
        assert (ior, hlr) == (difference(ours, chance), difference(full, ours))

    def test_every_score_names_its_trainings_and_explains_itself(self) -> None:
        assert [score.title for score in SCORES] == ["IOR", "HLR", "LRS", "ARS"]
        assert LRS.trainings == (NATIVE, RANDOM_NATIVE, HARD, FULL_HARD)
        assert len({training.name for training in TRAININGS}) == len(TRAININGS) == 8
        assert "α = 0.7 IOR − 0.3 HLR" in LRS.explain(Weights(label=0.7))

    def test_the_second_reference_takes_the_place_of_the_random_subset_alone(self) -> None:
        found = {score.title: score for score in RELABELLED_SCORES.values()}
        assert list(found) == ["IOR, relabelled", "LRS, relabelled", "ARS, relabelled"]
        weights = Weights(label=0.7)
        for score, other in RELABELLED_SCORES.items():
            pairs = zip(score.terms(weights).items(), other.terms(weights).items(), strict=True)
            for (before, weight), (after, same) in pairs:
                assert same == weight and (after.name == before.name.replace("random", "relabelled"))


class TestWeightedSums:
    def test_a_sum_of_differences_is_their_difference(self) -> None:
        """α of a set whose own recipe is the standard one: w + (1 - w) of the set, paired with itself."""
        own, random = scored(0.6, 0.8), scored(0.3, 0.4)
        whole = combination([(0.5, own), (-1.0, random), (0.5, own)])
        plain = difference(own, random)
        assert (whole.mean, whole.low, whole.high) == (plain.mean, plain.low, plain.high)
        assert whole.paired == 2

    def test_what_is_nobodys_distillation_is_drawn_apart(self) -> None:
        own = scored(0.6, 0.8)
        full = {-1: Copies(-1, (0.9, 0.94))}
        found = combination([(1.0, full), (-1.0, own)])
        assert found.mean == pytest.approx(0.22) and found.paired == 0
        assert (found.low, found.high) == pytest.approx((0.1, 0.34))  # .9 - .8 and .94 - .6
