"""Two backends for training networks: one network at a time, or a stack of networks in one program.

A small network does not use a whole GPU; a stack of networks does. Each network has a separate set,
initialisation, order of minibatches and augmentation, so stacking changes only rounding. A CPU is used fully
by one network, and trains networks one after another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import LayerwiseLoss
from suite.core.networks.named import Network
from suite.core.seeding import generator
from suite.core.training.augment import Augmentation, AugmentParams, augmentation
from suite.core.training.jobs import TrainingJob

AHEAD = 64
"""Steps whose minibatches and augmentations are drawn and sent to the device in one transfer."""

SHARE = 0.5
"""Share of a GPU's free memory that a stack may take."""

_COPIES = 3  # copies of a step's activations: activations, cotangents, and temporary copies of a compiler

Batch = tuple[Tensor, Tensor]
"""Images and targets of a step: (n, …) each, or (jobs, n, …) in a stack."""

Step = Callable[[Tensor, Tensor, Tensor, Batch], Tensor]
"""(states (jobs, rows, size), learning rates (jobs,), corrections, batch) -> the states after the step."""


@dataclass(frozen=True)
class Backend:
    """A way to train jobs.

    batches: yields the augmented images and the targets of each step.
    step: builds the step of an inner problem on such batches.
    """

    batches: Callable[[Sequence[TrainingJob], int], Iterator[Batch]]
    step: Callable[[InnerProblem], Step]


def backend_for(jobs: Sequence[TrainingJob]) -> Backend:
    """Return the backend for jobs."""
    return SINGLE if len(jobs) == 1 else STACKED


def networks_that_fit(network: Network, job: TrainingJob) -> int:
    """Return the number of such jobs in a stack on their device; 1 on a CPU."""
    device = job.images.device
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(SHARE * free) // bytes_per_network(network, job))


def bytes_per_network(network: Network, job: TrainingJob) -> int:
    """Estimate the bytes of a job in a stack."""
    images = torch.empty(job.batch, *network.shape, device="meta")
    targets = torch.empty(job.batch, network.classes, device="meta")
    parameters = torch.empty(network.size, device="meta")
    # As kept by LayerwiseLoss, for any loss: uncompiled steps hold their activations as well.
    kept = LayerwiseLoss(network).gradient(parameters, [images, targets]).kept
    state = job.recipe.optimiser_at(job.recipe.lr).start(parameters)
    return _COPIES * (sum(x.nbytes for x in kept) + state.nbytes + images.nbytes)


def _targets(job: TrainingJob, augment: Augmentation, classes: int) -> Tensor:
    """Return a job's targets, soft ones if the augmentation mixes them."""
    if augment.mixes and job.targets.ndim == 1:
        return one_hot(job.targets, classes).to(job.images)
    return job.targets


def _augmented(images: Tensor, targets: Tensor, params: AugmentParams, augment: Augmentation) -> Batch:
    size = images.shape[-2], images.shape[-1]
    return augment.apply(images, params), augment.mix(targets, params, size)


def _single_batches(jobs: Sequence[TrainingJob], classes: int) -> Iterator[Batch]:
    (job,) = jobs
    augment, rng = augmentation(job.recipe.augment, mixing=True), generator(job.seed, "augmentation")
    targets = _targets(job, augment, classes)
    for drawn in job.rows():
        rows = drawn.to(job.images.device)
        yield _augmented(job.images[rows], targets[rows], augment.sample(len(rows), rng), augment)


def _single_step(problem: InnerProblem) -> Step:
    def step(states: Tensor, lrs: Tensor, corrections: Tensor, batch: Batch) -> Tensor:
        return problem.forward(states[0], lrs[0], corrections, *batch)[0][None]

    return step


def _stacked_batches(jobs: Sequence[TrainingJob], classes: int) -> Iterator[Batch]:
    augment = augmentation(jobs[0].recipe.augment, mixing=True)
    images, targets, starts = _joined(jobs, [_targets(job, augment, classes) for job in jobs])
    rngs = [generator(job.seed, "augmentation") for job in jobs]
    rows = zip(*(job.rows() for job in jobs), strict=True)
    while ahead := list(islice(rows, AHEAD)):
        drawn = [[augment.sample(len(x), rng) for x, rng in zip(step, rngs, strict=True)] for step in ahead]
        sent = _sent_together([torch.stack(step) + starts for step in ahead], images.device)
        if augment.mixes:  # mix each job's batch separately
            for step, params in zip(sent, drawn, strict=True):
                each = zip(images[step], targets[step], params, strict=True)
                seen, wanted = zip(*(_augmented(*own, augment) for own in each), strict=True)
                yield torch.stack(seen), torch.stack(wanted)
        else:
            for step, stacked in zip(sent, _sent(drawn, images.device), strict=True):
                yield stacked.applied(images[step], augment), targets[step]


def _stacked_step(problem: InnerProblem) -> Step:
    def step(states: Tensor, lrs: Tensor, corrections: Tensor, batch: Batch) -> Tensor:
        return problem.stacked(states, lrs, corrections, *batch)[0]

    return step


SINGLE = Backend(_single_batches, _single_step)
STACKED = Backend(_stacked_batches, _stacked_step)


def _joined(jobs: Sequence[TrainingJob], targets: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return all images and targets, each set once, and the first row (jobs, 1) of each job's set."""
    sets = {id(job.images): (job.images, own) for job, own in zip(jobs, targets, strict=True)}
    begins, count = dict[int, int](), 0
    for key, (images, _) in sets.items():
        begins[key], count = count, count + len(images)
    all_images, all_targets = (torch.cat(parts) for parts in zip(*sets.values(), strict=True))
    return all_images, all_targets, torch.tensor([[begins[id(job.images)]] for job in jobs])


@dataclass(frozen=True)
class _StackedParams:
    """A step's augmentation: operations, the index for each job, and uniform numbers (jobs, n, k)."""

    operations: tuple[str, ...]
    index: Tensor  # (jobs,) into `operations`
    uniform: Tensor

    def applied(self, images: Tensor, augment: Augmentation) -> Tensor:
        """Apply each job's operation to its images (batch, …)."""
        shape, flat = images.shape, images.flatten(0, 1)
        numbers = self.uniform.expand(*shape[:2], -1).flatten(0, 1)
        seen = images
        for number, name in enumerate(self.operations):
            changed = augment.apply(flat, AugmentParams(name, numbers)).view(shape)
            seen = torch.where((self.index == number)[:, None, None, None, None], changed, seen)
        return seen


def _sent(drawn: Sequence[Sequence[AugmentParams]], device: torch.device) -> Iterator[_StackedParams]:
    """Yield the parameters of each step, on the device."""
    operations = [tuple(dict.fromkeys(each.operation for each in step)) for step in drawn]
    index = [
        torch.tensor([names.index(each.operation) for each in step])
        for names, step in zip(operations, drawn, strict=True)
    ]
    uniform = [torch.stack([each.uniform for each in step]) for step in drawn]
    sent = _sent_together(index, device), _sent_together(uniform, device)
    return (_StackedParams(*values) for values in zip(operations, *sent, strict=True))


def _sent_together(values: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Return tensors on the device with one transfer, since the host waits for each."""
    flat = torch.cat([value.flatten() for value in values]).to(device)
    parts = flat.split([value.numel() for value in values])
    return [part.view(value.shape) for part, value in zip(parts, values, strict=True)]
