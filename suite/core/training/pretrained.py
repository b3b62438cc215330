"""Networks trained on all of train, whose features or course selection methods look at.

Training one is most of a selection's cost, so it is cached in the data folder and shared by trials;
what it cost is kept with it, and charged to every trial that uses it.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter

from torch import Tensor

from suite.core.data import cache
from suite.core.data.cache import Building, Facts, Stream, Tensors
from suite.core.data.tasks import data_folder
from suite.core.examples import hash_tensor
from suite.core.networks.named import network
from suite.core.spec import Examples
from suite.core.training.fit import fit_full
from suite.core.training.recipes import recipe


@dataclass(frozen=True)
class TrainedNetwork:
    """Trained parameters (size,) and the seconds that their training took."""

    parameters: Tensor
    seconds: float


def trained_network(train: Examples, name: str, training: str, epochs: int, *, seed: int) -> TrainedNetwork:
    """Return the network `name` trained on `train` under the recipe `training` for `epochs`."""

    def build() -> Tensor:
        net = network(name, train.shape, train.classes)
        return fit_full(net, train, recipe(training), epochs, seed=seed)

    return TrainedNetwork(*once("network", train, [name, asdict(recipe(training)), epochs, seed], build))


def once(kind: str, train: Examples, how: list[object], build: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return what a training on `train` gives, and the seconds that `build` once took for it.

    kind, how: a name, and as JSON all that the result depends on besides `train`.
    """

    def timed() -> Building:
        started = perf_counter()
        found = build().cpu()
        seconds = perf_counter() - started
        return Building({kind: Stream(found.dtype, tuple(found.shape), [found])}, {"seconds": seconds})

    def finish(tensors: Tensors, facts: Facts) -> tuple[Tensor, float]:
        return tensors[kind].clone().to(train.images.device), float(facts["seconds"])

    stem = f"{kind}-{_digest(train, [*how, str(train.images.device.type)])[:24]}"
    return cache.open_or_build(cache.usable_folder(data_folder()), stem, timed, finish)


def _digest(train: Examples, how: list[object]) -> str:
    digest = hashlib.sha256(json.dumps(how).encode())
    for tensor in (train.images, train.labels):
        hash_tensor(digest, tensor)
    return digest.hexdigest()
