"""Expert trajectories: the parameters of networks trained on all of train, before and after every epoch.

They depend on the data, the network and its training, not on a trial. Each is trained once, kept in the data
folder in a separate file, and shared by all trials.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor

from suite.core.distilling.initial_images import random_choice
from suite.core.execution.transfer import send
from suite.core.networks.named import Network, network
from suite.core.seeding import derive
from suite.core.spec import Examples
from suite.core.training.cached import cached_trainings
from suite.core.training.fit import fit_trajectories, map_batches, training_problem
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import Recipe
from suite.core.training.together import networks_that_fit


@dataclass(frozen=True)
class Experts:
    """Trajectories (epochs + 1, size) float32 on the CPU, memory-mapped, and the seconds of earlier training.

    Those of ends only are (2, size). The seconds are those of all experts, also of other processes, less
    those that it took to get them now.
    """

    trajectories: tuple[Tensor, ...]
    seconds: float


def experts(train: Examples, name: str, recipe: Recipe, count: int, *, ends_only: bool = False) -> Experts:
    """Return `count` networks `name` trained on `train` under `recipe`, which has epochs and batches.

    A smaller `count` gives the first ones of a larger `count`. Experts of earlier calls, in any process, are
    read from disk and checked; they equal a fresh training bit for bit.
    ends_only: keep the parameters before the first epoch and after the last one only.
    """
    net, job = network(name, train.shape, train.classes), TrainingJob.on_examples(train, recipe, 0)
    # On a CPU the bits depend on the number of threads and on compilation.
    threads = torch.get_num_threads() if train.images.device.type == "cpu" else 0
    how = [name, asdict(recipe), threads, training_problem(net, [job]).compiled]
    how += ["ends"] if ends_only else []
    every = recipe.epochs if ends_only else 1

    def build(indices: Sequence[int]) -> list[Tensor]:
        seeds = [derive(0, "expert", index) for index in indices]
        return fit_trajectories(net, train, recipe, every, seeds=seeds)

    started = perf_counter()
    found = cached_trainings("expert", train, how, count, build, at_once=networks_that_fit(net, job))
    trajectories, seconds = zip(*found, strict=True)
    return Experts(trajectories, max(0.0, sum(seconds) - (perf_counter() - started)))


def correctly_classified(
    known: Experts, net: Network, train: Examples, ipc: int, *, seed: int
) -> tuple[Tensor, Tensor]:
    """Return random real images that the first expert classifies correctly, and the experts' logits.

    Images are (classes, ipc, channels, height, width). Logits (classes, ipc, classes) are the mean over the
    experts that classify an image correctly, or over all experts if none does. If a class has too few such
    images, misclassified images are added.
    """
    ends = [send([path[-1]], train.images.device)[0] for path in known.trajectories]
    predicted = map_batches(partial(net.logits, ends[0]), train.images).argmax(1)
    chosen = [
        order[(predicted[order] != label).int().argsort(stable=True)[:ipc]]
        for label, order in enumerate(random_choice(train, len(train), seed=seed))
    ]
    images = train.images[torch.stack(chosen)].clone()
    logits = torch.stack([map_batches(partial(net.logits, end), images) for end in ends])
    right = logits.argmax(-1) == torch.arange(train.classes, device=images.device)[:, None]
    right |= ~right.any(0)
    return images, (logits * right[..., None]).sum(0) / right.sum(0)[..., None]
