"""Named random streams: every purpose has a separate stream, so a new stream does not change others."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for the stream `names` of `seed`."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(seed: int, *names: str | int) -> "torch.Generator":
    """Return a fresh CPU generator for the stream `names` of `seed`.

    Numbers are drawn on the CPU and then moved, so that a seed gives the same numbers on every device.
    """
    import torch  # imported here, since audits derive seeds without it

    return torch.Generator().manual_seed(derive(seed, *names))
