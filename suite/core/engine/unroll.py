"""The unroll behind a meta-gradient: inner steps forward and backward through a window, as programs.

Every step is a program of `Graphs`: a function call on a CPU, a replayed CUDA graph on a GPU.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import Batch
from suite.core.engine.steps import Training, fix_steps, parts
from suite.core.engine.truncation import Window
from suite.core.execution.graphs import KEPT, Graphs
from suite.core.timing import phase


@dataclass(frozen=True)
class MetaGradient:
    """The outer loss, and its derivatives for the inputs and the learning rate.

    loss: a scalar; gradients: shaped like the inputs; lr: a scalar; state_sums: (steps,) the sum of the
    parameters and moments after each inner step, finite only if all of them are; final: the parameters
    (size,) of each inner network after its last step. Creating it does not wait for a device.
    """

    loss: Tensor
    gradients: tuple[Tensor, ...]
    lr: Tensor
    state_sums: Tensor
    final: tuple[Tensor, ...] = ()

    @property
    def finite(self) -> Tensor:
        """Whether loss and gradients are finite: a 0-dim bool."""
        return torch.stack([x.isfinite().all() for x in (self.loss, *self.gradients)]).all()

    def first_nonfinite(self) -> str:
        """Return the name of the first non-finite value, or ""; waits for the device."""
        if bad := (~self.state_sums.isfinite()).nonzero().flatten().tolist():
            return f"the parameters after inner step {bad[0] + 1} of {len(self.state_sums)}"
        if not self.loss.isfinite():
            return "the outer loss"
        wrong = [index for index, value in enumerate(self.gradients) if not value.isfinite().all()]
        return f"the meta-gradient of input {wrong[0]}" if wrong else ""


@dataclass(frozen=True)
class Given:
    """What differs between the runs of an unroll.

    make: maps steps, counted from the window's first one, to their stacked batches; lr: a scalar;
    corrections: (steps, k) of all steps from the first one.
    """

    inputs: tuple[Tensor, ...]
    make: Callable[[range], Batch]
    real: Iterable[Batch]
    window: Window
    lr: Tensor
    corrections: Tensor

    def batch(self, slots: range) -> Batch:
        """Return the stacked batches of consecutive steps."""
        with phase("batches"):
            return tuple(self.make(slots))

    def rates(self, slots: range) -> tuple[Tensor, Tensor]:
        """Return the learning rate and the corrections of consecutive steps."""
        first = self.window.before + slots.start
        return self.lr.expand(len(slots)), self.corrections[first : first + len(slots)]


class _Summed(Training):
    """A training that holds the sum of each state after a step."""

    def observe(self, step: int, before: Tensor, after: Tensor, batch: Sequence[Tensor]) -> None:
        """Hold the sum, which is finite only if the whole state is."""
        self.graphs.hold(("sum", step), after.sum())


class Unroll:
    """Inner training through a window. Steps are counted from the window's first one: slots.

    On a GPU it is used again for the next outer steps, and its programs are replayed. What they write is
    kept in attributes, at addresses that do not change.
    """

    def __init__(self, problem: InnerProblem, graphs: Graphs, ahead: int) -> None:
        self.problem, self.graphs, self.ahead = problem, graphs, ahead
        self.training = _Summed(problem, graphs)
        self.states = dict[int, Tensor]()  # before each slot
        self.kept = dict[int, tuple[Tensor, ...]]()  # a slot's gradient and activations
        self.cotangents = dict[int, list[Tensor]]()  # of a slot's batch
        self.sums = dict[int, Tensor]()  # of the state after each slot

    @torch.no_grad()
    def run(self, given: Given, parameters: Tensor, checkpoint_every: int) -> MetaGradient:
        """Run forward from `parameters` with checkpoints, then backward through the window."""
        window, gradients = given.window, [torch.zeros_like(value) for value in given.inputs]
        *earlier, last = parts(range(window.length), checkpoint_every)
        checkpoints = list[Tensor]()
        with phase("steps before the window"):
            self.training.start(self.problem.optimiser.start(parameters))
            self._advance(given, range(-window.before, 0))
        with phase("window forward"):
            for slots in earlier:
                checkpoints.append(self.training.state)
                self._advance(given, slots)
            self._forward(given, last)
        with phase("real batch"):
            self._outer(given, self.states[window.length])
        self.graphs.hold("to lr", torch.zeros_like(given.lr))
        reached = self._backward(given, last, gradients)
        for slots in reversed(earlier):
            with phase("window forward"):
                self.training.start(checkpoints.pop())
                self._forward(given, slots)
            reached |= self._backward(given, slots, gradients)
        if given.inputs and not reached:
            raise ValueError("no batch of the window depends on the inputs; make the batches from them")
        loss, to_lr = self.graphs["loss"].clone(), self.graphs["to lr"].clone()
        sums = torch.stack([self.sums[slot] for slot in range(-window.before, window.length)])
        return MetaGradient(loss, tuple(gradients), to_lr, sums, (self.graphs["final"].clone(),))

    def _advance(self, given: Given, slots: range) -> None:
        """Take steps of which only the last state is kept."""
        for part in parts(slots, self.ahead):
            self.training.take(*given.rates(part), given.batch(part), room=self.ahead)
            for place, slot in enumerate(part):
                self.sums[slot] = self.graphs["sum", place].clone()

    def _fixed(self, given: Given, slots: range, batch: Batch) -> dict[int, list[Tensor]]:
        """Return each slot's learning rate, corrections and batch, as its programs read them."""
        fixed = fix_steps(self.graphs, slots.start, (*given.rates(slots), *batch), self.ahead)
        return {slot: [value[place] for value in fixed] for place, slot in enumerate(slots)}

    def _forward(self, given: Given, slots: range) -> None:
        """Take steps of the window and keep what the way back needs."""
        self.states[slots.start] = self.training.state
        for part in parts(slots, self.ahead):
            for slot, own in self._fixed(given, part, given.batch(part)).items():
                self.graphs.run(("forward", slot), partial(self._forward_step, slot, *own), pool=KEPT)

    def _forward_step(self, slot: int, lr: Tensor, corrections: Tensor, *batch: Tensor) -> None:
        before = self.states[slot]
        fits = self.problem.fits(before[0], batch)
        step = self.problem.forward_keeping if fits else self.problem.forward
        self.states[slot + 1], *kept = step(before, lr, corrections, *batch)
        self.kept[slot], self.sums[slot] = tuple(kept), self.states[slot + 1].sum()

    def _outer(self, given: Given, final: Tensor) -> None:
        """Hold the outer loss and the cotangent of the final state; only one batch is in memory."""
        self.graphs.hold("final", final[0])
        self.graphs.hold("cotangent", torch.zeros_like(final))
        self.graphs.hold("loss", torch.zeros_like(given.lr))
        for batch in given.real:
            if batch and not len(batch[0]):
                raise ValueError("a real batch has no images, so its loss is not a number; leave it out")
            held = [self.graphs.fix(("real", place), value) for place, value in enumerate(batch)]
            shapes = tuple(value.shape for value in held)
            self.graphs.run(("outer", shapes), partial(self._outer_batch, *held))

    def _outer_batch(self, *batch: Tensor) -> None:
        loss, gradient = self.problem.outer_loss_and_grad(self.graphs["final"], *batch)
        self.graphs["cotangent"][0] += gradient
        self.graphs["loss"].add_(loss)

    def _backward(self, given: Given, slots: range, gradients: list[Tensor]) -> bool:
        """Go back through steps; add to the inputs' gradients, and return whether a batch depends on one."""
        reached = False
        with phase("window backward"):
            for part in reversed(list(parts(slots, self.ahead))):
                with torch.enable_grad():
                    batch = given.batch(part)
                own = self._fixed(given, part, [value.detach() for value in batch])
                for slot in reversed(part):
                    self.graphs.run(("backward", slot), partial(self._backward_step, slot, *own[slot]))
                reached |= self._to_inputs(given.inputs, part, batch, gradients)
                if not self.graphs.capturing:  # free memory; graphs write to it again
                    for slot in part:
                        del self.states[slot + 1], self.kept[slot], self.cotangents[slot]
        return reached

    def _backward_step(self, slot: int, lr: Tensor, corrections: Tensor, *batch: Tensor) -> None:
        before, after, to = self.states[slot], self.states[slot + 1], self.graphs["cotangent"]
        back = self.problem.backward(len(batch))
        state, to_lr, *found = back(before, after, to, lr, corrections, *batch, *self.kept[slot])
        self.graphs.hold("cotangent", state)
        self.graphs["to lr"].add_(to_lr)
        self.cotangents[slot] = [
            self.graphs.fix(("to batch", slot, place), value) for place, value in enumerate(found)
        ]

    def _to_inputs(
        self, inputs: tuple[Tensor, ...], slots: range, batch: Batch, gradients: list[Tensor]
    ) -> bool:
        """Add the part of the inputs' gradients through the batches of some steps."""
        moving = [place for place, value in enumerate(batch) if value.requires_grad]
        if not moving:
            return False
        with phase("batches backward"):
            cotangents = [torch.stack([self.cotangents[slot][place] for slot in slots]) for place in moving]
            values = [batch[place] for place in moving]
            found = torch.autograd.grad(values, inputs, cotangents, allow_unused=True)
        for total, gradient in zip(gradients, found, strict=True):
            if gradient is not None:
                total += gradient
        return any(gradient is not None for gradient in found)
