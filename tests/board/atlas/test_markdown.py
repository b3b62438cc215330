"""What a row of the atlas says."""

import pytest

from suite.board.atlas.costs import Cost
from suite.board.atlas.markdown import markdown, status
from suite.board.atlas.rows import Atlas, AtlasRow, atlas
from suite.board.atlas.verdicts import Verdict
from tests.support.atlas_records import measured, printed


def judged(word: str, difference: float, half: float | None, reason: str = "") -> AtlasRow:
    return AtlasRow(printed(10, 50.0), verdict=Verdict(word, difference, half, reason))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (judged("reproduced", 0.31, 0.92), "reproduced (+0.3 ± 0.9)"),
        (judged("off", -2.14, 0.8), "off by −2.1 ± 0.8"),
        (judged("undecided", 0.3, 0.4, "1 distillation"), "undecided (+0.3 ± 0.4): 1 distillation"),
        (judged("undecided", 0.3, None, "nothing varied"), "undecided (+0.3): nothing varied"),
        (
            AtlasRow(printed(10, 50.0, of="cafe is not a method here")),
            "not comparable: cafe is not a method here",
        ),
        (AtlasRow(printed(10, 50.0), failed="oom"), "not run: oom"),
        (AtlasRow(printed(10, 50.0)), "not run; cost unknown"),
        (
            AtlasRow(printed(10, 50.0), cost=Cost(8247.6, "NVIDIA H200", "")),
            "not run; about 8,248 device-seconds per set on one NVIDIA H200",
        ),
    ],
    ids=str,
)
def test_a_status_says_what_came_out_or_why_nothing_did(row: AtlasRow, text: str) -> None:
    assert status(row) == text


def test_a_page_has_a_table_for_each_task_with_notes() -> None:
    records = [
        *measured(0.50, 0.51),
        *measured(0.51, 0.52, seed=1),
        *measured(0.3, 0.3, network="convnet-d3-w16-in"),
    ]
    figures = [
        printed(10, 51.0, 0.3),
        printed(10, 12.25, of="cafe is not a method here", task="svhn", method="cafe", second_hand=True),
    ]
    text = markdown(atlas(records, figures))
    assert "2 printed accuracies: 1 reproduced, 0 off, 0 undecided, 0 not run, 1 not comparable." in text
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    ours, other = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert ours[:2] == ["`dm`", "10"] and "51.0 ± 0.3 ¹" in ours and "2 × 2" in ours
    assert ours[-1] == "30.0 [30.0, 30.0] ²" and "dsa-1000" in ours and "plain" in ours
    assert "- ² not compared: convnet-d3-w16-in" in text
    assert r"12.25\* ¹" in other and "not comparable: cafe is not a method here" in other
    assert text.index("## cifar10") < text.index("## svhn")


def test_equal_records_give_equal_bytes() -> None:
    records, figures = measured(0.5, 0.6), [printed(10, 50.0)]
    assert markdown(atlas(records, figures)) == markdown(atlas(records[::-1], figures))
    assert markdown(Atlas(())).startswith("# Atlas of reproductions")
