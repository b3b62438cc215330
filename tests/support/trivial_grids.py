"""Grids of any number of cells that take no time, to measure what a run does beside them."""

import json
from pathlib import Path

METHOD = '''
"""The first real images."""
from dataclasses import dataclass

from suite.core.distilling.selection import Selection

@dataclass(frozen=True)
class First(Selection):
    """The first real images of each class."""
    tag: int = 0

    def choose(self, train, ipc, *, seed):
        return [rows[:ipc] for rows in train.by_class()]

METHOD = First
'''

EVALUATOR = '''
"""A score that takes no time."""
from dataclasses import dataclass

from suite.core.scores import Score
from suite.core.spec import Scores

@dataclass(frozen=True)
class Same:
    """The same score for all sets."""
    title = "the same"
    scores = (Score("accuracy", "accuracy", ranks=True),)

    def check(self, train):
        pass

    def evaluate(self, synthetic, task, *, seed):
        return Scores({"accuracy": (0.5,)})

EVALUATOR = Same
'''


def write(folder: Path, cells: int, *, rows: int = 1, evaluated: bool = False) -> Path:
    """Write a grid of `cells` trials in `rows` rows on the digits, or of pairs with an evaluation each."""
    (folder / "first.py").write_text(METHOD)
    (folder / "same.py").write_text(EVALUATOR)
    trials = cells // 2 if evaluated else cells
    seeds = ", ".join(map(str, range(trials // rows)))
    tables = [f'[method.row{row:05d}]\nbase = "{folder / "first.py"}"\ntag = {row}\n' for row in range(rows)]
    if evaluated:
        tables.append(f'[evaluator.same]\nbase = "{folder / "same.py"}"\n')
    facts = {"title": "Trivial cells", "tasks": ["digits"], "ipc": [1], "network": "convnet-d1-w8-in"}
    head = "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
    path = folder / "trivial.toml"
    path.write_text(f"{head}seeds = [{seeds}]\n\n" + "\n".join(tables))
    return path
