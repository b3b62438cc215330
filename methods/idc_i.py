"""IDC-I: IDC without multi-formation.

Kim et al., "Dataset condensation via efficient synthetic-data parameterization", ICML 2022,
arXiv 2205.14959: the paper's ablation without multi-formation, `factor` 1.
Fashion-MNIST, reduced, recipe `idc-1000-v2`: 67.0% and 77.8% at 1 and 10 images; printed 70.7% and 85.3%.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from suite.core.spec import ANY_SIZE
from suite.plugins.methods.idc import GREY, IDC


@dataclass(frozen=True)
class IDCI(IDC):
    """Match class-wise gradients in networks trained on real images; images are stored as they are."""

    factor: int = 1

    title: ClassVar[str] = "IDC-I: IDC without multi-formation"
    recipes: ClassVar[Mapping[tuple[str, int], str]] = {("svhn", 1): "idc-svhn-1000"}
    # On MNIST the authors augment otherwise at factor 2 only.
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        **IDC.published,
        ("mnist", ANY_SIZE): GREY,
    }


METHOD = IDCI
