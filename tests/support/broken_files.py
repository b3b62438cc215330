"""Files of methods and of an evaluator, as text, that go wrong in one way each."""

HEAD = '''
import os, signal
from dataclasses import dataclass
from pathlib import Path
import torch
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.sets.synthetic_set import SyntheticSet, one_hot

@dataclass(frozen=True)
class Broken(BaseMethod):
    """Goes wrong."""
    steps: int = 6

    def start(self, train, budget, *, seed):
        return Run(self.steps, train, budget)

METHOD = Broken

class Run(BaseDistiller):
    def __init__(self, steps, train, budget):
        self.steps, self.taken = steps, 0
        self.images = torch.zeros(train.classes, budget.ipc, *train.shape)

    def synthetic(self):
        return SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))

    def step(self):
        self.taken += 1
        self.images += self.taken
'''

RAISES = HEAD + '        raise RuntimeError("the method is broken")\n'
DIVERGES = HEAD + '        return {"outer_loss": float("nan") if self.taken == 3 else 1.0}\n'
OUT_OF_MEMORY = HEAD + '        raise torch.OutOfMemoryError("CUDA out of memory")\n'
OUT_OF_MEMORY_IN_A_COMPILER = (
    HEAD
    + """
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except RuntimeError as error:
            raise RuntimeError("inductor failed") from error
"""
)
NOT_FINITE = HEAD + '        self.images[0] = torch.inf\n        return {"outer_loss": 1.0}\n'
KILLED_ONCE = (
    HEAD
    + """
        marker = Path(__file__).with_suffix(".killed")
        if self.taken == 3 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"outer_loss": 1.0}
"""
)
TERMINATES_ITS_WORKER_ONCE = KILLED_ONCE.replace(
    "os.getpid(), signal.SIGKILL", "os.getppid(), signal.SIGTERM"
)
KILLS_ITS_WORKERS = HEAD + "        os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(600)\n"
MENDED = HEAD + '        return {"outer_loss": 1.0}\n'
KEEPS_MEMORY_ONCE = (
    HEAD
    + """
        from suite.experiments.resources import Resources
        Resources.release = release
        return {"outer_loss": 1.0}

def release(resources):
    marker = Path(__file__).with_suffix(".kept")
    if marker.exists():
        return True
    marker.touch()
    return False
"""
)
SLOW = HEAD + '        import time; time.sleep(1)\n        return {"outer_loss": 1.0}\n'
MARKED = 'Path(__file__).with_suffix(f".{self.taken}").touch(); '
SLOW_WITH_MARKERS = SLOW.replace("import time", MARKED + "import time")
LEAVES = HEAD.replace("return Run(self.steps, train, budget)", "raise SystemExit(0)") + "        return {}\n"
OTHER_SIZE = (
    HEAD.replace("train.classes, budget.ipc, *train.shape", "train.classes, budget.ipc, 1, 9, 9")
    + '        return {"outer_loss": 1.0}\n'
)
CACHED = MENDED.replace("    def synthetic", "        self.cached_seconds = 100.0\n\n    def synthetic")
UNPLANNED = MENDED.replace("    steps: int", "    epochs: int").replace("self.steps, t", "self.epochs, t")

FAILS_ONCE = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from suite.core.scores import Score
from suite.core.spec import Scores

@dataclass(frozen=True)
class FailsOnce:
    """Finds every set half right, from its second call on."""

    copies: int = 1

    title: ClassVar[str] = "By halves"
    scores: ClassVar[tuple[Score, ...]] = (Score("half", "half right", "fraction"),)
    smoke: ClassVar[dict] = {}

    def check(self, train):
        pass

    def evaluate(self, synthetic, task, *, seed):
        marker = Path(__file__).with_suffix(".called")
        if not marker.exists():
            marker.touch()
            raise RuntimeError("once")
        task.test
        return Scores({"half": (0.5,)})

EVALUATOR = FailsOnce
'''
