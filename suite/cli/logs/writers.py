"""Where a log is written: TensorBoard, W&B or MLflow. A library is imported only if it is used."""

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

Kind = Literal["tensorboard", "wandb", "mlflow"]

_MODULES = {
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
}
_OFFLINE = ("offline", "disabled", "dryrun")


@dataclass(frozen=True)
class Run:
    """What is logged as one run: a job. group: the grid's name; title: what tells the job from others."""

    id: str
    group: str
    title: str
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """A name for files, which is that of no other run."""
        return f"{re.sub(r'[^A-Za-z0-9._=-]+', '-', self.title)[:80].strip('-.')}-{self.id[:8]}"


class Writer(Protocol):
    """Writes runs, several of which may be open. Any error ends the log, and never the run that is logged."""

    where: str
    """Where it writes, or how that is looked at, in words."""

    def __init__(self, folder: Path, group: str) -> None: ...

    def begin(self, run: Run) -> None:
        """Begin a run, or go on with one that was begun by an earlier process."""
        ...

    def write(self, run: Run, values: Mapping[str, float], step: int) -> None:
        """Write values at an outer step; steps may come in any order."""
        ...

    def end(self, run: Run, status: str) -> None:
        """End a run. status: `done`, or what happened to it."""
        ...


def check(kind: Kind) -> None:
    """Raise ValueError if a log cannot be written, before compute starts: its library is missing."""
    if any(find_spec(name) is None for name in _MODULES[kind]):
        raise ValueError(f"--log {kind}: {kind} is not installed; run `pip install 'rat-bench[{kind}]'`")


def writer(kind: Kind, folder: Path, group: str) -> Writer:
    """Return a writer to `folder`, or to the server that the library's own variables name.

    Raises ValueError if it cannot be made.
    """
    check(kind)
    made: dict[Kind, type[Writer]] = {"tensorboard": TensorBoard, "wandb": WandB, "mlflow": MLflow}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = made[kind](folder.resolve(), group)
    except Exception as error:
        raise ValueError(f"--log {kind}: {' '.join(str(error).split())}") from None
    return found


class TensorBoard:
    """Event files, a folder for each run."""

    def __init__(self, folder: Path, group: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.where, self._folder, self._open = f"tensorboard --logdir {folder}", folder, SummaryWriter
        self._files = dict[str, Any]()

    def begin(self, run: Run) -> None:
        """Open a file, with the settings as text."""
        self._files[run.id] = file = self._open(str(self._folder / run.name))
        rows = "\n".join(f"| {key} | `{value}` |" for key, value in _flat(run.config).items())
        file.add_text("settings", f"| setting | value |\n|---|---|\n{rows}")

    def write(self, run: Run, values: Mapping[str, float], step: int) -> None:
        """Write a scalar for each value."""
        for name, value in values.items():
            self._files[run.id].add_scalar(name, value, step)

    def end(self, run: Run, status: str) -> None:
        """Close the file."""
        file = self._files.pop(run.id)
        file.add_text("status", status)
        file.close()


class WandB:
    """Runs of W&B, in the project $WANDB_PROJECT or `ratbench`."""

    def __init__(self, folder: Path, group: str) -> None:
        import wandb

        if os.environ.get("WANDB_MODE", "online") not in _OFFLINE and not wandb.login(prompt=False):
            raise ValueError("W&B has no API key; run `wandb login`, or set WANDB_MODE=offline")
        self.where, self._folder, self._wandb = f"W&B, files in {folder / 'wandb'}", folder, wandb
        self._runs = dict[str, Any]()

    def begin(self, run: Run) -> None:
        """Begin a run, or go on with it."""
        self._runs[run.id] = made = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "ratbench"),
            dir=str(self._folder),
            group=run.group,
            name=run.title,
            id=run.id[:32],
            resume="allow",
            reinit="create_new",
            config=dict(run.config),
            settings=self._wandb.Settings(silent=True, console="off"),
        )
        made.define_metric("*", step_metric="step")

    def write(self, run: Run, values: Mapping[str, float], step: int) -> None:
        """Log values, with the outer step as one of them."""
        self._runs[run.id].log({"step": step, **values})

    def end(self, run: Run, status: str) -> None:
        """Finish the run."""
        made = self._runs.pop(run.id)
        made.summary["status"] = status
        made.finish(exit_code=0 if status == "done" else 1)


class MLflow:
    """Runs of MLflow, at $MLFLOW_TRACKING_URI or in a database in the folder; the experiment is the grid."""

    def __init__(self, folder: Path, group: str) -> None:
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        from mlflow import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
        self.where, self._client = f"mlflow ui --backend-store-uri {uri}", MlflowClient(uri)
        self._runs = dict[str, str]()
        known = self._client.get_experiment_by_name(group)
        self._experiment = known.experiment_id if known else self._client.create_experiment(group)

    def begin(self, run: Run) -> None:
        """Create a run with its settings as parameters, or go on with it."""
        found = self._client.search_runs(
            [self._experiment], f"tags.`ratbench.job` = '{run.id}'", max_results=1
        )
        if found:
            self._runs[run.id] = found[0].info.run_id
            self._client.update_run(self._runs[run.id], status="RUNNING")
            return
        tags = {"ratbench.job": run.id}
        made = self._client.create_run(self._experiment, run_name=run.title, tags=tags)
        self._runs[run.id] = made.info.run_id
        for key, value in _flat(run.config).items():
            self._client.log_param(made.info.run_id, _key(key), value[:500])

    def write(self, run: Run, values: Mapping[str, float], step: int) -> None:
        """Log a metric for each value."""
        for name, value in values.items():
            self._client.log_metric(self._runs[run.id], _key(name), value, step=step)

    def end(self, run: Run, status: str) -> None:
        """Terminate the run."""
        own = self._runs.pop(run.id)
        self._client.set_tag(own, "ratbench.status", status[:500])
        self._client.set_terminated(own, "FINISHED" if status == "done" else "FAILED")


def _flat(config: Mapping[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def _key(name: str) -> str:
    """Return a name with the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name)
