"""DSA: gradient matching with real and synthetic images of a class under the same random augmentation.

Zhao and Bilen, "Dataset condensation with differentiable Siamese augmentation", ICML 2021,
arXiv 2102.08259. DC with real images as initial images, which are augmented before matching. When a network
trains on the synthetic set, each image is augmented separately. Digits are not flipped.
Fashion-MNIST, reduced, recipe `dsa-1000`: 69.1% and 77.5% at 1 and 10 images; printed 70.6% and 84.6%.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from suite.core.distilling.initial_images import Initialisation
from suite.plugins.methods.dc import DC


@dataclass(frozen=True)
class DSA(DC):
    """Gradient matching with the same augmentation of real and synthetic images."""

    augment: str = "dsa"
    initial: Initialisation = "real"

    title: ClassVar[str] = "DSA: differentiable Siamese augmentation"
    paper: ClassVar[str] = "arXiv 2102.08259"
    recipe: ClassVar[str] = "dsa-1000"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {}


METHOD = DSA
