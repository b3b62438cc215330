"""Plain steps of an inner training: several in one program, which a GPU replays as one CUDA graph."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from suite.core.engine.inner_problem import InnerProblem
from suite.core.execution.graphs import Graphs
from suite.core.execution.streams import stream_number

AHEAD = {"cpu": 1, "cuda": 16}
"""Steps whose batches are made together. On a GPU they are one program; a CPU's cache is small."""

Draw = TypeVar("Draw")
Extra = TypeVar("Extra")
Reused = TypeVar("Reused")


def parts(steps: range, size: int) -> Iterator[range]:
    """Split steps into parts of `size`; the last one may be shorter."""
    return (steps[start : start + size] for start in range(0, len(steps), size))


def equal_parts(
    draws: Iterable[Draw], batch: Callable[[Draw], int], size: int, every: int = 0
) -> Iterator[list[Draw]]:
    """Split what steps draw into parts of at most `size` steps, with batches of one size.

    batch: returns the size of a step's batch; every: a part also ends after each `every` steps, if not 0.
    """
    part: list[Draw] = []
    for number, drawn in enumerate(draws):
        ends = every and number % every == 0
        if part and (len(part) == size or ends or batch(drawn) != batch(part[0])):
            yield part
            part = []
        part.append(drawn)
    if part:
        yield part


class Training:
    """A network that takes steps of an inner problem."""

    def __init__(self, problem: InnerProblem, graphs: Graphs) -> None:
        self.problem, self.graphs = problem, graphs

    @property
    def state(self) -> Tensor:
        """The state (rows, size) after the last step; later steps may overwrite it."""
        return self.graphs["state"]

    def start(self, state: Tensor) -> None:
        """Begin from a state (rows, size)."""
        self.graphs.hold("state", state)

    def take(self, lrs: Tensor, corrections: Tensor, batch: Sequence[Tensor], *, room: int) -> None:
        """Take one step for each row of lrs (steps,), corrections (steps, k) and the tensors (steps, n, …).

        room: the largest number of steps of a call.
        """
        held = fix_steps(self.graphs, "batch", (lrs, corrections, *batch), room)
        shapes = tuple(value.shape for value in held)
        self.graphs.run(("steps", shapes), partial(self._take, *held))

    def _take(self, lrs: Tensor, corrections: Tensor, *batch: Tensor) -> None:
        state = self.state
        for step in range(len(lrs)):
            own = [value[step] for value in batch]
            (after,) = self.problem.forward(state, lrs[step], corrections[step], *own)
            self.observe(step, state, after, own)
            state = after
        self.graphs.hold("state", state)

    def observe(self, step: int, before: Tensor, after: Tensor, batch: Sequence[Tensor]) -> None:
        """Use the states before and after a step of a program, counted from 0; by default nothing."""


@torch.no_grad()
def train(
    problem: InnerProblem,
    state: Tensor,
    lr: float,
    draws: Sequence[tuple[Tensor, Extra]],
    make: Callable[[Sequence[tuple[Tensor, Extra]]], Sequence[Tensor]],
) -> Tensor:
    """Return the state (rows, size) after a step at the rate `lr` for each draw.

    draws: the rows of a step's batch, and what else it draws; make: maps the draws of steps with batches of
    one size to stacked tensors (steps, n, …).
    """
    room, taken = AHEAD[state.device.type], 0
    training = reused(problem, state, "train", partial(Training, problem))
    corrections = problem.corrections(len(draws), state)
    training.start(state)
    for part in equal_parts(draws, lambda drawn: len(drawn[0]), room):
        rates, end = state.new_full((len(part),), lr), taken + len(part)
        training.take(rates, corrections[taken:end], make(part), room=room)
        taken = end
    return training.state.clone()


def reused(problem: InnerProblem, like: Tensor, key: Hashable, build: Callable[[Graphs], Reused]) -> Reused:
    """Return what `build` makes; on a GPU the same one for the key, stream and type, with its graphs.

    like: a tensor on the device, of the type of the parameters.
    """
    if like.device.type != "cuda":
        return build(Graphs())
    found = problem.captured
    whole = key, stream_number(like.device), like.dtype
    if whole not in found:
        found[whole] = build(Graphs.on(like.device))
    made: Reused = found[whole]
    return made


def fix_steps(graphs: Graphs, name: object, values: Sequence[Tensor], room: int) -> list[Tensor]:
    """Fix tensors (steps, …) of at most `room` steps."""
    return [graphs.fix((name, place), value, room=room) for place, value in enumerate(values)]
