"""Tables of an evaluation's parts, from records made by hand to their Markdown."""

import io
import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from rich.console import Console

from suite.board.breakdown import Breakdown
from suite.board.files import leaderboard, render
from suite.board.render.terminal import terminal
from suite.board.tables import board
from suite.core.scores import SECONDS, Score
from suite.records.cells import Evaluation
from suite.records.jobs import Planned
from suite.records.record import Record, Status
from tests.support.board_records import CPU, SMALL, STANDARD, pair, trial
from tests.support.command_line import ratbench

Values = tuple[float, ...]

ACROSS = (
    Score("accuracy", "home"),
    Score("accuracy/*", "{}"),
    Score("mean", "mean", ranks=True),
    Score("drop", "drop", unit="points", better="lower"),
    Score("rate/*", "rate of {}", unit="number", shown=False),
    SECONDS,
)
CORRUPTED = (Score("accuracy", "clean"), Score("accuracy/*", "{}"))


def parts(
    of: Record,
    scores: dict[str, Values],
    *,
    evaluator: str = "cross_architecture",
    title: str = "Across architectures",
    described: tuple[Score, ...] = ACROSS,
    status: Status = "done",
    step: int | None = None,
    **settings: Any,
) -> Record:
    chosen = {"recipe": "dsa-1000", "network": STANDARD, "copies": 2, **settings}
    cell = Evaluation(trial=of.cell.id, evaluator=evaluator, settings=chosen, seed=0, step=step)
    fields: dict[str, Any] = {"scores": scores, "provenance": CPU, "test_reads": 1}
    fields |= {"title": title, "described": described}
    return Record(cell=cell, label=of.label, task="digits", ipc=of.ipc, status=status, **fields)


def across(home: Values, mlp: Values, vgg: Values) -> dict[str, Values]:
    mean = tuple((one + other) / 2 for one, other in zip(mlp, vgg, strict=True))
    drop = tuple(own - other for own, other in zip(home, mean, strict=True))
    found = {
        "accuracy": home,
        "accuracy/mlp-w8": mlp,
        "accuracy/vgg11-w8-in": vgg,
        "mean": mean,
        "drop": drop,
    }
    return {**found, "rate/mlp-w8": (0.01,), "seconds": (3.0,)}


FIRST, SECOND, RANDOM = trial("rat_bptt"), trial("rat_bptt", seed=1), trial("random_subset")
RECORDS = [
    *(FIRST, SECOND, RANDOM),
    parts(FIRST, across((0.8, 0.82), (0.5, 0.5), (0.6, 0.6))),
    parts(SECOND, across((0.84, 0.86), (0.54, 0.54), (0.64, 0.64))),
    parts(RANDOM, across((0.5, 0.5), (0.6, 0.6), (0.5, 0.5))),
]


def only(records: list[Record], **given: Any) -> Breakdown:
    (found,) = board(records, **given).breakdowns
    return found


def cells(text: str, name: str) -> str:
    return next(" ".join(line.split()) for line in text.splitlines() if line.startswith(f"| `{name}`"))


def test_a_row_per_method_and_a_column_per_network() -> None:
    found = only(RECORDS)
    columns = [column.name for column in found.columns]
    assert columns == ["accuracy", "accuracy/mlp-w8", "accuracy/vgg11-w8-in", "mean", "drop"]
    first, second = found.rows
    assert (first.name, second.name) == ("rat_bptt", "random_subset")  # the best mean first: .57, .55
    means = {name: value.mean for name, value in first.scores.items()}
    assert means == pytest.approx(dict(zip(columns, (0.83, 0.52, 0.62, 0.57, 0.26), strict=True)))
    mlp = first.scores["accuracy/mlp-w8"]
    assert (mlp.low, mlp.high, mlp.seeds, mlp.copies) == (0.5, 0.54, 2, (2, 2))


def test_its_markdown() -> None:
    text = render(board(RECORDS), "md").partition(">Across architectures")[2]
    assert f"**digits, {STANDARD}: 10 images per class**" in text
    header = next(" ".join(line.split()) for line in text.splitlines() if line.startswith("| method"))
    assert header == "| method | home % | mlp-w8 % | vgg11-w8-in % | mean % | drop ↓ | n |"
    assert cells(text, "rat_bptt").startswith("| `rat_bptt` | 83.0 [80.5, 85.5] | 52.0 [50.0, 54.0] |")
    assert cells(text, "random_subset").endswith("| 55.0 [55.0, 55.0] | −5.0 [−5.0, −5.0] | 1 × 2 |")
    assert "- settings: recipe=dsa-1000" in text and "1 seed" not in text


def test_a_terminal_shows_the_mean_and_the_drop(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=80).print(terminal(board(RECORDS))[-1])
    found = capsys.readouterr().out
    assert f"Across architectures: digits, {STANDARD}, 10 images" in found
    line = next(line for line in found.splitlines() if line.strip().startswith("rat_bptt"))
    assert line.rstrip().endswith("26.0 [25.0, 27.0]")


def test_a_part_is_the_mean_of_its_details_copy_by_copy() -> None:
    scores: dict[str, Values] = {
        "accuracy": (0.9, 0.7),
        "accuracy/noise/1": (0.8, 0.6),
        "accuracy/noise/5": (0.4, 0.2),
    }
    title = "Under corruptions"
    found = parts(RANDOM, scores, evaluator="corruptions", title=title, described=CORRUPTED)
    of, made = RANDOM, only([RANDOM, found])
    noise = made.rows[0].scores["accuracy/noise"]
    assert [column.name for column in made.columns] == ["accuracy", "accuracy/noise"]
    assert (noise.mean, noise.low, noise.high) == pytest.approx((0.5, 0.4, 0.6))
    text = render(board([of, found]), "md")
    assert ">Under corruptions" in text and " clean % |" in text
    assert (
        "- 1 seed: intervals leave out variation between distillations"
        in text.partition(">Under corruptions")[2]
    )


ECE = (Score("ece", "ECE", unit="fraction", better="lower", ranks=True), SECONDS)


def calibrated(of: Record, *ece: float) -> Record:
    """Return an evaluation by an evaluator whose scores are no accuracies."""
    scores: dict[str, Values] = {"ece": ece, "seconds": (3.0,)}
    return parts(of, scores, evaluator="calibration", title="Calibration", described=ECE)


CALIBRATION = """
from dataclasses import dataclass
from typing import ClassVar
from suite.core.scores import Score
from suite.core.spec import Scores


@dataclass(frozen=True)
class Calibration:
    title: ClassVar[str] = "Calibration"
    scores: ClassVar = (Score("ece", "ECE", unit="fraction", better="lower", ranks=True),)
    smoke: ClassVar = {}

    def check(self, train):
        pass

    def evaluate(self, synthetic, task, *, seed):
        assert len(task.test)
        return Scores({"ece": (0.125,)})


EVALUATOR = Calibration
"""


class TestAnyEvaluator:
    """What it declares is shown in every format, and nothing else is needed."""

    RECORDS = (FIRST, RANDOM, calibrated(FIRST, 0.25, 0.35), calibrated(RANDOM, 0.1, 0.12))

    def test_markdown_sorts_the_lowest_first(self) -> None:
        text = render(board(self.RECORDS), "md").partition(">Calibration")[2].partition("</details>")[0]
        assert "Sorted by **ECE**, lowest first" in text
        lines = [" ".join(line.split()) for line in text.splitlines() if line.startswith("| ")]
        assert lines == [
            "| method | ECE ↓ | n |",
            "| --- | --: | --: |",
            "| `random_subset` | 0.110 [0.100, 0.120] | 1 × 2 |",
            "| `rat_bptt` | 0.300 [0.250, 0.350] | 1 × 2 |",
        ]

    def test_csv_and_json(self) -> None:
        frame = pandas.read_csv(io.StringIO(render(board(self.RECORDS), "csv")))
        assert frame["calibration/ece"].to_list() == [0.11, 0.3]
        assert frame["calibration/ece_low"].to_list() == [0.1, 0.25]
        first, second = json.loads(render(board(self.RECORDS), "json"))["rows"]
        assert (first["evaluator"], first["name"], second["name"]) == (
            *("calibration", "random_subset", "rat_bptt"),
        )
        assert first["calibration/ece"] == 0.11 and "calibration/seconds" not in first

    def test_a_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        for table in terminal(board(self.RECORDS)):
            Console(width=80).print(table)
        shown = capsys.readouterr().out
        assert "Calibration: digits" in shown and "0.110 [0.100, 0.120]" in shown

    def test_the_leaderboard_does_not_wait_for_rows_that_are_evaluated(self) -> None:
        assert board(self.RECORDS).tables == ()
        assert "not evaluated yet" not in render(board(self.RECORDS), "md")
        (table,) = board([*self.RECORDS, *pair("kip", (0.5,))]).tables
        assert [row.name for row in table.rows] == ["kip"]

    def test_scores_that_are_not_shown_have_no_table(self) -> None:
        hidden = (Score("accuracy", "accuracy", shown=False),)
        found = parts(RANDOM, {"accuracy": (0.9, 0.9)}, evaluator="plain", described=hidden)
        assert board([RANDOM, found]).breakdowns == ()

    def test_one_file_is_enough(self, tiny: Path, tmp_path: Path) -> None:
        file = tmp_path / "calibration.py"
        file.write_text(CALIBRATION)
        retrain = '[evaluator.retrain]\nrecipe = ["rat-bptt-1000"]\ncopies = 2'
        assert retrain in tiny.read_text()
        tiny.write_text(tiny.read_text().replace(retrain, f'[evaluator."{file}"]'))
        shown = ratbench("run", tiny, "--store", tmp_path / "runs", "--inline")
        assert shown.exit_code == 0 and "Calibration: digits" in shown.output, shown.output
        text = (tmp_path / "runs/leaderboard.md").read_text()
        assert ">Calibration" in text and "not evaluated yet" not in text
        assert cells(text, "rat_bptt").startswith("| `rat_bptt` | 0.125 |")
        frame = leaderboard([tmp_path / "runs"])
        assert frame[f"{file}/ece"].to_list() == [0.125, 0.125]
        for format in ("csv", "json", "html"):
            text = ratbench("leaderboard", tmp_path / "runs", "--format", format).stdout
            assert text.count("0.125") >= 2 and f"{file}/ece" in text

    def test_markup_in_names_is_escaped_in_html(self) -> None:
        record = RANDOM.model_copy(update={"label": "<script>alert(1)</script>"})
        text = render(board([record]), "html")
        assert "&lt;script&gt;" in text and "<script>" not in text

    def test_evaluators_of_one_title_are_told_apart(self) -> None:
        other = calibrated(RANDOM, 0.5, 0.5)
        cell = other.cell.model_copy(update={"evaluator": "strict", "base": "calibration"})
        text = render(board([*self.RECORDS, other.model_copy(update={"cell": cell})]), "md")
        assert ">Calibration (calibration): " in text and ">Calibration (strict): " in text

    def test_undeclared_scores_are_shown_as_they_are(self) -> None:
        found = parts(RANDOM, {"sharpness": (12.5, 12.5)}, evaluator="old", title="", described=())
        made = only([RANDOM, found])
        assert (made.title, made.columns[0].heading) == ("old", "sharpness")
        text = render(board([RANDOM, found]), "md")
        assert cells(text.partition(">old: ")[2], "random_subset") == (
            "| `random_subset` | 12.5 [12.5, 12.5] | 1 × 2 |"
        )


def test_snapshots_stay_out() -> None:
    snapshot = parts(FIRST, across((0.1, 0.1), (0.1, 0.1), (0.1, 0.1)), step=3)
    assert board([*RECORDS, snapshot]).breakdowns == board(RECORDS).breakdowns
    assert board([FIRST, snapshot]).breakdowns == ()


def test_what_is_missing_is_said_beside_its_row() -> None:
    third, failed = trial("rat_bptt", seed=2), trial("kip", status="diverged")
    absent = [parts(third, {}), parts(failed, {})]
    planned = [Planned(label=r.label, task=r.task, ipc=r.ipc, cell=r.cell) for r in absent]
    found = only([*RECORDS, third, failed], planned=planned)
    assert {row.name: row.state for row in found.rows} == {
        "rat_bptt": "2 of 3 seeds (missing)",
        "random_subset": "",
        "kip": "0 of 1 seed (div.)",
    }
    text = render(board([*RECORDS, third, failed], planned=planned), "md").partition(">Across")[2]
    assert "| `rat_bptt` 2 of 3 seeds (missing) |" in text
    assert "| `kip` 0 of 1 seed (div.)" in text
    later = only([*RECORDS, third, parts(third, {}, status="oom")])
    assert later.rows[0].state == "2 of 3 seeds (oom)"


def test_settings_and_sizes_are_tables_of_their_own_and_most_copies_count() -> None:
    other = parts(RANDOM, across((0.4,) * 2, (0.3,) * 2, (0.3,) * 2), factors=[1.0])
    more = parts(RANDOM, across((0.6,) * 3, (0.3,) * 3, (0.3,) * 3), copies=3)
    small = trial("random_subset", ipc=1)
    one = parts(small, across((0.2,) * 2, (0.1,) * 2, (0.1,) * 2))
    made = board([*RECORDS, other, more, small, one]).breakdowns
    assert [(each.key.conditions, each.key.ipc) for each in made] == [
        ("factors=[1.0], recipe=dsa-1000", 10),
        ("recipe=dsa-1000", 1),
        ("recipe=dsa-1000", 10),
    ]
    assert made[2].rows[1].scores["accuracy"].copies == (3,)


def test_json_has_them_and_a_board_without_them_is_as_it_was() -> None:
    rows = json.loads(render(board(RECORDS), "json"))["rows"]
    (found,) = [row for row in rows if row["evaluator"] == "cross_architecture" and row["name"] == "rat_bptt"]
    assert found["cross_architecture/drop"] == pytest.approx(0.26)
    assert {row["evaluator"] for row in json.loads(render(board(SMALL), "json"))["rows"]} == {"retrain"}
    assert "Across" not in render(board(SMALL), "md")


REGIMES = (
    Score("hard", "hard labels", ranks=True, against_random=True),
    Score("fixed", "fixed soft labels", against_random=True),
    Score("error", "error", better="lower", against_random=True),
    Score("other", "other"),
)


def regimes(label: str, *values: tuple[float, float, float]) -> list[Record]:
    """Trials of seeds 0, 1, … with a score in each regime."""
    made = []
    for seed, (hard, fixed, error) in enumerate(values):
        of = trial(label, seed=seed)
        scores: dict[str, Values] = {"hard": (hard, hard), "fixed": (fixed, fixed), "error": (error, error)}
        scores["other"] = (hard, hard)
        made += [of, parts(of, scores, evaluator="regimes", title="Regimes", described=REGIMES)]
    return made


def test_rows_are_compared_with_random_subsets_where_a_score_says_so() -> None:
    random = regimes("random_subset", (0.30, 0.40, 0.5), (0.31, 0.41, 0.5), (0.32, 0.42, 0.5))
    ours = regimes("dm", (0.41, 0.42, 0.3), (0.42, 0.40, 0.31), (0.44, 0.41, 0.29))
    made = board([*random, *ours])
    rows = {row.name: row for row in only([*random, *ours]).rows}
    assert rows["random_subset"].leads == {} and set(rows["dm"].leads) == {"hard", "fixed", "error"}
    assert rows["dm"].leads["error"].mean == pytest.approx(0.2), "lower is better there"
    text = render(made, "md")
    better = (
        "better than random subsets with hard labels by 11.3 [9.6, 13.1], with error by 20.0 [16.9, 23.1]"
    )
    assert f"- `dm`: {better}; not shown to be better with fixed soft labels (0.0 [−5.3, 5.3])" in text
    assert "- `random_subset`" not in text
    (line,) = (
        row
        for row in json.loads(render(made, "json"))["rows"]
        if row.get("regimes/hard") and row["label"] == "dm"
    )
    assert line["regimes/hard_lead"] == pytest.approx(0.34 / 3, abs=1e-6) and "regimes/other_lead" not in line


def test_one_seed_or_no_random_subset_gives_no_verdict() -> None:
    assert not any(row.leads for row in only(regimes("dm", (0.4, 0.4, 0.3), (0.5, 0.4, 0.3))).rows)
    one = [*regimes("dm", (0.4, 0.4, 0.3)), *regimes("random_subset", (0.3, 0.3, 0.3), (0.3, 0.3, 0.3))]
    assert not any(row.leads for row in only(one).rows)
