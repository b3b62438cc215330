"""What else differs between two sides."""

from suite.board.comparison.facts import differing, provenance
from suite.board.rows import BoardRow, Costs
from tests.support.board_records import CPU, trial


def row(**changes: object) -> BoardRow:
    own = {"name": "dm", "label": "dm", "line": "dm", "method": "dm", "hyperparameters": '{"window": 40}'}
    return BoardRow(**{**own, **changes})  # type: ignore[arg-type]


def test_settings_of_one_method() -> None:
    other = row(hyperparameters='{"window": 60, "steps": 3}')
    assert list(differing(row(), other)) == ["steps: null → 3", "window: 40 → 60"]
    assert list(differing(row(), row(method="dc", hyperparameters="{}"))) == []
    assert list(differing(row(), row())) == []


def test_data_and_devices() -> None:
    first, second = (row(data=each * 64, costs=Costs(devices=(each,))) for each in "ab")
    assert list(differing(first, second)) == ["data: data aaaaaaaaaaaa → data bbbbbbbbbbbb", "device: a → b"]
    assert list(differing(row(data=""), row(data="b" * 64))) == []  # unknown data may be the same


def test_code_versions_and_protocols() -> None:
    other = CPU.model_copy(update={"commit": "def5678", "versions": {"torch": "2.14.0", "new": "1"}})
    found = provenance([trial("dm")], [trial("dm", provenance=other, measured_under=1)])
    assert found == [
        "commit: abc1234 → def5678",
        "new: none → 1",
        "torch: 2.13.0 → 2.14.0",
        "measured under protocol: 2 → 1",
    ]
    assert provenance([trial("dm")], [trial("dc")]) == []


def test_long_lists_are_cut() -> None:
    many = [trial("dm", provenance=CPU.model_copy(update={"commit": f"{each:07}"})) for each in range(9)]
    assert provenance([trial("dm")], many)[0].endswith("0000003 and 5 more")
