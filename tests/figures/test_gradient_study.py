"""The study of meta-gradients: from records to a table and a picture."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from suite.figures import gradient_study
from tests.support.command_line import ratbench
from tests.support.titles import facts

GRID = """
title = "study"
tasks = ["digits"]
ipc = [1]
seeds = [0]
network = "convnet-d1-w8-in"
[study.bptt]
base = "gradient_study"
truncation = "full"
unroll = [2, 4]
initialisations = 4
real_batch = 32
[study.t_bptt]
base = "gradient_study"
truncation = "fixed"
unroll = [2, 4]
share = 0.5
initialisations = 4
real_batch = 32
"""


def test_a_study_is_run_tabled_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(GRID)
    ran = ratbench("run", str(tmp_path / "small.toml"), "--store", str(tmp_path / "runs"), "--inline")
    assert ran.exit_code == 0, ran.output
    shown = ratbench(
        "figure", "gradient-study", str(tmp_path / "runs"), "--output", str(tmp_path / "study.png")
    )
    assert shown.exit_code == 0 and "| t_bptt" in shown.output
    assert Image.open(tmp_path / "study.png").width == 1200
    table = gradient_study.summary(gradient_study.measured([tmp_path / "runs"]))
    assert table["networks"].to_list() == [3] * 4
    full = table["schedule"] == "bptt"
    assert table["cosine_to_full"][full].to_list() == pytest.approx([1, 1])
    assert table["cosine_to_full"][~full].max() < 0.999
    told = facts(lambda: gradient_study.plot(gradient_study.measured([tmp_path / "runs"])))
    assert told["title"] == "Meta-gradients against the length of the unroll"
    assert told["subtitle"].startswith(
        "digits; 1 image per class; convnet-d1-w8-in; nothing is retrained; n = 3 fresh"
    )


def test_networks_of_two_tasks_or_settings_are_not_put_together(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(GRID.partition("[study.t_bptt]")[0].replace("[2, 4]", "2"))
    for task, batch in (("digits", 32), ("digits:holdout", 32), ("digits", 16)):
        words = ["--set", f'tasks=["{task}"]', "--set", f"study.bptt.real_batch={batch}", "--inline"]
        assert ratbench("run", tmp_path / "small.toml", "--store", tmp_path / "runs", *words).exit_code == 0
    table = gradient_study.summary(gradient_study.measured([tmp_path / "runs"]))
    assert table["networks"].to_list() == [3] * 3 and sorted(table["schedule"]) == [
        "bptt (real_batch=16, task=digits)",
        "bptt (real_batch=32, task=digits)",
        "bptt (real_batch=32, task=digits:holdout)",
    ]


def test_stores_without_a_study_are_refused(tmp_path: Path) -> None:
    shown = ratbench("figure", "gradient-study", str(tmp_path))
    assert shown.exit_code == 2 and "error:" in shown.output


def test_the_spread_is_the_norms_deviation_over_its_mean() -> None:
    rows = pd.DataFrame({"norm": [1.0, 3.0], "cosine_to_full": [0.0, 1.0], "step_seconds": [1.0, 2.0]})
    table = gradient_study.summary(rows.assign(schedule="bptt", unroll=8))
    assert table["spread"].to_list() == pytest.approx([2**0.5 / 2]) and table["norm"].to_list() == [2]
