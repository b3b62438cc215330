"""What the driver hears of running workers, and when it stops all of them."""

import signal
from collections.abc import Callable
from typing import Any

from ray import tune

from suite.experiments.cells.progress import Progress
from suite.experiments.cluster.asking import Question
from suite.experiments.cluster.worker import REPORT_SECONDS
from suite.records.record import Record

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""Signals whose handlers Ray or Tune replace."""

Observe = Callable[[Progress], None]
Stop = Callable[[float], bool]
"""Whether a run is too near its end for work that takes the given seconds."""


class Watch(tune.Callback):
    """Pass reports on to the display, and note for `ending` which trials run.

    lost: why jobs were given up, by the ids of their first cells.
    """

    def __init__(self, observe: Observe, end: Callable[[str], None], ending: "Ending") -> None:
        self.observe, self.end, self.running = observe, end, ending.running
        self.lost: dict[str, str] = {}
        self.handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune saves callbacks for a restore, which is not used here."""
        return {}

    def setup(
        self, stop: Any = None, num_samples: Any = None, total_num_samples: Any = None, **info: Any
    ) -> None:
        """Take back the signals that Tune took."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note that a trial runs, also on a reused worker."""
        self.running.add(trial.trial_id)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Show the progress."""
        finished = {cell: Record.model_validate_json(text) for cell, text in result["finished"].items()}
        at = result["job"], result["doing"], result["at"], result["of"], finished, result["needs"]
        self.observe(Progress(*at, latest=result["latest"], where=result["where"]))

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note that a worker is gone, and will be replaced."""
        self.running.discard(trial.trial_id)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note that a worker has stopped."""
        self.running.discard(trial.trial_id)
        self.end(trial.config["cell"])

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note that a worker is gone for good, and why."""
        self.lost[trial.config["cell"]] = _reason(trial)
        self.on_trial_complete(iteration, trials, trial)


def _reason(trial: Any) -> str:
    """Return Ray's line on the death of a trial's last worker."""
    error = trial.get_error()
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "exit" in line.lower() or "killed" in line.lower()]
    return (told or lines or [type(error).__name__])[-1]


class Ending(tune.Stopper):
    """Stop all trials after a fault of the disk, which would fail them all, and near the end of the run.

    Near the end, `question` asks workers to write a checkpoint: Tune itself kills a worker that needs more
    than ten seconds for it. A cell without outer steps has no checkpoints, and begins only if there is time
    for all of it.
    """

    def __init__(self, stop: Stop, question: Question) -> None:
        self.stop, self.question = stop, question
        self.running: set[str] = set()
        self.fault, self.asked = "", False

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state, as above."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Return whether to stop a trial after its report."""
        self.fault = self.fault or str(result.get("fault", ""))
        needs = REPORT_SECONDS + result["needs"]
        if result["of"]:
            self._ask_if_near(needs)
            return bool(self.fault)
        return bool(self.fault) or (result["needs"] > 0 and self.stop(needs))

    def stop_all(self) -> bool:
        """Return whether to stop all trials; Tune asks again and again."""
        self._ask_if_near(0.0)
        return bool(self.fault) or (self.asked and not self.running)

    def _ask_if_near(self, needs: float) -> None:
        if not self.asked and self.stop(needs):
            self.question.ask()
            self.asked = True
