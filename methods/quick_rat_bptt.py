"""RaT-BPTT with the outer step that goes furthest in the same time.

Feng, Vedantam and Kempe, arXiv 2311.07025, judge each inner network on 5000 real images. A small batch
buys more outer steps, each with a fresh network. Measured by the grid `equal-seconds` (width 16, one image
per class): 256 images did better than 64, and than 1024 by no more than the intervals; one network an
outer step did better than the mean over several.
"""

from dataclasses import dataclass

from suite.plugins.methods.rat_bptt import RaTBPTT


@dataclass(frozen=True)
class QuickRaTBPTT(RaTBPTT):
    """RaT-BPTT on a small real batch: more outer steps, each with a fresh network, in the same time."""

    real_batch: int = 256


METHOD = QuickRaTBPTT
