"""Quick RaT-BPTT: RaT-BPTT with a small real batch, which is the most accurate in the same time.

Feng, Vedantam and Kempe, arXiv 2311.07025, use a real batch of 5000 images. A small batch allows more outer
steps in the same time, each with a fresh network. In the grid `equal-seconds` (width 16, one image per
class), 256 images were better than 64, and not worse than 1024 within the intervals; one network per outer
step was better than the mean over several.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from suite.plugins.methods.rat_bptt import RaTBPTT, borrowed


@dataclass(frozen=True)
class QuickRaTBPTT(RaTBPTT):
    """RaT-BPTT with a small real batch: more outer steps in the same time."""

    real_batch: int = 256

    title: ClassVar[str] = "Quick RaT-BPTT: RaT-BPTT with a small real batch"
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        cell: {key: value for key, value in settings.items() if key != "real_batch"}
        for cell, settings in RaTBPTT.published.items()
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = borrowed(
        "the settings of rat_bptt but for the real batch"
    )


METHOD = QuickRaTBPTT
