"""Repeated accuracies contradict recorded ones beyond what rounding explains, and no more often than said."""

from typing import Any

import numpy as np
import pytest

from suite.experiments.rescoring.judging import Comparison, Spread, same_place, together
from tests.support.audited import MADE

ROW = Spread.of((0.70, 0.71, 0.69)) + Spread.of((0.70, 0.705, 0.695))


def compared(recorded: tuple[float, ...], repeated: tuple[float, ...], **more: Any) -> Comparison:
    return Comparison(recorded, repeated, ROW, **more)


def test_the_limit_is_that_of_the_docstring() -> None:
    own = compared((0.7, 0.71, 0.69), (0.7, 0.71, 0.69))
    squares = 2 * (2 * 0.01**2) + 2 * 0.005**2
    deviation = (squares / 6) ** 0.5
    assert own.spread.freedom == 6 and own.spread.squares == pytest.approx(squares)
    quantile = 5.2076  # t(1 - 0.005 / (2 * 2.5)) of Student's distribution with 6 degrees: 0.999
    assert own.spread.limit(3, 0.002) == pytest.approx(
        quantile * deviation * (2 / 3) ** 0.5 + 0.0005, rel=1e-4
    )
    assert own.limit(5) == own.spread.limit(3, 0.001)


def test_equal_bits_agree_and_other_bits_may_not() -> None:
    assert compared((0.7, 0.71, 0.69), (0.7, 0.71, 0.69), must_be_equal=True).reason(1) == ""
    off = (0.701, 0.71, 0.69)
    assert compared((0.7, 0.71, 0.69), off).reason(1) == ""
    told = compared((0.7, 0.71, 0.69), off, must_be_equal=True).reason(1)
    assert told.endswith("bits must be equal")
    told = compared((0.7, 0.71, 0.69), off, must_be_equal=True, commits=("a" * 40, "b" * 40)).reason(1)
    assert told.endswith("its code was aaaaaaaaaaaa, and this is bbbbbbbbbbbb")


def test_large_differences_and_other_counts_contradict() -> None:
    assert "rounding explains at most" in compared((0.9, 0.91, 0.89), (0.7, 0.71, 0.69)).reason(5)
    assert "rounding explains at most" in compared((0.5, 0.51, 0.49), (0.7, 0.71, 0.69)).reason(5)
    assert "it has 2" in compared((0.9, 0.91), (0.7, 0.71, 0.69)).reason(5)


def test_the_table_has_the_weight_of_five_networks() -> None:
    table = Spread.of(tuple(np.linspace(0.6, 0.8, 101)))
    own = Comparison((0.7,), (0.7,), Spread.of((0.7,)), table).spread
    assert own.freedom == 5 and own.squares / 5 == pytest.approx(table.squares / 100)


def test_one_network_alone_tells_nothing() -> None:
    assert Comparison((0.9,), (0.1,), Spread.of((0.9,))).reason(1) == ""
    assert together([Comparison((0.9,), (0.1,), Spread.of((0.9,)))] * 3) == ""


def test_many_small_changes_are_found_together() -> None:
    forged = [compared((0.712, 0.722, 0.702), (0.7, 0.71, 0.69))] * 20
    assert not forged[0].reason(20) and "over 20 cells" in together(forged)
    assert together([compared((0.7, 0.71, 0.69), (0.7, 0.71, 0.69))] * 20) == ""


@pytest.mark.parametrize(("networks", "seeds", "cells"), [(3, 2, 5), (5, 3, 10)])
def test_honest_records_fail_in_less_than_one_audit_of_a_hundred(
    networks: int, seeds: int, cells: int
) -> None:
    """The repeated networks are as far from the recorded ones as those of other seeds: the worst case."""
    rng, alarms, audits = np.random.default_rng(0), 0, 300
    for _ in range(audits):
        found = []
        for _ in range(cells):
            row, again = rng.normal(0.7, 0.01, (seeds, networks)), rng.normal(0.7, 0.01, networks)
            spread = sum((Spread.of(tuple(each)) for each in row), Spread())
            found.append(Comparison(tuple(row[0]), tuple(again), spread))
        alarms += any(each.reason(cells) for each in found) or bool(together(found))
    assert alarms <= 8  # of three expected; more in less than one of a hundred draws


def test_places_that_round_alike() -> None:
    assert same_place(MADE, MADE)
    others: list[dict[str, Any]] = [
        {"threads": 2},
        {"device": "CPU: another"},
        {"versions": {}},
        {"deterministic": False},
    ]
    for changes in others:
        assert not same_place(MADE, MADE.model_copy(update=changes))
    gpu = MADE.model_copy(update={"device": "NVIDIA H200"})
    assert not same_place(gpu, gpu)
