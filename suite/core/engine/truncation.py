"""Which inner steps are differentiated: a window of them, placed by a schedule."""

from dataclasses import dataclass
from typing import Literal

import torch

TruncationSchedule = Literal["random", "fixed", "full", "random-length"]


@dataclass(frozen=True)
class Window:
    """The differentiated steps of an unroll: `length` steps after `before` plain steps.

    Raises ValueError for a window without steps, or with a start before step 0.
    """

    before: int
    length: int

    def __post_init__(self) -> None:
        if self.before < 0:
            raise ValueError(f"window before {self.before} must be at least 0")
        if self.length < 1:
            raise ValueError(f"window length {self.length} must be at least 1")


def check_truncation(schedule: TruncationSchedule, unroll: int, window: int) -> None:
    """Raise ValueError if `window` or `unroll` is below 1, or the window is longer than the unroll."""
    for name, value in (("unroll", unroll), ("window", window)):
        if value < 1:
            raise ValueError(f"{name} {value} must be at least 1")
    if schedule in ("random", "fixed") and window > unroll:
        raise ValueError(f"window {window} is longer than the unroll {unroll}; lower window or raise unroll")


def place_window(schedule: TruncationSchedule, *, unroll: int, window: int, rng: torch.Generator) -> Window:
    """Place the window in an unroll.

    random: RaT-BPTT, the start uniform in [0, unroll - window]; fixed: T-BPTT, the last steps; full: BPTT,
    every step; random-length: R-BPTT, from step 0 to a random length in [1, unroll]. The last two ignore
    `window`.
    """
    if schedule == "full":
        return Window(0, unroll)
    if schedule == "fixed":
        return Window(unroll - window, window)
    if schedule == "random":
        return Window(int(torch.randint(unroll - window + 1, (), generator=rng)), window)
    return Window(0, int(torch.randint(1, unroll + 1, (), generator=rng)))
