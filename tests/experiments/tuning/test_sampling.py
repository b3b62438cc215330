"""Samples of a space: even, repeatable, distinct, and in every method's space the published values."""

from itertools import islice
from math import log10

import pytest

from suite.core.spec import Choice, LogUniform
from suite.experiments.tuning.sampling import values
from suite.plugins import registry

RATE = {"rate": LogUniform(1e-3, 10.0)}


def test_a_seed_gives_the_same_samples_and_another_one_others() -> None:
    first, again, other = (list(islice(values(RATE, seed), 8)) for seed in (0, 0, 1))
    assert first == again != other


def test_they_cover_the_space_evenly_on_a_logarithmic_scale() -> None:
    exponents = sorted(log10(each["rate"]) for each in islice(values(RATE, 0), 64))
    assert [sum(low <= each < low + 1 for each in exponents) for low in (-3, -2, -1, 0)] == [16] * 4


def test_all_methods_have_the_same_quantiles() -> None:
    """Half a decade up in one space is half a decade up in another one of as many decades."""
    other = {"step": LogUniform(1.0, 1e4)}
    for one, two in zip(islice(values(RATE, 5), 6), islice(values(other, 5), 6), strict=True):
        assert two["step"] == pytest.approx(1000 * one["rate"], rel=0.02)


def test_numbers_are_short_and_within_the_bounds() -> None:
    for each in islice(values(RATE, 2), 50):
        assert 1e-3 <= each["rate"] <= 10 and float(f"{each['rate']:.3g}") == each["rate"]


def test_a_finite_space_is_used_up_without_repeats() -> None:
    space = {"start": Choice(("noise", "real")), "sizes": Choice(((1, 2), (3,), (3,)))}
    found = list(values(space, 0))
    assert len(found) == 4 and {"start": "real", "sizes": [1, 2]} in found


@pytest.mark.parametrize("space", [{}, {"rate": LogUniform(1.0, 1.0 + 1e-9)}])
def test_a_space_without_or_with_one_value_ends(space: dict[str, LogUniform]) -> None:
    assert list(values(space, 0)) == [{"rate": 1.0}][: len(space)]


@pytest.mark.parametrize("name", registry.names("method"))
def test_the_default_and_the_papers_values_lie_in_every_space(name: str) -> None:
    cls = registry.method(name)
    default = {field: value for field, (_, value) in registry.hyperparameters(cls).items()}
    for values_of in (default, *cls.published.values()):
        for field in cls.space.keys() & values_of.keys():
            of, value = cls.space[field], values_of[field]
            inside = value in of.values if isinstance(of, Choice) else of.low <= value <= of.high
            assert inside, (field, value)


def test_methods_with_a_rate_have_a_space() -> None:
    for name in registry.names("method"):
        cls = registry.method(name)
        rates = [field for field in registry.field_names(cls) if field in ("image_lr", "outer_lr")]
        assert set(rates) <= cls.space.keys() and len(cls.space) <= 3
