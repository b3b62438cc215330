"""R-BPTT: back-propagation through an inner training of random length.

Of Feng, Vedantam and Kempe's ablation, arXiv 2311.07025: the window starts at step 0 and has a random length
from 1 to `unroll`, after which the inner training ends.
"""

from dataclasses import dataclass
from typing import ClassVar

from suite.core.engine.truncation import TruncationSchedule
from suite.plugins.methods.rat_bptt import UnrolledMethod


@dataclass(frozen=True)
class RBPTT(UnrolledMethod):
    """Learn images through the first inner steps, a random number of them."""

    title: ClassVar[str] = "R-BPTT: back-propagation through an unroll of random length"

    @property
    def schedule(self) -> TruncationSchedule:
        """How the window is placed."""
        return "random-length"


METHOD = RBPTT
