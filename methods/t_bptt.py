"""T-BPTT: back-propagation through the last steps of the inner training.

From the ablation of Feng, Vedantam and Kempe, arXiv 2311.07025: RaT-BPTT with the window always at the end of
the unroll, so that no meta-gradient sees early training.
"""

from dataclasses import dataclass
from typing import ClassVar

from suite.core.engine.truncation import TruncationSchedule
from suite.plugins.methods.rat_bptt import WindowedMethod


@dataclass(frozen=True)
class TBPTT(WindowedMethod):
    """Learn images through the last `window` inner steps."""

    title: ClassVar[str] = "T-BPTT: back-propagation through the end of the unroll"

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window."""
        return "fixed"


METHOD = TBPTT
