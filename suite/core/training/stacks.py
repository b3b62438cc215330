"""Many networks trained as one stack: a step of all of them is one program.

One small network leaves a GPU idle; a stack of them fills it. Each keeps its own set, initialisation,
order of minibatches and augmentation, so that what is trained beside it changes nothing but rounding.
A CPU is full with one, and trains them one after another.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import LayerwiseLoss
from suite.core.networks.named import Network
from suite.core.precision import multiplying
from suite.core.seeding import generator
from suite.core.training.augment import Augmentation, AugmentParams, CutMix, augmentation
from suite.core.training.recipes import Recipe

AHEAD = 64
"""Steps whose minibatches and augmentations are drawn and sent to the device at once."""

SHARE = 0.5
"""Of a GPU's free memory that a stack may take."""

_KEPT = 3  # what a step's activations take, with their cotangents and a compiler's own copies


@dataclass(frozen=True)
class Run:
    """One training: images (n, …) with targets (n, …), the rows of its batches, its rates, its seed."""

    images: Tensor
    targets: Tensor
    rows: Iterator[Tensor]
    rates: Sequence[float]
    seed: int


def together(steps: InnerProblem, network: Network, batch: int, device: torch.device) -> int:
    """Return how many networks fit in one stack on `device`: one on a CPU."""
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(SHARE * free) // footprint(steps, network, batch))


def footprint(steps: InnerProblem, network: Network, batch: int) -> int:
    """Return roughly the bytes that training one network on `batch` images takes in a stack."""
    images = torch.empty(batch, *network.shape, device="meta")
    targets = torch.empty(batch, network.classes, device="meta")
    parameters = torch.empty(network.size, device="meta")
    # Layer by layer, whatever the steps' own loss keeps: a step not compiled holds its activations as well.
    kept = LayerwiseLoss(network).gradient(parameters, [images, targets]).kept
    state = steps.optimiser.start(parameters)
    return _KEPT * (sum(x.nbytes for x in kept) + state.nbytes + images.nbytes)


def train(steps: InnerProblem, network: Network, recipe: Recipe, runs: Sequence[Run]) -> Tensor:
    """Train a fresh network for each run, all at once; return their parameters (runs, size)."""
    (parameters,) = deque(states(steps, network, recipe, runs), maxlen=1)
    return parameters


@torch.no_grad()
def states(steps: InnerProblem, network: Network, recipe: Recipe, runs: Sequence[Run]) -> Iterator[Tensor]:
    """Train as `train`; yield the parameters (runs, size) at the start and after each step.

    The runs take the same number of steps, on batches of the same sizes.
    """
    rule, device = steps.optimiser, runs[0].images.device
    starts = [network.initialise(generator(run.seed, "initialisation"), device) for run in runs]
    state = torch.stack([rule.start(start) for start in starts])
    rates = torch.tensor([run.rates for run in runs]).to(state)  # (runs, steps)
    corrections = torch.tensor([rule.corrections(step + 1) for step in range(rates.shape[1])]).to(state)
    batches = _batches(runs, augmentation(recipe.augment, mixing=True), network)
    yield state[:, 0]
    for number, (images, targets) in zip(range(rates.shape[1]), batches, strict=False):
        with multiplying(recipe.precision):
            (state,) = steps.stacked(state, rates[:, number], corrections[number], images, targets)
        yield state[:, 0]


def targets_of(run: Run, augment: Augmentation, classes: int) -> Tensor:
    """Return a run's targets: soft ones (n, classes) where the augmentation mixes them."""
    if isinstance(augment, CutMix) and run.targets.ndim == 1:
        return one_hot(run.targets, classes).to(run.images)
    return run.targets


def _batches(runs: Sequence[Run], augment: Augmentation, network: Network) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the images (runs, batch, …) and targets (runs, batch, …) of each step."""
    runs = [replace(run, targets=targets_of(run, augment, network.classes)) for run in runs]
    images, targets, starts = _joined(runs)
    rngs = [generator(run.seed, "augmentation") for run in runs]
    rows = zip(*(run.rows for run in runs), strict=True)
    while ahead := list(islice(rows, AHEAD)):
        drawn = [[augment.sample(len(x), rng) for x, rng in zip(step, rngs, strict=True)] for step in ahead]
        sent = _sent_rows(ahead, starts, images.device)
        if isinstance(augment, CutMix):  # each batch has its own rectangle
            for step, own in zip(sent, drawn, strict=True):
                yield _mixed(images[step], targets[step], own, augment)
            continue
        for step, params in zip(sent, _sent(drawn, images.device), strict=True):
            yield _augmented(images[step], params, augment), targets[step]


def _mixed(
    images: Tensor, targets: Tensor, params: Sequence[AugmentParams], augment: CutMix
) -> tuple[Tensor, Tensor]:
    size = images.shape[-2], images.shape[-1]
    seen = [augment.apply(own, each) for own, each in zip(images, params, strict=True)]
    wanted = [augment.mix(own, each, size) for own, each in zip(targets, params, strict=True)]
    return torch.stack(seen), torch.stack(wanted)


def _joined(runs: Sequence[Run]) -> tuple[Tensor, Tensor, Tensor]:
    """Return all images and targets, each set once, and the row (runs, 1) where each run's set begins."""
    sets = {id(run.images): run for run in runs}
    starts, count = dict[int, int](), 0
    for key, run in sets.items():
        starts[key], count = count, count + len(run.images)
    images = torch.cat([run.images for run in sets.values()])
    targets = torch.cat([run.targets for run in sets.values()])
    return images, targets, torch.tensor([[starts[id(run.images)]] for run in runs])


@dataclass(frozen=True)
class _StackedParams:
    """What the runs drew for a step: its operations, whose each run's is, and uniform (runs, n, k)."""

    operations: tuple[str, ...]
    index: Tensor  # (runs,) into `operations`
    uniform: Tensor


def _sent_rows(ahead: Sequence[Sequence[Tensor]], starts: Tensor, device: torch.device) -> list[Tensor]:
    return _sent_together([torch.stack(list(step)) + starts for step in ahead], device)


def _sent(drawn: Sequence[Sequence[AugmentParams]], device: torch.device) -> Iterator[_StackedParams]:
    operations = [tuple(dict.fromkeys(each.operation for each in step)) for step in drawn]
    index = [
        torch.tensor([names.index(each.operation) for each in step])
        for names, step in zip(operations, drawn, strict=True)
    ]
    uniform = [torch.stack([each.uniform for each in step]) for step in drawn]
    sent = _sent_together(index, device), _sent_together(uniform, device)
    return (_StackedParams(*values) for values in zip(operations, *sent, strict=True))


def _sent_together(values: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors on the device by one transfer: each would make the host wait."""
    flat = torch.cat([value.flatten() for value in values]).to(device)
    parts = flat.split([value.numel() for value in values])
    return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]


def _augmented(images: Tensor, params: _StackedParams, augment: Augmentation) -> Tensor:
    """Apply to each run's images (batch, …) the operation that it drew."""
    shape, flat = images.shape, images.flatten(0, 1)
    numbers = params.uniform.expand(*shape[:2], -1).flatten(0, 1)
    seen = images
    for number, name in enumerate(params.operations):
        changed = augment.apply(flat, AugmentParams(name, numbers)).view(shape)
        seen = torch.where((params.index == number)[:, None, None, None, None], changed, seen)
    return seen
