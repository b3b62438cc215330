"""The quick variant is RaT-BPTT under other settings, and nothing else."""

from dataclasses import fields, replace

import torch

from suite.core.data.tasks import load
from suite.core.spec import Budget
from suite.plugins.methods.quick_rat_bptt import QuickRaTBPTT
from suite.plugins.methods.rat_bptt import RaTBPTT


def test_only_the_real_batch_differs() -> None:
    own = {field.name: field.default for field in fields(QuickRaTBPTT)}
    papers = {field.name: field.default for field in fields(RaTBPTT)}
    assert {name for name in own if own[name] != papers.get(name)} == {"real_batch"}
    assert own["real_batch"] == 256 and papers["real_batch"] == 5000 and papers["networks"] == 1


def test_under_the_same_settings_both_are_the_same() -> None:
    train, sets = load("digits").train, []
    for cls in (RaTBPTT, QuickRaTBPTT):
        method = replace(cls(**cls.smoke), real_batch=16)
        run = method.start(train, Budget(1), seed=0)
        run.step()
        sets.append(run.synthetic().images)
    assert torch.equal(*sets)
