"""Plain steps of an inner training: several in one program, which a GPU replays as one CUDA graph."""

from collections.abc import Iterator, Sequence
from functools import partial

from torch import Tensor

from suite.core.engine.inner_problem import InnerProblem
from suite.core.execution.graphs import Graphs

AHEAD = {"cpu": 1, "cuda": 16}
"""Steps whose batches are made together. On a GPU they are one program; a CPU's cache is small."""


def parts(steps: range, size: int) -> Iterator[range]:
    """Split steps into parts of `size`; the last one may be shorter."""
    return (steps[start : start + size] for start in range(0, len(steps), size))


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


def fix_steps(graphs: Graphs, name: object, values: Sequence[Tensor], room: int) -> list[Tensor]:
    """Fix tensors (steps, …) of at most `room` steps."""
    return [graphs.fix((name, place), value, room=room) for place, value in enumerate(values)]
