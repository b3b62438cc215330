"""Logs are read back by the libraries that they are for; without them they are refused before compute."""

from pathlib import Path

import pytest

from suite.cli.logs import writers
from suite.cli.logs.writers import Run, Writer, writer
from tests.support.command_line import ratbench, refused

RUN = Run("ab" * 32, "tiny", "rat_bptt $x=../1", {"window": 2, "task": "digits", "sizes": [1, 2]})

pytestmark = pytest.mark.usefixtures("elsewhere")


def write(made: Writer) -> None:
    """Two processes of one run, the second of which goes on after a checkpoint of an earlier step."""
    made.begin(RUN)
    made.write(RUN, {"outer_loss": 2.0}, 1)
    made.write(RUN, {"outer_loss": 1.0}, 5)
    made.end(RUN, "not finished")
    made.begin(RUN)
    made.write(RUN, {"outer_loss": 1.5, "accuracy/retrain dsa-1000": 0.5}, 4)
    made.end(RUN, "done")


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_library_is_told_before_compute(
    quick: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "find_spec", lambda name: None)
    refused(
        ratbench("run", quick, "--inline", "--log", kind),
        f"--log {kind}: {kind} is not installed; run `pip install 'rat-bench[{kind}]'`",
    )
    assert not Path("runs").exists()


def test_names_of_files_are_plain_and_of_one_run() -> None:
    assert RUN.name == "rat_bptt-x=..-1-abababab"


class TestTensorBoard:
    def test_scalars_come_back(self, tmp_path: Path) -> None:
        pytest.importorskip("tensorboard", reason="tensorboard is not installed")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        write(writer("tensorboard", tmp_path / "log", "tiny"))
        (folder,) = (tmp_path / "log").iterdir()
        events = EventAccumulator(str(folder))
        events.Reload()
        losses = {each.step: each.value for each in events.Scalars("outer_loss")}
        assert losses == {1: 2.0, 4: 1.5} or losses == {1: 2.0, 5: 1.0, 4: 1.5}
        assert [each.value for each in events.Scalars("accuracy/retrain dsa-1000")] == [0.5]
        (text,) = events.Tensors("settings/text_summary")[-1].tensor_proto.string_val
        assert b"| window | `2` |" in text

    def test_a_run_is_logged(self, quick: Path) -> None:
        pytest.importorskip("tensorboard", reason="tensorboard is not installed")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        ran = ratbench("run", quick, "--inline", "--log", "tensorboard")
        assert ran.exit_code == 0 and "log:         tensorboard --logdir" in ran.stdout
        folders = {
            each.name.rpartition("-")[0]: each for each in Path("runs/quick/log/tensorboard").iterdir()
        }
        assert set(folders) == {"random_subset", "rat_bptt"}
        events = EventAccumulator(str(folders["rat_bptt"]))
        events.Reload()
        tags = set(events.Tags()["scalars"])
        assert {"outer_loss", "seconds", "device_seconds", "accuracy/retrain ncfm-40"} <= tags
        assert len(events.Scalars("outer_loss")) == 4


class TestWandB:
    def test_offline_files_hold_the_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("wandb", reason="wandb is not installed")
        monkeypatch.setenv("WANDB_MODE", "offline")
        write(writer("wandb", tmp_path / "log", "tiny"))
        files = sorted((tmp_path / "log").rglob("*.wandb"))
        content = b"".join(file.read_bytes() for file in files)
        assert len(files) == 2 and b"outer_loss" in content and b"rat_bptt $x=../1" in content

    def test_without_a_key_it_is_refused(self, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        wandb = pytest.importorskip("wandb", reason="wandb is not installed")
        wandb.teardown()  # it remembers the mode of an earlier test
        for name in ("WANDB_MODE", "WANDB_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(quick.parent))
        refused(ratbench("run", quick, "--inline", "--log", "wandb"), "W&B has no API key; run `wandb login`")


class TestMLflow:
    def test_metrics_and_settings_come_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        write(writer("mlflow", tmp_path / "log", "tiny"))
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'log' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("tiny").experiment_id
        (run,) = client.search_runs([experiment])
        assert run.info.run_name == RUN.title and run.info.status == "FINISHED"
        assert run.data.params == {"window": "2", "task": "digits", "sizes": "[1, 2]"}
        history = client.get_metric_history(run.info.run_id, "outer_loss")
        assert sorted((each.step, each.value) for each in history) == [(1, 2.0), (4, 1.5), (5, 1.0)]

    def test_a_server_that_cannot_be_used_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("mlflow", reason="mlflow is not installed")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://there")
        with pytest.raises(ValueError, match="--log mlflow: "):
            writer("mlflow", tmp_path / "log", "tiny")
