"""A comparison as a table, Markdown, CSV and JSON."""

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from suite.board.comparison.pairs import Comparison, Side, compare
from suite.cli.stores.comparing import after, before, sides, table, text
from suite.records.store import Store
from tests.support.board_records import evaluated, pair, save
from tests.support.stores import HOSTILE

VALUES = [(0.80, 0.82), (0.81, 0.83)]
LOWER = [(0.50, 0.52), (0.51, 0.53)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    save([*pair("a", *VALUES), *pair("b", *LOWER, device_seconds=60.0)], tmp_path)
    return tmp_path


@pytest.fixture
def found(store: Path) -> Comparison:
    return compare(Side(store, "a"), Side(store, "b"))


class TestSides:
    def test_two_stores_or_one_with_two_methods(self, tmp_path: Path) -> None:
        first, second = tmp_path / "a", tmp_path / "b"
        assert sides(first, second, ()) == (Side(first), Side(second))
        assert sides(first, None, ("x", "y")) == (Side(first, "x"), Side(first, "y"))
        assert sides(first, second, ("x",)) == (Side(first, "x"), Side(second, "x"))
        assert sides(first, second, ("x", "y")) == (Side(first, "x"), Side(second, "y"))

    def test_addresses(self, store: Path) -> None:
        one, other = sides(Path(f"{store}:a"), Path(f"{store}:digits/b/ipc10"), ())
        assert (one.store, one.text, other.text) == (store, "a", "digits/b/ipc10")
        assert compare(one, other).pairs[0].rows == ("a", "b")

    @pytest.mark.parametrize("methods", [(), ("x",), ("x", "y", "z")])
    def test_too_few_or_too_many(self, tmp_path: Path, methods: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="name two stores or addresses, or one store and --method twice"):
            sides(tmp_path, None, methods)

    def test_an_address_and_a_method(self, store: Path) -> None:
        with pytest.raises(ValueError, match="names a row already"):
            sides(Path(f"{store}:a"), store, ("b",))


def test_what_is_equal_stands_above_the_table(found: Comparison, store: Path) -> None:
    assert list(before(found)) == [
        f"A: a in {store}",
        f"B: b in {store}",
        "network: convnet-d3-w128-in",
        "recipe: dsa-1000",
    ]


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_below_it_stands_how_to_read_it(tmp_path: Path, seeds: int) -> None:
    save([*pair("a", *VALUES[:1] * seeds), *pair("b", *LOWER[:1] * seeds)], tmp_path)
    lines = "\n".join(after(compare(Side(tmp_path, "a"), Side(tmp_path, "b"))))
    expected = {1: "with one seed", 2: "14 to 37%", 3: "8 to 14%", 5: "about 5%"}
    assert expected[seeds] in lines and ("other distillations" in lines) == (seeds == 1)


def test_facts_and_rows_without_a_partner_are_said(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    save([*pair("a", *VALUES), *pair("c", *VALUES), *pair("d", *VALUES)], first)
    save([*pair("a", *VALUES, window=60), *pair("c", *VALUES)], second)
    lines = list(after(compare(Side(first), Side(second))))
    assert "differs at digits ipc 10 a: window: 40 → 60" in lines
    assert f"digits ipc 10, only in {first}: d" in lines


def test_the_table_fits_80_columns(found: Comparison) -> None:
    output = io.StringIO()
    Console(file=output, width=80).print(table(found))
    shown = " ".join(output.getvalue().split())
    assert max(map(len, output.getvalue().splitlines())) <= 80
    assert "worse" in shown and "× 0.5" in shown and "a → b" in shown


def test_recipes_are_a_column_if_there_are_several(tmp_path: Path) -> None:
    rows = [*pair("a", *VALUES), *pair("b", *VALUES)]
    save([*rows, *(evaluated(of, 0.5, recipe="dc-300") for of in rows if not of.scores)], tmp_path)
    found = compare(Side(tmp_path, "a"), Side(tmp_path, "b"))
    heads = next(line for line in text(found, "markdown").splitlines() if line.startswith("|"))
    assert "recipe" in heads and not any(line.startswith("recipe") for line in before(found))
    assert {pair_.recipe for pair_ in found.pairs} == {"dsa-1000", "dc-300"}


def test_csv_and_json_have_the_same_pairs(found: Comparison) -> None:
    (row,) = csv.DictReader(io.StringIO(text(found, "csv")))
    content = json.loads(text(found, "json"))
    (pair_,) = content["pairs"]
    assert row["second_is"] == pair_["second_is"] == "worse"
    assert float(row["difference"]) == pair_["difference"] == pytest.approx(-0.3)
    assert (pair_["first_n"], pair_["paired_seeds"], pair_["cost_ratio"]) == ("2×2", 2, 0.5)


def stored(tmp_path: Path, label: str) -> Comparison:
    """Compare a row of this label with another one, in a store."""
    store = Store.create(tmp_path / "store")
    for name, values in ((label, VALUES), ("x", LOWER)):
        for record in pair(name, *values):
            store.write(record)
    return compare(Side(store.path, label), Side(store.path, "x"))


def test_names_of_others_are_no_formulas(tmp_path: Path) -> None:
    (row,) = csv.DictReader(io.StringIO(text(stored(tmp_path, "=1+1"), "csv")))
    assert row["first"] == "'=1+1" and float(row["difference"]) < 0


def test_names_of_others_break_no_markdown(tmp_path: Path) -> None:
    shown = text(stored(tmp_path, "a|<b>[c](d)"), "markdown")
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    assert "<b>" not in shown and "](" not in shown


def test_names_of_others_are_escaped_in_json(tmp_path: Path) -> None:
    shown = text(stored(tmp_path, HOSTILE), "json")
    assert json.loads(shown)["pairs"][0]["first"] == HOSTILE and not set(shown) & set("\x1b\x9b")
