"""The loss of distillations over outer steps."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from suite.figures import loss
from tests.support.board_records import save, trial
from tests.support.command_line import ratbench
from tests.support.titles import facts

CURVE = {"step": (1.0, 2.0, 3.0), "seconds": (0.1, 0.2, 0.3)}


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Two seeds of a method, one of which diverged, a method with a loss of its own name, and one without."""
    save(
        [
            trial("dm", curve={**CURVE, "outer_loss": (4.0, 2.0, 1.0)}),
            trial("dm", seed=1, status="diverged", curve={**CURVE, "outer_loss": (6.0, 3.0, 2.0)}),
            trial("$mine_", ipc=1, curve={**CURVE, "my_loss": (-1.0, -2.0, -3.0)}),
            trial("k_means", curve={}),
        ],
        tmp_path,
    )
    return tmp_path


def test_each_recorded_step_is_a_row(measured: Path) -> None:
    steps = loss.measured([measured])
    assert len(steps) == 9 and set(steps["method"]) == {"dm", "$mine_"}
    assert steps[(steps["method"] == "dm") & (steps["seed"] == 1)]["loss"].tolist() == [6.0, 3.0, 2.0]
    (_, own, other) = [None, *loss.summary(steps).sort_values("method").to_dict("records")]
    assert (own["method"], own["ipc"], own["first loss"], own["last loss"]) == ("$mine_", 1, -1.0, -3.0)
    assert (other["seeds"], other["diverged"], other["steps"]) == (2, 1, 3)
    assert (other["first loss"], other["last loss"]) == (5.0, 1.5)


def test_the_picture_has_a_panel_for_each_method(measured: Path) -> None:
    steps = loss.measured([measured])
    with Image.open(io.BytesIO(loss.plot(steps))) as image:
        assert image.width > image.height and len(np.unique(np.asarray(image.convert("L")))) > 10
    assert loss.plot(steps) == loss.plot(steps)
    told = facts(lambda: loss.plot(steps.assign(task="$t")))  # escaped once, by `style.png`
    assert told["title"] == "$t, 1 and 10 images per class: loss during distillation"
    assert loss._sizes(steps) == "1 and 10 images per class"


def test_without_a_loss_it_is_refused(tmp_path: Path) -> None:
    save([trial("k_means", curve={})], tmp_path)
    with pytest.raises(ValueError, match=r"no trial in .* has a loss; run a method that takes outer steps"):
        loss.measured([tmp_path])


def test_the_command(finished: tuple[Path, Path, Result], tmp_path: Path) -> None:
    target = tmp_path / "loss.png"
    ran = ratbench("figure", "loss", finished[1], "--method", "rat_bptt", "--output", target)
    assert ran.exit_code == 0 and "rat_bptt" in ran.stdout
    assert (
        target.is_file()
        and "| digits | convnet-d1-w8-in | rat_bptt |" in target.with_suffix(".md").read_text()
    )
