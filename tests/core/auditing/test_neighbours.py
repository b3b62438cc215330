"""Nearest real images in pixels: by hand, beside a plain loop, in chunks, and with bounded memory."""

from functools import partial

import pytest
import torch
from torch import Tensor

from suite.core.auditing import neighbours as module
from suite.core.auditing.neighbours import neighbours
from suite.core.data.preprocessing import Normalise
from suite.core.seeding import generator

NORMALISE = Normalise((0.5,), (0.25,))


def images(count: int, name: str) -> Tensor:
    return torch.rand(count, 1, 3, 4, generator=generator(0, name))


def test_distances_by_hand() -> None:
    # Pixels of the real images: 0.5 and 0.25, then 0.5 and 1. The image has 0.5 and 0.5.
    real = NORMALISE.apply(torch.tensor([[0.5, 0.25], [0.5, 1.0]]).view(2, 1, 1, 2))
    found = neighbours(torch.full((1, 1, 1, 2), 0.5), real, NORMALISE.invert)
    assert found.rows.tolist() == [0]
    assert found.distances.tolist() == pytest.approx([(0.25**2 / 2) ** 0.5])
    assert found.back.tolist() == pytest.approx([(0.25**2 / 2) ** 0.5, (0.5**2 / 2) ** 0.5])


@pytest.mark.parametrize("chunk", [3, 5, 1024])
def test_every_chunk_gives_what_a_plain_loop_gives(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    own, real = images(7, "own"), images(11, "real")
    plain = torch.stack([torch.stack([(a - b).square().mean().sqrt() for b in real]) for a in own])
    found = neighbours(own, NORMALISE.apply(real), NORMALISE.invert)
    assert torch.equal(found.rows, plain.argmin(1))
    assert torch.allclose(found.distances, plain.amin(1), atol=1e-6)
    assert torch.allclose(found.back, plain.amin(0), atol=1e-5)


def test_a_copy_is_at_no_distance_and_may_be_left_out() -> None:
    real = images(9, "real")
    rows = torch.tensor([4, 0, 8])
    found = neighbours(real[rows], real, lambda each: each)
    assert torch.equal(found.rows, rows) and found.distances.tolist() == [0, 0, 0]
    others = neighbours(real[rows], real, lambda each: each, without=rows)
    assert not (others.rows == rows).any() and (others.distances > 0).all()


def test_preprocessing_is_undone_for_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    sizes: list[int] = []

    def invert(given: Tensor, kept: list[int]) -> Tensor:
        kept.append(len(given))
        return given

    neighbours(images(6, "own"), images(10, "real"), partial(invert, kept=sizes))
    assert max(sizes) == 4
