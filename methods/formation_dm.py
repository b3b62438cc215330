"""Formation DM: distribution matching of many small images in the bytes of a few large ones.

1. Each stored image holds `factor` squared small ones side by side, at first real images, reduced.
2. Each outer step draws a fresh, untrained network and a batch of real images of each class.
3. The small images are enlarged to the size of the real ones; both are augmented by the same parameters.
4. The loss is DM's: the squared distance of the mean embeddings of a class, summed over classes.
5. The pixels take a step of SGD. A mean over n images has 1/n of the gradient of one image, so the rate is
   `image_lr` times n.
6. The set is the average of the pixels over the last steps, without the noise of networks and batches.

DM is arXiv 2110.04181. Formations are IDC's, arXiv 2205.14959, with a factor of 2 there, in IDM and in M3D.
Here it is 4 by default: sixteen images of a quarter of the width and the height.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from suite.core.distilling.by_class.formations import FormationDistiller, FormationMethod, PixelRange
from suite.core.distilling.matching import mean_gaps
from suite.core.execution.replayed import ReplayedLoss
from suite.core.execution.transfer import send_nested
from suite.core.seeding import generator
from suite.core.sets.parametrisations import MultiFormation, Reduction
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Choice, Distiller, Examples, LogUniform


@dataclass(frozen=True)
class FormationDM(FormationMethod):
    """Match each class's mean embedding in random networks; each stored image holds many small ones."""

    steps: int = 20_000
    factor: int = 4
    image_lr: float = 2.0  # of one small image
    real_batch: int = 64
    augment: str = "dsa"
    averaging: float = 0.99  # share of the average that a step leaves in place; 0: the set is the last one

    title: ClassVar[str] = "Formation DM: distribution matching of many small images"
    smoke: ClassVar[Mapping[str, Any]] = {
        "steps": 5,
        "factor": 2,
        "real_batch": 8,
        "network": "convnet-d1-w8-in",
    }
    space: ClassVar[Mapping[str, Choice | LogUniform]] = {
        "image_lr": LogUniform(0.2, 20.0),
        "factor": Choice((2, 4)),
    }
    pixel_range: ClassVar[PixelRange] = "any"
    reduction: ClassVar[Reduction] = "bilinear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.averaging < 1:
            raise ValueError(f"averaging {self.averaging} must be at least 0 and below 1")

    def start(self, train: Examples, budget: Budget, *, seed: int) -> Distiller:
        """Start from real images, reduced and placed side by side."""
        return FormationDMDistiller(self, train, budget, seed)


class FormationDMDistiller(FormationDistiller):
    """One run of formation DM."""

    method: FormationDM

    def __init__(self, method: FormationDM, train: Examples, budget: Budget, seed: int) -> None:
        super().__init__(method, train, budget, seed)
        self.loss = ReplayedLoss.on(train.images.device, self.gap)
        self.network_rng = generator(seed, "networks")
        rate = method.image_lr * budget.ipc * method.factor**2
        self.optimiser = torch.optim.SGD([self.pixels], lr=rate, momentum=method.image_momentum)
        self.average = self.pixels.detach().clone()

    def step(self) -> Mapping[str, Tensor]:
        """Update the images once, and their average."""
        drawn = self.network.initialise(self.network_rng), self.draw_match()
        parameters, match = send_nested(drawn, self.pixels.device)
        real, synthetic = self.augmented(match)
        loss = self.loss(synthetic, real, parameters)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        # The first steps move far, so that a young average forgets them faster.
        kept = min(self.method.averaging, self.step_count / (self.step_count + 10))
        self.average.lerp_(self.pixels.detach(), 1 - kept)
        self.step_count += 1
        return {"outer_loss": loss.detach()}

    def gap(self, synthetic: Tensor, real: Tensor, parameters: Tensor) -> Tensor:
        """Return the squared distances of the mean embeddings of images (classes, n, …), summed."""

        def embedding(images: Tensor) -> list[Tensor]:
            return [self.network.features(parameters, images)]

        return mean_gaps(embedding, synthetic, real, self.real.weights)[0]

    def synthetic(self) -> SyntheticSet:
        """Return the decoded average with its formations."""
        return SyntheticSet.from_parametrisation(MultiFormation(self.average.clone(), self.method.factor))


METHOD = FormationDM
