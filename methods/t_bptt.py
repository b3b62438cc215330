"""T-BPTT: back-propagation through the last steps of the inner training.

From the ablation of Feng, Vedantam and Kempe, arXiv 2311.07025: RaT-BPTT with the window always at the end of
the unroll, so that no meta-gradient sees early training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from suite.core.engine.truncation import TruncationSchedule
from suite.plugins.methods.rat_bptt import WindowedMethod

_COMMANDS: Mapping[tuple[str, int], Mapping[str, Any]] = {
    ("cifar100", 1): {"window": 90, "unroll": 130, "outer_lr": 3e-4},
    ("tiny-imagenet", 10): {"window": 90, "unroll": 270, "real_batch": 2000},
    ("imagenet-64", 1): {"window": 80, "unroll": 280},
}
"""The authors' commands with a window at the end of the unroll, a later analysis in their readme."""


@dataclass(frozen=True)
class TBPTT(WindowedMethod):
    """Learn images through the last `window` inner steps."""

    title: ClassVar[str] = "T-BPTT: back-propagation through the end of the unroll"
    published: ClassVar[Mapping[tuple[str, int], Mapping[str, Any]]] = {
        **WindowedMethod.published,
        **{key: {**WindowedMethod.published[key], **settings} for key, settings in _COMMANDS.items()},
    }
    borrowed: ClassVar[Mapping[tuple[str, int], str]] = {
        key: "the settings of rat_bptt" for key in WindowedMethod.published if key not in _COMMANDS
    }

    @property
    def schedule(self) -> TruncationSchedule:
        """The placement of the window."""
        return "fixed"


METHOD = TBPTT
