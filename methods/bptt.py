"""BPTT: back-propagation through every step of the inner training.

The baseline of Feng, Vedantam and Kempe's ablation, arXiv 2311.07025: RaT-BPTT with a window of the whole
unroll. Memory and time of an outer step grow with `unroll`; `checkpoint_every` trades one for the other.
"""

from dataclasses import dataclass
from typing import ClassVar

from suite.plugins.methods.rat_bptt import UnrolledMethod


@dataclass(frozen=True)
class BPTT(UnrolledMethod):
    """Learn images through all inner steps."""

    title: ClassVar[str] = "BPTT: back-propagation through the whole unroll"


METHOD = BPTT
