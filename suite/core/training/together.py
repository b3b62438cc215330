"""Train networks side by side: on a GPU each on its own stream, since a small network does not fill it.

Each network has a separate set, initialisation, order of minibatches and augmentation, and computes as if it
were alone. A CPU is filled by one network, and they take turns.
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import LayerwiseLoss
from suite.core.engine.steps import AHEAD, Training, equal_parts
from suite.core.execution.graphs import Graphs
from suite.core.execution.streams import side_by_side
from suite.core.execution.transfer import send, send_nested
from suite.core.networks.named import Network
from suite.core.precision import multiplying
from suite.core.seeding import generator
from suite.core.training.augment import Augmentation, AugmentParams, augment_each, augmentation
from suite.core.training.jobs import TrainingJob

SIDE_BY_SIDE = 32
"""Most networks that are trained at once on a GPU."""

SHARE = 1 / 8
"""Share of a GPU's memory that they may take, whatever else uses it."""

BYTES_AHEAD = 2**28
"""Most bytes of batches that are made together on a GPU."""

_COPIES = 3  # copies of a step's activations: activations, cotangents, and temporary copies of a compiler

Rows = tuple[Tensor, ...]
"""The rows of each job's batch in one step."""


def networks_that_fit(network: Network, job: TrainingJob) -> int:
    """Return the number of such jobs that are trained at once on their device; 1 on a CPU."""
    if job.images.device.type != "cuda":
        return 1
    _, total = torch.cuda.mem_get_info(job.images.device)
    return max(1, min(SIDE_BY_SIDE, int(SHARE * total) // bytes_per_network(network, job)))


def bytes_per_network(network: Network, job: TrainingJob) -> int:
    """Estimate the bytes of a job in training."""
    images = torch.empty(job.batch, *network.shape, device="meta")
    targets = torch.empty(job.batch, network.classes, device="meta")
    parameters = torch.empty(network.size, device="meta")
    # As kept by LayerwiseLoss, for any loss: uncompiled steps hold their activations as well.
    kept = LayerwiseLoss(network).gradient(parameters, [images, targets]).kept
    state = job.recipe.optimiser_at(job.recipe.lr).start(parameters)
    return _COPIES * (sum(x.nbytes for x in kept) + state.nbytes + images.nbytes)


@torch.no_grad()
def train_together(
    network: Network, jobs: Sequence[TrainingJob], problem: InnerProblem, every: int
) -> Iterator[Tensor]:
    """Train a fresh network for each job; yield all parameters (jobs, size + statistics_size).

    The first are the initial parameters, then those after each `every` steps and after the last one. The jobs
    have one recipe, except for the learning rate, and take the same number of steps on batches of the same
    sizes.
    """
    device, rule, batches = jobs[0].images.device, problem.optimiser, _Batches(jobs, network.classes)
    starts = [network.initialise(generator(job.seed, "initialisation")) for job in jobs]
    lrs, *starts = send([torch.tensor([job.lr_schedule for job in jobs]), *starts], device)
    steps = lrs.shape[1]
    corrections = problem.corrections(steps, lrs)
    seen = set[Hashable]()  # the first network's plain run is enough for all
    networks = [_Trainee(problem, Graphs.on(device, seen), network) for _ in jobs]
    for each, start in zip(networks, starts, strict=True):
        each.start(rule.start(start))
    yield _parameters(networks)
    taken, room = 0, ahead(network, jobs)
    draws = zip(*(job.rows() for job in jobs), strict=True)
    for rows in equal_parts(draws, lambda rows: len(rows[0]), room, every):
        own = slice(taken, taken + len(rows))
        tasks = [
            partial(each.take, rate[own], corrections[own], batch, room=room)
            for each, rate, batch in zip(networks, lrs, batches.make(rows), strict=True)
        ]
        with multiplying(jobs[0].recipe.precision):
            side_by_side(tasks, device)
        taken = own.stop
        if taken % every == 0 or taken == steps:
            yield _parameters(networks)


def ahead(network: Network, jobs: Sequence[TrainingJob]) -> int:
    """Return the number of steps whose batches are made together."""
    device, pixels = jobs[0].images.device, torch.Size(network.shape).numel()
    fitting = BYTES_AHEAD // (4 * pixels * jobs[0].batch * len(jobs))
    return max(1, min(AHEAD[device.type], fitting))


class _Trainee(Training):
    """A network in training, with its running statistics if it has batch norm."""

    def __init__(self, problem: InnerProblem, graphs: Graphs, network: Network) -> None:
        super().__init__(problem, graphs)
        self.network = network

    def start(self, state: Tensor) -> None:
        """Begin from a state (rows, size), and from the first statistics."""
        super().start(state)
        self.graphs.hold("statistics", self.network.first_statistics(state.device))

    def observe(self, step: int, before: Tensor, after: Tensor, batch: Sequence[Tensor]) -> None:
        """Update the statistics."""
        if self.network.statistics_size:
            found = self.network.update_statistics(self.graphs["statistics"], before[0], batch[0])
            self.graphs.hold("statistics", found)


def _parameters(networks: Sequence[_Trainee]) -> Tensor:
    return torch.stack([torch.cat([each.state[0], each.graphs["statistics"]]) for each in networks])


class _Batches:
    """Draws the augmentation of the jobs' batches, and makes the batches of several steps together."""

    def __init__(self, jobs: Sequence[TrainingJob], classes: int) -> None:
        self.augment = augmentation(jobs[0].recipe.augment, mixing=True)
        self.label, self.rngs = jobs[0].label, [generator(job.seed, "augmentation") for job in jobs]
        targets = [_targets(job, self.augment, classes) for job in jobs]
        # Each set once, though several jobs may have it.
        sets = {id(job.images): (job.images, own) for job, own in zip(jobs, targets, strict=True)}
        firsts, count = dict[int, int](), 0
        for key, (images, _) in sets.items():
            firsts[key], count = count, count + len(images)
        alone = len(sets) == 1
        parts = list(zip(*sets.values(), strict=True))
        self.images, self.targets = (part[0] if alone else torch.cat(part) for part in parts)
        self.firsts = [firsts[id(job.images)] for job in jobs]

    def make(self, steps: Sequence[Rows]) -> list[tuple[Tensor, Tensor]]:
        """Return each job's images and targets (steps, n, …) for steps with these rows."""
        rows, params = list[Tensor](), list[AugmentParams]()
        for first, rng, own in zip(self.firsts, self.rngs, zip(*steps, strict=True), strict=True):
            rows.extend(step + first for step in own)
            params.extend(self.augment.sample(len(step), rng) for step in own)
        chosen, params = send_nested((torch.stack(rows), params), self.images.device)
        labels = self.targets[chosen]
        images, targets = augment_each(self.augment, self.images[chosen], labels, params)
        if self.label is not None:
            targets = self.label(images, labels)
        return list(zip(images.split(len(steps)), targets.split(len(steps)), strict=True))


def _targets(job: TrainingJob, augment: Augmentation, classes: int) -> Tensor:
    """Return a job's targets, soft ones if the augmentation mixes them."""
    if augment.mixes and job.targets.ndim == 1:
        return one_hot(job.targets, classes).to(job.images)
    return job.targets
