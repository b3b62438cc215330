"""Named random streams."""

import hashlib

import torch

from suite.core.seeding import derive, generator


def test_a_stream_is_a_hash_of_its_seed_and_name() -> None:
    expected = int.from_bytes(hashlib.sha256(b"3/window").digest()[:8], "big") // 2
    assert derive(3, "window") == expected < 2**63


def test_streams_differ_by_seed_and_by_name() -> None:
    seeds = {derive(0, "window"), derive(1, "window"), derive(0, "networks"), derive(0, "window", 1)}
    assert len(seeds) == 4


def test_the_global_state_plays_no_part() -> None:
    torch.manual_seed(1)
    first = torch.rand(3, generator=generator(0, "x"))
    torch.manual_seed(2)
    assert torch.equal(first, torch.rand(3, generator=generator(0, "x")))
