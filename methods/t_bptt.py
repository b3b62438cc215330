"""T-BPTT: back-propagation through the last steps of the inner training.

From the ablation of Feng, Vedantam and Kempe, arXiv 2311.07025: RaT-BPTT with the window always at the end of
the unroll, so that no meta-gradient sees early training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from suite.core.engine.truncation import TruncationSchedule
from suite.plugins.methods.rat_bptt import MANY, SOFT, WindowedMethod, borrowed

_COMMANDS: Mapping[tuple[str, int], Mapping[str, Any]] = {
    ("cifar100", 1): {"window": 90, "unroll": 130, **SOFT, "outer_lr": 3e-4},
    ("tiny-imagenet", 10): {"window": 90, "unroll": 270, "real_batch": 2000, **MANY},
    ("imagenet-64", 1): {"window": 80, "unroll": 280, "real_batch": 1500, **MANY},
}
"""The authors' commands with a window at the end of the unroll, a later analysis in their readme."""


@dataclass(frozen=True)
class TBPTT(WindowedMethod):
    """Learn images through the last `window` inner steps."""

    title: ClassVar[str] = "T-BPTT: back-propagation through the end of the unroll"
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        **WindowedMethod.published,
        **_COMMANDS,
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        key: source for key, source in borrowed("the settings of rat_bptt").items() if key not in _COMMANDS
    }

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window."""
        return "fixed"


METHOD = TBPTT
