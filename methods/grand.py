"""GraNd: the real images of each class whose loss has the largest gradient, at initialisation.

Paul et al., "Deep learning on a data diet: finding important examples early in training", NeurIPS 2021,
arXiv 2107.07075. The score of an image is the norm of the gradient of its loss for all parameters, exact, as
the authors' code computes it, averaged over ten networks at initialisation; `epochs` trains them before.
What is kept is as in EL2N: the highest scores of each class, where the authors keep those of all images.
Kirsch, arXiv 2303.14753, could not repeat the paper's results at initialisation: these scores follow the norm
of the image and do not beat random images; a fault in a library had restored trained networks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from suite.core.engine.classification import CHUNK
from suite.core.execution.transfer import send
from suite.core.networks.named import Network, network
from suite.core.seeding import derive, generator
from suite.core.spec import Examples
from suite.core.training.cached import Timed, cached_training, trained_networks
from suite.core.training.recipes import recipe_on_real
from suite.plugins.methods.el2n import EL2N

_BYTES = 2**28
"""Of the gradients that are held at once."""


@dataclass(frozen=True)
class GraNd(EL2N):
    """Select the real images with the largest gradients, averaged over networks at initialisation."""

    epochs: int = 0  # of training before; 0: at initialisation

    title: ClassVar[str] = "GraNd: the real images with the largest gradients at initialisation"
    batch_norm: ClassVar[bool] = False
    untrained: ClassVar[bool] = True
    smoke: ClassVar[Mapping[str, Any]] = {"networks": 2, "network": "convnet-d1-w8-in"}

    def scored(self, train: Examples, seed: int) -> Timed:
        """Return the mean score (n,) of each image, and the seconds of cached work to charge."""
        net = network(self.network, train.shape, train.classes)
        found, seconds = self._networks(net, train, seed)
        scoring = send(found, train.labels.device)
        how = [self.network, asdict(recipe_on_real(self.training)), self.epochs, self.networks, seed]
        scores, more = cached_training(
            "grand",
            train,
            how,
            lambda: torch.stack([gradient_norms(net, each, train) for each in scoring]).mean(0),
        )
        return scores, seconds + more

    def _networks(self, net: Network, train: Examples, seed: int) -> tuple[list[Tensor], float]:
        if self.epochs:
            how = self.network, self.training, self.epochs, self.networks
            return trained_networks(train, *how, seed=seed)
        seeds = [derive(seed, "network", index) for index in range(self.networks)]
        return [net.initialise(generator(each, "initialisation")) for each in seeds], 0.0


def gradient_norms(net: Network, parameters: Tensor, train: Examples) -> Tensor:
    """Return the norm (n,) of the gradient of each image's cross-entropy for all parameters (size,)."""

    def loss(own: Tensor, image: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(net.logits(own, image[None]), label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
    size = min(CHUNK[parameters.device.type], max(1, _BYTES // parameters.nbytes))
    batches = [slice(at, at + size) for at in range(0, len(train), size)]
    return torch.cat(
        [gradients(parameters, train.images[own], train.labels[own]).norm(dim=1) for own in batches]
    )


METHOD = GraNd
