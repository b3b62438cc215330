"""RaT-BPTT with the outer step that goes furthest in the same time.

Feng, Vedantam and Kempe, arXiv 2311.07025, judge each inner network on 5000 real images. What makes
meta-gradients vary is the network's initialisation, not the real batch; so a small batch buys more
outer steps, each with a fresh network. Measured at equal seconds by the grid `equal-seconds`: 256 images
did better than 64 and 1024, and one network an outer step better than the mean over several.
"""

from dataclasses import dataclass

from methods.rat_bptt import RaTBPTT


@dataclass(frozen=True)
class QuickRaTBPTT(RaTBPTT):
    """RaT-BPTT on a small real batch: more outer steps, each with a fresh network, in the same time."""

    real_batch: int = 256


METHOD = QuickRaTBPTT
