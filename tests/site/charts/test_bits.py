from suite.board.breakdown import Breakdown, BreakdownRow
from suite.board.cells import TableKey
from suite.board.statistics.intervals import Interval
from suite.site.charts import bits


def value(mean: float) -> Interval:
    return Interval(mean, mean - 0.01, mean + 0.01, 2, (3, 3))


def table(*rows: BreakdownRow) -> Breakdown:
    return Breakdown(
        "quantised", "At fewer bits per value", TableKey("digits", 10, "convnet-d3-w16-in", ""), (), rows
    )


DM = BreakdownRow(
    "dm",
    "dm",
    {
        "accuracy/32": value(0.9), "bits_per_class/32": value(640_000),
        "accuracy/2": value(0.7), "bits_per_class/2": value(40_500),
    },
)  # fmt: skip


def test_a_line_has_the_accuracy_at_each_number_of_bits() -> None:
    (chart,) = bits.charts([table(DM)])
    assert chart.title == "Test accuracy on digits at 10 images per class against bits per class"
    assert chart.lines == (
        ("dm", "40.5 kbit", "70.0 [69.0, 71.0]", "2 × 3"),
        ("dm", "640.0 kbit", "90.0 [89.0, 91.0]", "2 × 3"),
    )


def test_accuracies_without_bits_or_at_one_number_have_no_chart() -> None:
    other = BreakdownRow("dm", "dm", {"accuracy/mlp": value(0.5), "accuracy/vgg11": value(0.6)})
    single = BreakdownRow("dm", "dm", {"accuracy/32": value(0.9), "bits_per_class/32": value(640_000)})
    assert not list(bits.charts([table(other), table(single), table()]))
