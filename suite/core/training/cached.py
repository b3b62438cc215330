"""Results of training on train, cached in the data folder and shared by all trials.

Feature networks, expert trajectories and similar results depend on train and their training, not on a trial.
Each is a separate cache entry with its sha256 and the seconds of its training, which are charged to every
trial that uses it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from suite.core.data import cache
from suite.core.data.cache import Building, Facts, Tensors
from suite.core.data.tasks import data_folder
from suite.core.examples import Examples, hash_tensor
from suite.core.networks.named import network, with_batch_norm
from suite.core.seeding import derive, generator
from suite.core.sets.synthetic_set import Teacher
from suite.core.training.fit import fit_each, fit_full, map_batches
from suite.core.training.jobs import Labeller, TrainingJob
from suite.core.training.recipes import Recipe, recipe_on_real
from suite.core.training.together import networks_that_fit

_VERSION = 3  # increase it if a change of code changes the bits of trainings

Timed = tuple[Tensor, float]
"""The result of a training, and its seconds."""


def trained_network(train: Examples, name: str, training: str, epochs: int, *, seed: int) -> Timed:
    """Train the network `name` on `train` for `epochs` under the recipe `training`.

    Return its parameters (size,), and the seconds of cached training that are charged to this run.
    """

    def build() -> Tensor:
        net = network(name, train.shape, train.classes)
        return fit_full(net, train, recipe_on_real(training), epochs, seed=seed)

    return cached_training("network", train, [name, asdict(recipe_on_real(training)), epochs, seed], build)


def trained_networks(
    train: Examples, name: str, training: str, epochs: int, count: int, *, seed: int
) -> tuple[list[Tensor], float]:
    """Train `count` networks as `trained_network` does, each from a seed of its own under `seed`.

    Return their parameters (size,) on the CPU, and the seconds of cached training that are charged to this
    run. A smaller `count` gives the first ones of a larger `count`.
    """
    net, own = network(name, train.shape, train.classes), recipe_on_real(training)

    def jobs(indices: Sequence[int]) -> list[TrainingJob]:
        seeds = [derive(seed, "network", index) for index in indices]
        return [TrainingJob.on_examples(train, own.for_epochs(epochs), each) for each in seeds]

    def build(indices: Sequence[int]) -> list[Tensor]:
        return list(fit_each(net, jobs(indices)))

    started, how = perf_counter(), [name, asdict(own), epochs, seed]
    together = networks_that_fit(net, jobs([0])[0])
    found = cached_trainings("networks", train, how, count, build, at_once=together)
    parameters, seconds = zip(*found, strict=True)
    return list(parameters), max(0.0, sum(seconds) - (perf_counter() - started))


def own_teacher(train: Examples, name: str, training: str, epochs: int) -> tuple[Teacher, float]:
    """Return the teacher `name` that all methods and recipes share which train it in this way.

    Also return the seconds of cached training that are charged to whoever uses it.
    """
    parameters, seconds = trained_network(train, name, training, epochs, seed=derive(0, "teacher"))
    return Teacher(name, parameters), seconds


def labeller(recipe: Recipe, name: str, train: Examples, brought: Sequence[Teacher]) -> Labeller | None:
    """Return the teacher of networks called `name` under `recipe`; None if the recipe has none.

    brought: the teachers of the set; recipes of decoupled methods take the mean of their logits. The teacher
    of other recipes, and of sets that bring none, is the same network with batch norm where there is one,
    trained on `train` by `dc-300`'s optimiser for `teacher_epochs`, once for all sets.
    """
    if not recipe.teacher_epochs:
        return None
    teachers = brought if recipe.by_own_teachers else ()
    if not teachers:
        name = with_batch_norm(name, train.shape, train.classes)
        teachers = [own_teacher(train, name, "dc-300", recipe.teacher_epochs)[0]]
    functions = [_logits(each, train, by_batch=recipe.labels_by_batch) for each in teachers]

    def label(views: Tensor, labels: Tensor) -> Tensor:
        logits = torch.stack([function(views) for function in functions]).mean(0)
        found = recipe.relabelled(logits.flatten(0, 1), labels.flatten(0, 1))
        return found.view(*views.shape[:2], -1)

    return label


def _logits(teacher: Teacher, train: Examples, *, by_batch: bool) -> Callable[[Tensor], Tensor]:
    """Return a function from views (batches, n, …) to logits (batches, n, classes).

    by_batch: batch norms use the statistics of each batch in place of the running ones.
    """
    net = network(teacher.network, train.shape, train.classes)
    if not by_batch:
        return partial(map_batches, partial(net.logits, teacher.parameters))
    parameters = teacher.parameters[: net.size]

    @torch.no_grad()
    def logits(views: Tensor) -> Tensor:
        return torch.stack([net.logits(parameters, batch) for batch in views])

    return logits


def teacher_bytes(recipe: Recipe, name: str, train: Examples, brought: Sequence[Teacher]) -> int:
    """Return the bytes of the teachers that label batches for networks called `name`; 0 without one."""
    if not recipe.teacher_epochs:
        return 0
    if recipe.by_own_teachers and brought:
        return sum(each.parameters.nbytes for each in brought)
    net = network(with_batch_norm(name, train.shape, train.classes), train.shape, train.classes)
    return 4 * (net.size + net.statistics_size)


def cached_training(kind: str, train: Examples, how: Sequence[Any], build: Callable[[], Tensor]) -> Timed:
    """Return the result of `build`, on the device of `train`, and the seconds of cached work to charge.

    kind: the first word of the entry's name; how: all else that affects the result, as JSON.
    """
    started = perf_counter()
    ((found, seconds),) = cached_trainings(kind, train, how, 1, lambda _: [build()])
    return found.clone().to(train.images.device), max(0.0, seconds - (perf_counter() - started))


def cached_trainings(
    kind: str,
    train: Examples,
    how: Sequence[Any],
    count: int,
    build: Callable[[Sequence[int]], Sequence[Tensor]],
    *,
    at_once: int = 1,
) -> list[Timed]:
    """Return the result of `build` for each number below `count`, on the CPU, with its training seconds.

    Results are memory-mapped: pages are read when they are used, and processes share them. A smaller `count`
    gives the first results of a larger one. build: trains at most `at_once` numbers together.
    If two processes train the same number, the result that is written first is kept.
    """
    folder, digest = cache.usable_folder(data_folder()), _digest(train, how)
    stems = [f"{kind}-{digest[:24]}-{index}" for index in range(count)]
    # Processes begin with different numbers, so that they do not wait for each other.
    order = torch.randperm(count, generator=generator(os.getpid(), kind)).tolist()
    ready: dict[int, Timed] = {}  # trained together with others, and not requested yet

    def building(place: int) -> Building:
        if (index := order[place]) not in ready:
            later = (other for other in order[place + 1 :] if not _is_kept(folder, stems[other]))
            ready.update(_timed(build, [index, *later][:at_once]))
        return _entry(*ready.pop(index))

    found = {
        index: cache.open_or_build(folder, stems[index], partial(building, place), _checked)
        for place, index in enumerate(order)
    }
    return [found[index] for index in range(count)]


def _timed(build: Callable[[Sequence[int]], Sequence[Tensor]], group: Sequence[int]) -> dict[int, Timed]:
    """Train a group; each member is charged an equal share of the seconds."""
    started = perf_counter()
    results = [result.cpu() for result in build(group)]
    share = (perf_counter() - started) / len(group)
    return {index: (result, share) for index, result in zip(group, results, strict=True)}


def _is_kept(folder: Path | None, stem: str) -> bool:
    return folder is not None and cache.has_entry(folder, stem)


def _entry(result: Tensor, seconds: float) -> Building:
    def fill(tensors: Tensors) -> Facts:
        tensors["result"].copy_(result)
        return {"seconds": seconds, "sha256": _sha256(result)}

    return Building({"result": (result.dtype, tuple(result.shape))}, fill)


def _checked(tensors: Tensors, facts: Facts) -> Timed:
    result = tensors["result"]
    if _sha256(result) != facts["sha256"]:  # of an earlier release, whose entries are checked here alone
        raise ValueError("its values do not match their sha256")
    return result, float(facts["seconds"])


def _digest(train: Examples, how: Sequence[Any]) -> str:
    digest = hashlib.sha256(json.dumps([_VERSION, *how, train.images.device.type]).encode())
    train.hash_into(digest)
    return digest.hexdigest()


def _sha256(result: Tensor) -> str:
    digest = hashlib.sha256()
    hash_tensor(digest, result)
    return digest.hexdigest()
