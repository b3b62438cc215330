"""Training fresh networks from scratch under a recipe, and measuring their accuracy."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

import torch
from torch import Tensor

from suite.core.engine.classification import inner_problem, worth_compiling
from suite.core.engine.inner_problem import InnerProblem
from suite.core.examples import Examples
from suite.core.networks.named import Network, Shape
from suite.core.networks.named import network as network_by_name
from suite.core.precision import multiplying
from suite.core.seeding import derive, generator
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.training.backends import backend_for, networks_that_fit
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import Recipe

EVALUATION_BATCH = 500  # images at once; few enough to stay in a CPU's cache


def fit(network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seed: int) -> Tensor:
    """Train one fresh network on a synthetic set; return its parameters (size,)."""
    return next(fit_copies(network, synthetic, recipe, seeds=[seed]))


def copy_seeds(seed: int, copies: int, name: str = "copy") -> list[int]:
    """Return the seeds of `copies` networks under `seed`: copy k has the same in every evaluator."""
    return [derive(seed, name, copy) for copy in range(copies)]


def fit_copies(
    network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seeds: Sequence[int]
) -> Iterator[Tensor]:
    """Train a fresh network on a synthetic set for each seed; yield their parameters (size,) in turn.

    A network depends on its own seed, not on those trained beside it.
    """
    return fit_each(network, [TrainingJob.on_set(synthetic, recipe, seed) for seed in seeds])


def fit_full(network: Network, train: Examples, recipe: Recipe, epochs: int, *, seed: int) -> Tensor:
    """Train one fresh network on all of `train` for `epochs`; return its parameters (size,)."""
    return next(fit_each(network, [TrainingJob.on_examples(train, recipe.for_epochs(epochs), seed)]))


def fit_trajectories(
    network: Network, train: Examples, recipe: Recipe, *, seeds: Sequence[int]
) -> list[Tensor]:
    """Train a fresh network on all of `train` for each seed, all at once; return trajectories on the CPU.

    A trajectory (epochs + 1, size) has the parameters before the first epoch and after each, without running
    statistics.
    """
    jobs = [TrainingJob.on_examples(train, recipe, seed) for seed in seeds]
    epochs = islice(training_states(network, jobs), 0, None, jobs[0].epoch)
    return list(torch.stack([states[:, : network.size].cpu() for states in epochs], 1))


def fit_each(
    network: Network, jobs: Sequence[TrainingJob], *, at_once: int | None = None
) -> Iterator[Tensor]:
    """Run jobs under one recipe, whose learning rate may differ; yield parameters (size,) in their order.

    The jobs share one step, compiled if all their work is worth it, so their sets must be of one size.
    at_once: networks in a stack; None: as many as the device has room for, one on a CPU.
    """
    problem = training_problem(network, jobs)
    room = at_once or networks_that_fit(network, jobs[0])
    size = -(-len(jobs) // -(-len(jobs) // room))  # stacks of one size, for which a step is compiled once
    for start in range(0, len(jobs), size):
        (parameters,) = deque(training_states(network, jobs[start : start + size], problem), maxlen=1)
        yield from parameters


@torch.no_grad()
def training_states(
    network: Network, jobs: Sequence[TrainingJob], problem: InnerProblem | None = None
) -> Iterator[Tensor]:
    """Train a fresh network for each job, all at once; yield all parameters (jobs, size).

    These are at first the initial ones, then those after each step. Running statistics of batch norms, if
    there are any, follow them: (jobs, size + statistics_size). The jobs are under one recipe, whose learning
    rate may differ, and take the same number of steps on batches of the same sizes.
    problem: the `training_problem` of more jobs like these.
    """
    problem = problem or training_problem(network, jobs)
    rule, backend, device = problem.optimiser, backend_for(jobs), jobs[0].images.device
    starts = [network.initialise(generator(job.seed, "initialisation"), device) for job in jobs]
    states = torch.stack([rule.start(start) for start in starts])
    running = network.first_statistics(device).expand(len(jobs), -1)
    lrs = torch.tensor([job.lr_schedule for job in jobs]).to(states).unbind(1)
    corrections = torch.tensor([rule.corrections(step + 1) for step in range(len(lrs))]).to(states)
    batches, step = backend.batches(jobs, network.classes), backend.step(problem)
    yield _with_statistics(states[:, 0], running)
    for lr, correction, batch in zip(lrs, corrections, batches, strict=True):
        before = states[:, 0]
        with multiplying(jobs[0].recipe.precision):
            states = step(states, lr, correction, batch)
        if network.statistics_size:
            images = batch[0].view(len(jobs), -1, *network.shape)
            running = _updated_statistics(network, running, before, images)
        yield _with_statistics(states[:, 0], running)


def _updated_statistics(network: Network, running: Tensor, parameters: Tensor, images: Tensor) -> Tensor:
    """Return each job's running statistics after its batch of images (jobs, n, …)."""
    if len(images) == 1:  # a CPU is slow at convolutions with filters of their own
        return network.update_statistics(running[0], parameters[0], images[0])[None]
    return torch.func.vmap(network.update_statistics)(running, parameters, images)


def _with_statistics(parameters: Tensor, running: Tensor) -> Tensor:
    """Return parameters (jobs, size), followed by running statistics if there are any."""
    return torch.cat([parameters, running], 1) if running.shape[1] else parameters


def training_problem(network: Network, jobs: Sequence[TrainingJob]) -> InnerProblem:
    """Return the step of training that jobs under one recipe share, compiled if their steps are worth it."""
    recipe, device = jobs[0].recipe, jobs[0].images.device
    steps = sum(len(job.lr_schedule) for job in jobs)
    compiled = worth_compiling(network, batch=jobs[0].batch, steps=steps, device=device)
    if not compiled and recipe.precision == "float32":
        return inner_problem(network, recipe.optimiser_at(recipe.lr), objective=recipe.objective)
    # The learning rate is an input of a step: jobs at several rates share what is compiled.
    return _shared_problem(network.name, network.shape, network.classes, recipe.with_lr(1.0), compiled)


@lru_cache(maxsize=8)
def _shared_problem(name: str, shape: Shape, classes: int, recipe: Recipe, compiled: bool) -> InnerProblem:
    """Return the step of a network by name; trainings of this process share what is compiled of it."""
    return inner_problem(
        network_by_name(name, shape, classes),
        recipe.optimiser_at(recipe.lr),
        compiled=compiled,
        precision=recipe.precision,
        objective=recipe.objective,
    )


def accuracy(network: Network, parameters: Tensor, examples: Examples) -> float:
    """Return the top-1 accuracy in [0, 1]."""
    predicted = map_batches(lambda images: network.logits(parameters, images).argmax(1), examples.images)
    return int((predicted == examples.labels).sum()) / len(examples)


@torch.no_grad()
def map_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return `function` of images (…, channels, height, width), a few hundred at a time, without gradients.

    function: maps images (n, channels, height, width) to a tensor (n, …).
    """
    flat = images.reshape(-1, *images.shape[-3:]).split(EVALUATION_BATCH)
    found = torch.cat([function(batch) for batch in flat])
    return found.view(*images.shape[:-3], *found.shape[1:])
