"""Two sides, compared in pairs."""

from pathlib import Path

import pytest

from suite.board.comparison.pairs import Compared, Comparison, Side, compare
from suite.board.statistics.differences import Copies, difference
from suite.records.record import Record
from suite.records.stores.addresses import Address
from tests.board.test_cells import anytime, spending
from tests.support.board_records import CPU, evaluated, full_data, pair, save, trial

GOOD = [(0.80, 0.82), (0.81, 0.83), (0.79, 0.81)]
BAD = [(0.50, 0.52), (0.51, 0.53), (0.49, 0.51)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    save([*pair("good", *GOOD, device_seconds=20.0), *pair("bad", *BAD, device_seconds=80.0)], path)
    return path


def other(tmp_path: Path, *records: Record) -> Path:
    save(list(records), tmp_path / "other")
    return tmp_path / "other"


def methods(store: Path, first: str, second: str) -> Comparison:
    return compare(Side(store, first), Side(store, second))


def only(found: Comparison) -> Compared:
    (one,) = found.pairs
    return one


class TestMethods:
    def test_the_second_is_judged_against_the_first(self, store: Path) -> None:
        better = only(methods(store, "bad", "good"))
        assert better.verdict == "better" and better.difference.mean == pytest.approx(0.30)
        assert (better.rows, better.recipe, better.ratio) == (("bad", "good"), "dsa-1000", 0.25)
        assert better.samples == ("3×2", "3×2") and better.difference.paired == 3
        worse = only(methods(store, "good", "bad"))
        assert worse.verdict == "worse" and worse.difference.mean == pytest.approx(-0.30)

    def test_the_difference_is_that_of_the_board(self, store: Path) -> None:
        sides = [{seed: Copies(0, each) for seed, each in enumerate(values)} for values in (GOOD, BAD)]
        assert only(methods(store, "bad", "good")).difference == difference(*sides)

    def test_what_is_not_shown_is_said(self, tmp_path: Path) -> None:
        near = [(0.79, 0.83), (0.83, 0.80), (0.80, 0.80)]
        store = other(tmp_path, *pair("a", *GOOD), *pair("b", *near))
        assert only(methods(store, "a", "b")).verdict == "not shown"

    def test_one_network_each_shows_nothing(self, tmp_path: Path) -> None:
        store = other(tmp_path, *pair("a", (0.8,)), *pair("b", (0.1,)))
        found = only(methods(store, "a", "b"))
        assert found.verdict == "not shown" and found.difference.mean == pytest.approx(-0.7)

    def test_rows_of_one_label_by_their_names(self, tmp_path: Path) -> None:
        store = other(tmp_path, *pair("a", *GOOD, window=20), *pair("a", *BAD, window=40))
        found = only(methods(store, "a (window=20)", "a (window=40)"))
        assert found.verdict == "worse" and found.facts == ("window: 20 → 40",)

    def test_every_row_of_a_label_is_compared(self, tmp_path: Path) -> None:
        rows = [*pair("a", *GOOD, window=20), *pair("a", *BAD, window=40), *pair("b", *BAD)]
        found = methods(other(tmp_path, *rows), "b", "a")
        assert {each.rows for each in found.pairs} == {("b", "a (window=20)"), ("b", "a (window=40)")}

    def test_sets_of_one_size_are_compared_before_prefixes(self, tmp_path: Path) -> None:
        large = pair("a", *GOOD, ipc=10)
        prefixes = [evaluated(of, *each, ipc=1) for of, each in zip(large[:3], BAD, strict=True)]
        store = other(tmp_path, *large, *prefixes, *pair("a", *GOOD, ipc=1), *pair("b", *BAD, ipc=1))
        assert only(methods(store, "b", "a")).rows == ("b", "a")

    def test_each_recipe_and_size(self, tmp_path: Path) -> None:
        rows = [each for label in "ab" for ipc in (1, 10) for each in pair(label, *GOOD, ipc=ipc)]
        rows += [evaluated(of, 0.3, 0.4, recipe="dc-300") for of in rows if of.cell.kind == "distillation"]
        found = methods(other(tmp_path, *rows), "a", "b")
        places = [(each.ipc, each.recipe) for each in found.pairs]
        assert sorted(places) == [(1, "dc-300"), (1, "dsa-1000"), (10, "dc-300"), (10, "dsa-1000")]

    def test_by_address(self, tmp_path: Path) -> None:
        rows = [each for label in "ab" for ipc in (1, 10) for each in pair(label, *GOOD, ipc=ipc)]
        store = other(tmp_path, *rows)
        wanted = (Address("", "digits/a", 10), Address("digits", "a", 10))
        found = only(compare(Side(store, "digits/a/ipc10", wanted), Side(store, "b")))
        assert found.ipc == 10


class TestStores:
    def test_rows_with_the_same_settings_are_compared(self, store: Path, tmp_path: Path) -> None:
        found = compare(Side(store), Side(other(tmp_path, *pair("good", *BAD), full_data(0.9, 0.9))))
        assert only(found).rows == ("good", "good") and only(found).verdict == "worse"
        assert found.alone[f"digits ipc 10, only in {store}"] == ["bad"]
        assert found.alone[f"digits ipc 10, only in {tmp_path / 'other'}"] == ["full data (60 epochs)"]

    def test_full_data_is_compared(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        for path, accuracy in ((first, 0.9), (second, 0.8)):
            save([*pair("a", *GOOD), full_data(accuracy, accuracy + 0.01)], path)
        found = compare(Side(first), Side(second))
        assert [(each.rows[0], each.verdict) for each in found.pairs] == [
            ("a", "not shown"),
            ("full data (60 epochs)", "worse"),
        ]

    def test_other_settings_of_the_only_row_are_said(self, store: Path, tmp_path: Path) -> None:
        found = compare(Side(store), Side(other(tmp_path, *pair("good", *GOOD, window=60))))
        assert only(found).facts == ("window: 40 → 60",) and found.facts == ("window: 40 → 60",)

    def test_other_data_are_no_better_or_worse(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        save(pair("a", *GOOD, data="a" * 64), first)
        save(pair("a", *BAD, data="b" * 64), second)
        found = only(compare(Side(first), Side(second)))
        assert found.verdict == "other data" and found.facts[0].startswith("data: data aaaa")

    def test_one_method_of_two_stores(self, store: Path, tmp_path: Path) -> None:
        second = other(tmp_path, *pair("good", *BAD), *pair("bad", *BAD))
        assert only(compare(Side(store, "good"), Side(second, "good"))).verdict == "worse"

    def test_what_differs_in_all_of_them_is_said_once(self, store: Path, tmp_path: Path) -> None:
        by = CPU.model_copy(update={"commit": "def5678"})
        found = compare(Side(store), Side(other(tmp_path, *pair("good", *GOOD, provenance=by))))
        assert "commit: abc1234 → abc1234, def5678" in found.facts

    def test_ratios_need_both_costs(self, store: Path, tmp_path: Path) -> None:
        second = other(tmp_path, *pair("good", *GOOD, device_seconds=0.0))
        assert only(compare(Side(store), Side(second))).ratio is None


class TestRefusals:
    def test_a_thing_and_itself(self, store: Path) -> None:
        for side in (Side(store), Side(store, "good")):
            with pytest.raises(ValueError, match="compared with itself"):
                compare(side, side)

    def test_an_unknown_row(self, store: Path) -> None:
        with pytest.raises(ValueError, match=r"no row god in .*; did you mean 'good'\?"):
            methods(store, "good", "god")

    def test_nothing_in_common(self, store: Path, tmp_path: Path) -> None:
        second = other(tmp_path, *pair("good", *GOOD, ipc=1))
        with pytest.raises(ValueError, match="in common; the first has digits ipc 10 by convnet"):
            compare(Side(store), Side(second))
        with pytest.raises(ValueError, match="the second nothing finished"):
            compare(Side(store), Side(other(tmp_path / "b", trial("good", status="diverged"))))

    def test_budgets_that_other_devices_have_spent(self, tmp_path: Path) -> None:
        here = other(tmp_path, *anytime(spending("dm"), 0.1, 0.2, 0.3))
        gpu = CPU.model_copy(update={"device": "a GPU"})
        save(anytime(spending("dm", provenance=gpu), 0.1, 0.2, 0.3), tmp_path / "gpu")
        told = "first has digits ipc 1, within 10 device-seconds on a CPU by .* second digits .* on a GPU by"
        with pytest.raises(ValueError, match=told):
            compare(Side(here), Side(tmp_path / "gpu"))

    def test_no_store(self, store: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="does not exist"):
            compare(Side(store), Side(tmp_path / "none"))
