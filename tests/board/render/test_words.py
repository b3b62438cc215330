"""Units by hand."""

from suite.board.render.words import duration, memory


def test_units() -> None:
    assert [duration(s) for s in (0.2, 45, 150, 9000, 500_000)] == [
        "< 1 s",
        "45 s",
        "2.5 min",
        "2.5 h",
        "5.8 d",
    ]
    assert [memory(n) for n in (0, 512, 25_600, 10**9)] == ["", "512 B", "25.6 kB", "1.0 GB"]
