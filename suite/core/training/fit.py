"""Train fresh networks under a recipe, and measure their accuracy."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from suite.core.engine.classification import inner_problem, worth_compiling
from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import Flatness, Objective
from suite.core.engine.optimisers import Optimiser
from suite.core.examples import Examples
from suite.core.networks.named import Network, Shape
from suite.core.networks.named import network as network_by_name
from suite.core.precision import Precision
from suite.core.seeding import derive
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.training.jobs import Labeller, TrainingJob
from suite.core.training.recipes import Recipe
from suite.core.training.together import networks_that_fit, train_together

EVALUATION_BATCH = 500  # images at once, which fit a CPU's cache


def fit(network: Network, synthetic: SyntheticSet, recipe: Recipe, *, seed: int) -> Tensor:
    """Train one fresh network on a synthetic set; return its parameters (size,)."""
    return next(fit_copies(network, synthetic, recipe, seeds=[seed]))


def copy_seeds(seed: int, copies: int, name: str = "copy") -> list[int]:
    """Return the seeds of `copies` networks under `seed`: copy k has the same in every evaluator."""
    return [derive(seed, name, copy) for copy in range(copies)]


def fit_copies(
    network: Network,
    synthetic: SyntheticSet,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    label: Labeller | None = None,
) -> Iterator[Tensor]:
    """Train a fresh network on a synthetic set for each seed; yield their parameters (size,) in turn.

    A network depends only on its seed, not on the others. label: the teacher of a recipe that has one.
    """
    return fit_each(network, [TrainingJob.on_set(synthetic, recipe, seed, label) for seed in seeds])


def fit_full(network: Network, train: Examples, recipe: Recipe, epochs: int, *, seed: int) -> Tensor:
    """Train one fresh network on all of `train` for `epochs`; return its parameters (size,)."""
    return next(fit_each(network, [TrainingJob.on_examples(train, recipe.for_epochs(epochs), seed)]))


def fit_trajectories(
    network: Network, train: Examples, recipe: Recipe, every: int = 1, *, seeds: Sequence[int]
) -> list[Tensor]:
    """Train a fresh network on all of `train` for each seed, all at once; return trajectories on the CPU.

    A trajectory (n, size) has the parameters before the first epoch, after each `every` epochs and after the
    last one, without running statistics.
    """
    jobs = [TrainingJob.on_examples(train, recipe, seed) for seed in seeds]
    epochs = training_states(network, jobs, every=every * jobs[0].epoch)
    return list(torch.stack([states[:, : network.size].cpu() for states in epochs], 1))


def fit_each(
    network: Network, jobs: Sequence[TrainingJob], *, at_once: int | None = None
) -> Iterator[Tensor]:
    """Run jobs under one recipe, whose learning rate may differ; yield parameters (size,) in their order.

    The jobs share one step, which is compiled if that saves time in all, so their sets must have one size.
    at_once: networks trained at once; None: as many as fit the device, one on a CPU.
    """
    problem = training_problem(network, jobs)
    room = at_once or networks_that_fit(network, jobs[0])
    size = -(-len(jobs) // -(-len(jobs) // room))  # groups of about one size
    for start in range(0, len(jobs), size):
        group = jobs[start : start + size]
        steps = len(group[0].lr_schedule)
        *_, parameters = training_states(network, group, problem, every=steps)
        yield from parameters


def training_states(
    network: Network,
    jobs: Sequence[TrainingJob],
    problem: InnerProblem | None = None,
    *,
    every: int = 1,
) -> Iterator[Tensor]:
    """Train a fresh network for each job, all at once; yield all parameters (jobs, size).

    The first are the initial parameters, then those after each `every` steps and after the last one. If the
    network has batch norm, running statistics follow: (jobs, size + statistics_size). The jobs have one
    recipe, except for the learning rate, and take the same number of steps on batches of the same sizes.
    problem: a `training_problem` shared with more jobs.
    """
    return train_together(network, jobs, problem or training_problem(network, jobs), every)


def training_problem(network: Network, jobs: Sequence[TrainingJob]) -> InnerProblem:
    """Return the common training step of jobs under one recipe, compiled if that saves time."""
    recipe, device = jobs[0].recipe, jobs[0].images.device
    steps = sum(len(job.lr_schedule) for job in jobs)
    compiled = worth_compiling(network, batch=jobs[0].batch, steps=steps, device=device)
    if device.type == "cpu" and not compiled and recipe.precision == "float32":
        rule = recipe.optimiser_of(network, recipe.lr)
        objective, flatness = recipe.objective, recipe.flatness
        return inner_problem(network, rule, compiled=False, objective=objective, flatness=flatness)
    # The learning rate is an input of the step, so jobs at several rates share code and graphs.
    # (A rule of the protocol `Optimiser` is hashable: a frozen dataclass.)
    rule, aims = recipe.optimiser_of(network, 1.0), (recipe.objective, recipe.flatness)
    how = rule, aims, recipe.precision, compiled, device
    return _shared_problem(network.name, network.shape, network.classes, *how)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def _shared_problem(
    name: str,
    shape: Shape,
    classes: int,
    rule: Optimiser,
    aims: tuple[Objective, Flatness | None],
    precision: Precision,
    compiled: bool,
    device: torch.device,
) -> InnerProblem:
    """Return the training step of a named network; trainings in this process share it."""
    net, (objective, flatness) = network_by_name(name, shape, classes), aims
    return inner_problem(
        net,
        rule,
        compiled=compiled,
        device=device,
        precision=precision,
        objective=objective,
        flatness=flatness,
    )


def accuracy(network: Network, parameters: Tensor, examples: Examples) -> float:
    """Return the top-1 accuracy in [0, 1]."""
    predicted = map_batches(lambda images: network.logits(parameters, images).argmax(1), examples.images)
    return int((predicted == examples.labels).sum()) / len(examples)


@torch.no_grad()
def map_batches(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Apply `function` to images (…, channels, height, width) in batches, without gradients.

    function: maps images (n, channels, height, width) to a tensor (n, …).
    """
    flat = images if images.ndim == 4 else images.flatten(0, -4)
    starts = range(0, len(flat), EVALUATION_BATCH)
    found = torch.cat([function(flat[at : at + EVALUATION_BATCH]) for at in starts])
    return found.view(*images.shape[:-3], *found.shape[1:])
