"""The board's tables, from records made by hand."""

import pytest

from suite.board.files import render
from suite.board.tables import board
from tests.support.board_records import (
    REDUCED,
    SMALL,
    STANDARD,
    evaluated,
    full_data,
    pair,
    rows,
    trial,
)


def test_a_board_by_hand() -> None:
    table = board(SMALL).tables[0]
    first, second = table.rows
    assert (first.name, first.rank, second.name, second.rank) == ("rat_bptt", 1, "random_subset", 2)
    assert first.accuracy is not None and second.accuracy is not None
    assert (first.accuracy.mean, first.accuracy.low, first.accuracy.high) == (0.82, 0.80, 0.84)
    assert second.accuracy.mean == 0.53
    assert first.share == pytest.approx(0.82 / 0.96)
    text = render(board(SMALL), "md")
    line = next(line for line in text.splitlines() if "rat_bptt" in line)
    assert line == "| 1 | `rat_bptt` | 82.0 [80.0, 84.0] | – | 2 × 1 | 2.0 min | 25.6 kB |"
    assert "| – | full data (60 epochs) | 96.0 [95.0, 97.0] | – | 2 | < 1 s | – |" in text
    assert (
        "- `rat_bptt`: 85.4% of full-data accuracy; hard labels; 20.5 kbit per class; peak memory 1.5 GB; "
        in text
    )
    assert "- measured on a CPU, 2 threads" in text
    assert "Reads of the test split: 1 per evaluation, 0 per distillation." in text


def test_rows_share_a_rank_unless_their_difference_leaves_out_zero() -> None:
    made = rows(board([*SMALL, *pair("k_means", (0.83,), (0.80,)), *pair("herding", (0.79,), (0.83,))]))
    assert {name: row.rank for name, row in made.items()} == {
        "rat_bptt": 1,
        "k_means": 1,
        "herding": 3,  # both seeds are a point below rat_bptt's
        "random_subset": 4,
    }
    assert made["rat_bptt"].behind is None and made["herding"].behind is not None
    text = render(board([*SMALL, *pair("k_means", (0.83,), (0.80,))]), "md")
    line = next(line for line in text.splitlines() if "k_means" in line)
    assert line.startswith("| 1 | `k_means` | 81.5 [80.0, 83.0] | 0.5 [−3.0, 4.0] | 2 × 1 |")


def test_copies_from_the_same_networks_are_compared_pairwise() -> None:
    """Each copy gains half a point; networks that start elsewhere would leave the order open."""
    better, worse = pair("frepo", (0.805, 0.905)), pair("kip", (0.80, 0.90))
    assert [row.rank for row in board([*better, *worse]).tables[0].rows] == [1, 2]
    other = worse[1].cell.model_copy(update={"seed": 7})
    apart = [worse[0], worse[1].model_copy(update={"cell": other})]
    assert [row.rank for row in board([*better, *apart]).tables[0].rows] == [1, 1]


def test_configurations_of_a_label_are_told_apart() -> None:
    both = [*pair("rat_bptt", (0.8,), window=40), *pair("rat_bptt", (0.7,), window=60)]
    other = pair("rat_bptt", (0.5,), window=40, ipc=1)  # one line of the plot with window=40
    made = board([*both, *other, *pair("random_subset", (0.4,))])
    assert list(rows(made, 1)) == ["rat_bptt (window=40)", "rat_bptt (window=60)", "random_subset"]
    assert list(rows(made, 0)) == ["rat_bptt (window=40)"]


def test_networks_and_conditions_are_tables_of_their_own() -> None:
    of = trial("rat_bptt")
    records = [of, evaluated(of, 0.8), evaluated(of, 0.7, network=REDUCED), evaluated(of, 0.6, epochs=50)]
    made = board([*records, full_data(0.9, network=REDUCED)])
    assert [(t.network, t.conditions) for t in made.tables] == [
        *((STANDARD, ""), (STANDARD, "epochs=50"), (REDUCED, ""))
    ]
    shares = [table.rows[0].share for table in made.tables]
    assert shares == [None, None, pytest.approx(0.7 / 0.9)]
    assert f"### 10 images per class, {REDUCED} (reduced network)" in render(made, "md")


def test_prefixes_are_rows_at_their_size() -> None:
    of = trial("boosted", ipc=50)
    direct = pair("boosted", (0.6,))
    made = board([of, evaluated(of, 0.8), evaluated(of, 0.7, ipc=10), *direct])
    assert list(rows(made, 0)) == ["boosted (first 10 of 50)", "boosted"]
    prefix = rows(made, 0)["boosted (first 10 of 50)"]
    assert prefix.costs.stored_bytes == 25_600 * 10 // 50
    assert prefix.line == rows(made, 1)["boosted"].line == "boosted (prefixes of 50)"


def test_the_board_says_what_labels_stand_for() -> None:
    method = {"method_title": "KIP: kernel inducing points", "paper": "arXiv 2107.13034"}
    records = [*SMALL, *pair("kip", (0.7,), (0.7,), **method)]
    (found,) = board(records).methods
    assert (found.label, found.title, found.paper) == ("kip", *method.values())
    text = render(board(records), "md").partition("<summary>Methods")[2]
    link = "[arXiv 2107.13034](https://arxiv.org/abs/2107.13034)"
    assert f"- `kip`: KIP: kernel inducing points, {link}" in text
    assert "<summary>Methods" not in render(board(SMALL), "md")
