"""What changed between two releases, row by row."""

from typing import Any

from suite.board.releases.changes import changes
from suite.board.releases.frozen import Frozen

OLD: dict[str, Any] = {
    "release": "2026.06",
    "protocol": 2,
    "version": "0.1.0",
    "weights": {"label": 0.5},
    "recipes": ["dc-300"],
    "versions": ["torch 2.13.0"],
    "commits": ["a"],
}


def row(name: str, accuracy: float | None = 0.5, rank: int | None = 1, **values: Any) -> dict[str, Any]:
    found = {
        "evaluator": "retrain",
        "task": "digits",
        "ipc": 1,
        "network": "net",
        "conditions": "",
        "name": name,
    }
    ends = {f"accuracy{end}": accuracy if accuracy is None else accuracy + by for end, by in ENDS}
    return {**found, "rank": rank, "state": "", **ends, **values}


ENDS = (("", 0.0), ("_low", -0.01), ("_high", 0.01))


def told(old: list[dict[str, Any]], new: list[dict[str, Any]], **manifest: Any) -> str:
    return changes("2026.12", {**OLD, "release": "2026.12", **manifest}, new, Frozen(OLD, old))


def test_without_a_release_before_there_is_nothing_to_compare() -> None:
    assert changes("2026.12", OLD, [row("dm")], None) == "# Release 2026.12\n\nThe first release.\n"


def test_equal_releases_say_so() -> None:
    assert told([row("dm")], [row("dm")]) == "# Changes from 2026.06 to 2026.12\n\nNothing changed.\n"


def test_new_rows_and_rows_that_are_gone() -> None:
    text = told([row("dm"), row("dc")], [row("dm"), row("mtt", 0.625)])
    assert "## New rows\n\n- `retrain`, `digits`, 1, `net`, `mtt`, accuracy 0.6250 [0.6150, 0.6350]" in text
    assert "## Removed rows\n\n- `retrain`, `digits`, 1, `net`, `dc`, accuracy 0.5000" in text
    assert "Scores" not in text


def test_a_score_changed_if_a_mean_is_outside_the_others_interval() -> None:
    assert "Scores" not in told([row("dm", 0.5)], [row("dm", 0.509)])
    text = told([row("dm", 0.5)], [row("dm", 0.52)])
    assert "## Scores that changed beyond their interval" in text
    assert "| `accuracy` | 0.5000 [0.4900, 0.5100] | 0.5200 [0.5100, 0.5300] |" in text
    narrow = row("dm", 0.509, accuracy_low=0.508, accuracy_high=0.51)
    assert "Scores" in told([row("dm", 0.5)], [narrow])
    assert "| 0.5000 [0.4900, 0.5100] |" in told([row("dm", 0.5)], [row("dm", None)])


def test_scores_of_other_evaluators_are_compared_and_gaps_are_not() -> None:
    def other(value: float) -> dict[str, Any]:
        names = ("corruptions/mean", "behind")
        return row("dm") | {f"{name}{end}": value + by for name in names for end, by in ENDS}

    text = told([other(0.5)], [other(0.6)])
    assert "`corruptions/mean`" in text and "behind" not in text and "`accuracy`" not in text


def test_ranks_and_states_that_changed() -> None:
    text = told(
        [row("dm"), row("dc", rank=2)], [row("dm", rank=2), row("dc", None, None, state="incomplete")]
    )
    lines = [line.replace(" ", "") for line in text.splitlines()]
    assert "|`retrain`|`digits`|1|`net`|`dm`|1|2|" in lines
    assert "|`retrain`|`digits`|1|`net`|`dc`|2|incomplete|" in lines


def test_what_made_them() -> None:
    text = told([], [], version="0.2.0", recipes=["dsa-1000"], versions=["torch 2.14.0"])
    assert "- version: `0.1.0` → `0.2.0`" in text
    assert "- recipes: new `dsa-1000`, removed `dc-300`" in text
    assert "- versions: new `torch 2.14.0`, removed `torch 2.13.0`" in text and "commits" not in text


def test_rows_of_two_protocols_are_not_compared() -> None:
    text = told([row("dm", 0.1)], [row("dm", 0.9)], protocol=3)
    assert "- protocol: `2` → `3`" in text and "not compared" in text and "Scores" not in text


def test_names_stay_data() -> None:
    text = told([], [row("a|b`c\n# d")])
    assert "<code>a&#124;b&#96;c &#35; d</code>" in text and "\n# d" not in text
