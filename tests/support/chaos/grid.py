"""The small grid of the chaos test: a method with outer steps, one without, one that may misbehave once.

A deed of `misbehaving.DEEDS` is done once by the trial, or the evaluation, that finds its name in a file.
"""

import json
from pathlib import Path

from tests.support import misbehaving

STEPS = 4
"""Outer steps of each trial that has some."""

STARTS = "drifting.starts"
"""The file, beside the grid, to which each start of a trial of `drifting` adds its seed."""

ONCE = '''
from pathlib import Path

def once(kind):
    """Do the deed that a file beside this one names, which is removed first."""
    file = Path(__file__).with_name(f"{kind}.deed")
    try:
        deed = file.read_text()
        file.unlink()
    except FileNotFoundError:
        return
    with open(file.with_suffix(".done"), "w"):
        pass
    ALL[deed][0]()
'''

METHOD = (
    '"""Drifts at random, and may misbehave once."""\n'
    + misbehaving.DEEDS
    + ONCE
    + '''
from dataclasses import dataclass
from suite.core.distilling.base import BaseDistiller, BaseMethod
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot

@dataclass(frozen=True)
class Drifting(BaseMethod):
    """Adds noise to real images in each step."""
    steps: int = 4
    title = "Drifting"

    def start(self, train, budget, *, seed):
        with open(Path(__file__).with_suffix(".starts"), "a") as out:
            out.write(f"{seed}\\n")
        return Run(self, train, budget, seed)

class Run(BaseDistiller):
    def __init__(self, method, train, budget, seed):
        self.steps, self.taken, self.draw = method.steps, 0, generator(seed, "drift")
        self.images = train.images[torch.stack([rows[: budget.ipc] for rows in train.by_class()])].clone()

    def synthetic(self):
        return SyntheticSet(self.images.clone(), one_hot(len(self.images), self.images.shape[1]))

    def step(self):
        self.taken += 1
        self.images += 0.1 * torch.randn(self.images.shape, generator=self.draw)
        if self.taken == 3:
            once("method")
        return {"outer_loss": float(self.images.square().mean())}

METHOD = Drifting
'''
)

EVALUATOR = (
    '"""Classifies by the nearest mean, and may misbehave once."""\n'
    + misbehaving.DEEDS
    + ONCE
    + '''
from dataclasses import dataclass
from typing import ClassVar
from suite.core.scores import Score
from suite.core.spec import Scores

@dataclass(frozen=True)
class Nearest:
    """The share of test images that are nearest to the mean of their class."""

    title: ClassVar[str] = "Nearest mean"
    scores: ClassVar[tuple[Score, ...]] = (Score("accuracy", "accuracy", ranks=True),)
    smoke: ClassVar[dict] = {}

    def check(self, train):
        pass

    def evaluate(self, synthetic, task, *, seed):
        once("evaluator")
        test = task.test
        found = torch.cdist(test.images.flatten(1), synthetic.images.flatten(2).mean(1)).argmin(1)
        return Scores({"accuracy": ((found == test.labels).double().mean().item(),)})

EVALUATOR = Nearest
'''
)


def write(folder: Path) -> Path:
    """Write the grid and its plug-ins; return its file."""
    (folder / "drifting.py").write_text(METHOD)
    (folder / "nearest.py").write_text(EVALUATOR)
    path = folder / "chaos.toml"
    path.write_text(
        f"""
title = "A grid for chaos"
tasks = ["digits"]
ipc = [1]
seeds = [0, 1]
network = "convnet-d1-w8-in"

[reference]
recipe = "dc-300"
epochs = 1
copies = 2

[method.random_subset]

[method.dm]
steps = {STEPS}
real_batch = 8

[method.drifting]
base = {json.dumps(str(folder / "drifting.py"))}
steps = {STEPS}

[evaluator.retrain]
recipe = "dc-300"
copies = 1

[evaluator.nearest]
base = {json.dumps(str(folder / "nearest.py"))}
"""
    )
    return path
