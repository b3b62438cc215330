import pandas as pd
import pytest

from suite.figures import budget_curve
from suite.site.charts import curves
from tests.support import charts

PLACE = {"task": "digits", "network": "convnet-d3-w128-in", "recipe": "dsa-1000"}


def snapshots(**methods: tuple[float, ...]) -> pd.DataFrame:
    rows = [
        {
            **PLACE,
            "ipc": 10,
            "method": name,
            "seed": seed,
            "moment": 100 * at,
            "step": 100 * at,
            "seconds": 60.0 * at,
            "accuracy": mean + seed / 100,
        }
        for name, means in methods.items()
        for at, mean in enumerate(means)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


def networks(*rows: tuple[str, str, int, int, float]) -> pd.DataFrame:
    found = [
        {**PLACE, "name": name, "method": name, "how": how, "ipc": ipc, "of": of, "index": 0, "seed": seed,
         "networks": 0, "accuracy": mean + seed, "seconds": 1.0}
        for name, how, ipc, of, mean in rows
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(found)


def test_curves_go_over_time_and_over_steps() -> None:
    seconds, steps = curves.anytime(snapshots(dm=(0.4, 0.6, 0.7), mtt=(0.3, 0.5)))
    assert seconds.lines[1][:3] == ("dm", "60 s", "60.5 [60.0, 61.0]")
    assert steps.lines[1][:3] == ("dm", "100", "60.5 [60.0, 61.0]")
    for chart in (seconds, steps):
        assert "digits at 10 images per class" in chart.title
        assert "dsa-1000" in chart.caption and "convnet-d3-w128-in" in chart.caption


def test_each_place_has_its_charts() -> None:
    both = pd.concat([snapshots(dm=(0.4, 0.6)), snapshots(dm=(0.4, 0.6)).assign(recipe="native")])
    assert len(list(curves.anytime(both))) == 4


def test_budgets_show_parts_of_sets() -> None:
    found = networks(
        ("dm", "whole", 1, 1, 40.0), ("dm", "whole", 10, 10, 70.0), ("dm", "random", 1, 10, 30.0)
    )
    (chart,) = curves.budgets(found)
    lines = {line.name: line for line in budget_curve.lines(found)}
    assert {line[0] for line in chart.lines} == set(lines)
    mean = lines["dm, random subsets of 10"].accuracy(1).mean
    values = {line[:2]: line[2] for line in chart.lines}
    assert values["dm, random subsets of 10", "1"].startswith(f"{mean:.1f} ")


def test_whole_sets_alone_have_no_chart_of_budgets() -> None:
    assert list(curves.budgets(networks(("dm", "whole", 1, 1, 40.0), ("dm", "whole", 10, 10, 70.0)))) == []


def test_points_lie_where_the_ticks_say() -> None:
    seconds, _ = curves.anytime(snapshots(dm=(0.4, 0.6, 0.7)))
    ticks = {each.text: each.x for each in charts.texts(seconds, "tick")}
    assert [dot.x for dot in charts.dots(seconds)] == pytest.approx([ticks["0 s"], 50, 100])
    assert ticks["100 s"] == pytest.approx(100 * 100 / 120, abs=0.01)
