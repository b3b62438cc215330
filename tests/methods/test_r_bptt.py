"""R-BPTT: the unroll has a random length. Its outer steps are compared in test_rat_bptt."""

from dataclasses import fields
from importlib import import_module

import pytest
import torch
from torch import Tensor

from suite.core.seeding import generator
from suite.core.spec import Budget
from suite.core.training.augment import AugmentParams, OneOf
from tests.support.plain_meta_learning import NAME, double

METHOD = import_module("suite.plugins.methods.r_bptt").METHOD


@pytest.mark.parametrize("every", [1, 2])
def test_inner_trainings_have_lengths_from_one_to_the_unroll(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    apply = OneOf.apply

    def watched(self: OneOf, images: Tensor, params: AugmentParams) -> Tensor:
        batches.append(len(images))
        return apply(self, images, params)

    monkeypatch.setattr(OneOf, "apply", watched)
    run = METHOD(steps=8, unroll=3, redraw_every=every, real_batch=16, network=NAME).start(
        double(), Budget(2), seed=0
    )
    lengths = []
    for _ in range(8):
        batches.clear()
        run.step()
        lengths.append(batches.count(6) // 2)  # there, and back
    rng = generator(0, "window")
    drawn = [int(torch.randint(1, 4, (), generator=rng)) for _ in range(8 // every)]
    assert lengths == [length for length in drawn for _ in range(every)]
    assert every > 1 or set(lengths) == {1, 2, 3}


def test_it_has_no_window_to_set() -> None:
    assert "window" not in {field.name for field in fields(METHOD)}
