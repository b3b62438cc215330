"""Expert trajectories: the parameters of networks trained on all of train, before and after every epoch.

They depend on the data, the network and how it is trained, and on no trial: each is trained once, kept in
the data folder as a file of its own, and shared by every trial that asks for it.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from suite.core.data import cache
from suite.core.data.cache import Building, Facts, Stream, Tensors
from suite.core.data.tasks import data_folder
from suite.core.distilling.initial_images import random_choice
from suite.core.engine.classification import worth_compiling
from suite.core.examples import hash_tensor
from suite.core.networks.named import Network, network
from suite.core.seeding import derive, generator
from suite.core.spec import Examples
from suite.core.training.fit import EVALUATION_BATCH, at_once, fit_trajectories
from suite.core.training.recipes import Recipe

_VERSION = 1  # raised where a change of code gives experts other bits


@dataclass(frozen=True)
class Experts:
    """Trajectories (epochs + 1, size) float32 on the CPU, and the seconds that their training took.

    What comes from the cache is mapped into memory: pages are read when they are used, and processes
    share them. The seconds are those of all experts, whoever trained them.
    """

    trajectories: tuple[Tensor, ...]
    seconds: float

    def parameters(self, expert: int, epoch: int) -> Tensor:
        """Return the parameters (size,) of an expert after `epoch` epochs; 0 is its initialisation."""
        return self.trajectories[expert][epoch]


def experts(train: Examples, name: str, recipe: Recipe, count: int) -> Experts:
    """Return `count` networks `name` trained on `train` under `recipe`, which has epochs and batches.

    Fewer are the first of more. Those of an earlier call, in this process or another, are read from disk:
    their bits are those of a fresh training, and checked.
    """
    net = network(name, train.shape, train.classes)
    folder, digest = cache.usable_folder(data_folder()), _digest(train, net, recipe)
    # Processes begin with different ones, lest they all wait for whoever trains the first.
    order = torch.randperm(count, generator=generator(os.getpid(), "experts")).tolist()
    school = _School(train, net, recipe, folder, digest, order)
    found = {index: school.expert(index) for index in order}
    trajectories, seconds = zip(*(found[index] for index in range(count)), strict=True)
    return Experts(trajectories, sum(seconds))


def correctly_classified(
    known: Experts, net: Network, train: Examples, ipc: int, *, seed: int
) -> tuple[Tensor, Tensor]:
    """Return random real images that the first expert gets right, and what experts say of them.

    That is images (classes, ipc, channels, height, width) and logits (classes, ipc, classes), the mean over
    the experts that get an image right, or over all. Where a class has too few, wrong ones follow.
    """
    ends = [path[-1].to(train.images) for path in known.trajectories]
    said, chosen = logits(net, ends[0], train.images).argmax(1), []
    for label, order in enumerate(random_choice(train, len(train), seed=seed)):
        chosen.append(order[(said[order] != label).int().argsort(stable=True)[:ipc]])
    images = train.images[torch.stack(chosen)].clone()
    opinions = torch.stack([logits(net, end, images) for end in ends])
    right = opinions.argmax(-1) == torch.arange(train.classes, device=images.device)[:, None]
    right |= ~right.any(0)
    return images, (opinions * right[..., None]).sum(0) / right.sum(0)[..., None]


@torch.no_grad()
def logits(net: Network, parameters: Tensor, images: Tensor) -> Tensor:
    """Return what a network says, (…, classes), of images (…, channels, height, width)."""
    flat = images.reshape(-1, *images.shape[-3:]).split(EVALUATION_BATCH)
    found = torch.cat([net.logits(parameters, batch) for batch in flat])
    return found.view(*images.shape[:-3], -1)


@dataclass(frozen=True)
class _School:
    """Trains the experts that no file holds: those that a GPU has room for at once, on a CPU one by one.

    ready: the paths that were trained beside another one and not asked for yet, and each one's seconds.
    Two processes on two GPUs may train the same ones; the first to be written counts.
    """

    train: Examples
    net: Network
    recipe: Recipe
    folder: Path | None
    digest: str
    order: Sequence[int]
    ready: dict[int, tuple[Tensor, float]] = field(default_factory=dict)

    def expert(self, index: int) -> tuple[Tensor, float]:
        """Return an expert's path, from its file where there is one, and the seconds of its training."""

        def build() -> Building:
            path, seconds = self._trained(index)
            facts = {"seconds": seconds, "sha256": _sha256(path)}
            return Building({"parameters": Stream(torch.float32, tuple(path.shape), [path])}, facts)

        return cache.open_or_build(self.folder, self._stem(index), build, _checked)

    def _trained(self, index: int) -> tuple[Tensor, float]:
        if index not in self.ready:
            later = self.order[self.order.index(index) + 1 :]
            wanted = [index, *(other for other in later if not self._is_kept(other))]
            group = wanted[: at_once(self.net, self.train, self.recipe)]
            started = perf_counter()
            seeds = [derive(0, "expert", each) for each in group]
            paths = fit_trajectories(self.net, self.train, self.recipe, seeds=seeds)
            share = (perf_counter() - started) / len(group)
            self.ready.update({each: (path, share) for each, path in zip(group, paths, strict=True)})
        return self.ready.pop(index)

    def _is_kept(self, index: int) -> bool:
        return self.folder is not None and (self.folder / f"{self._stem(index)}.json").exists()

    def _stem(self, index: int) -> str:
        return f"expert-{self.digest[:24]}-{index}"


def _checked(tensors: Tensors, facts: Facts) -> tuple[Tensor, float]:
    path = tensors["parameters"]
    if _sha256(path) != facts["sha256"]:  # the cache itself looks at a part of a large file
        raise ValueError("its parameters do not match their sha256")
    return path, float(facts["seconds"])


def _digest(train: Examples, net: Network, recipe: Recipe) -> str:
    """Return the sha256 of all that experts depend on but their number."""
    steps = recipe.epochs * ceil(len(train) / (recipe.batch or len(train)))
    device = train.images.device
    # Bits change with the device, with a CPU's threads, and with compilation.
    where = [device.type, torch.get_num_threads() if device.type == "cpu" else 0]
    compiled = worth_compiling(net, batch=recipe.batch or len(train), steps=steps, device=device)
    how = [_VERSION, net.name, asdict(recipe), *where, compiled]
    digest = hashlib.sha256(json.dumps(how).encode())
    train.hash_into(digest)
    return digest.hexdigest()


def _sha256(path: Tensor) -> str:
    digest = hashlib.sha256()
    hash_tensor(digest, path)
    return digest.hexdigest()
