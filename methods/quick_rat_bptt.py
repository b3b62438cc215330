"""Quick RaT-BPTT: RaT-BPTT with a small real batch, which goes furthest in the same time.

Feng, Vedantam and Kempe, arXiv 2311.07025, judge each inner network on 5000 real images. A small batch buys
more outer steps, each with a fresh network. Measured with the grid `equal-seconds` (width 16, one image per
class): 256 images did better than 64, and no worse than 1024 within the intervals; one network per outer
step did better than the mean over several.
"""

from dataclasses import dataclass
from typing import ClassVar

from suite.plugins.methods.rat_bptt import RaTBPTT


@dataclass(frozen=True)
class QuickRaTBPTT(RaTBPTT):
    """RaT-BPTT on a small real batch: more outer steps, each with a fresh network, in the same time."""

    real_batch: int = 256

    title: ClassVar[str] = "Quick RaT-BPTT: RaT-BPTT with a small real batch"


METHOD = QuickRaTBPTT
