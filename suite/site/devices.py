"""Classes of devices: costs compare within one class only."""

import re

from suite.board.rows import Costs

_TRADE = re.compile(r"\((R|TM|C)\)", re.I)


def device_class(costs: Costs) -> str:
    """Return the GPU's or the processor's name, without threads: `NVIDIA H200`, `CPU: AMD EPYC`.

    A row that was measured on several devices has a class of its own, `A; B`; without a device "".
    """
    return "; ".join(sorted({_named(device) for device in costs.devices}))


def _named(device: str) -> str:
    """Return a device of `Costs.devices` without the threads at its end and trade marks."""
    return " ".join(_TRADE.sub("", re.sub(r", \d+ threads?$", "", device)).split())
