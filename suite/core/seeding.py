"""Named random streams: every draw has its own, so adding one never shifts another."""

import hashlib

import torch


def derive(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for the stream `names` of `seed`."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a fresh CPU generator for the stream `names` of `seed`.

    Draws are made on the CPU and moved, so that a seed means the same on every device.
    """
    return torch.Generator().manual_seed(derive(seed, *names))
