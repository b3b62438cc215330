"""R-BPTT: back-propagation through an inner training of random length.

From the ablation of Feng, Vedantam and Kempe, arXiv 2311.07025: the window starts at step 0 and has a random
length from 1 to `unroll`; the inner training ends with it.
"""

from dataclasses import dataclass
from typing import ClassVar

from suite.core.engine.truncation import TruncationSchedule
from suite.plugins.methods.rat_bptt import UnrolledMethod


@dataclass(frozen=True)
class RBPTT(UnrolledMethod):
    """Learn images through a random number of first inner steps."""

    title: ClassVar[str] = "R-BPTT: back-propagation through an unroll of random length"

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window."""
        return "random-length"


METHOD = RBPTT
