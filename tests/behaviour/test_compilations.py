"""A step is compiled once for each shape, whatever is drawn and however long a training is."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from suite.core.engine import classification
from suite.core.execution import compiling
from suite.core.execution.compiling import Function
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Examples
from suite.core.training import fit
from suite.core.training.jobs import TrainingJob
from suite.core.training.recipes import RECIPES
from suite.plugins.methods.dc import DC
from suite.plugins.methods.mtt import MTT
from suite.plugins.methods.rat_bptt import RaTBPTT
from suite.plugins.methods.rtp import RTP

COLOUR = (3, 16, 16)
NAME = "convnet-d2-w8-in"


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts compilations by what is compiled; the functions themselves run."""
    counted = Counter[str]()

    def count(function: Function, inputs: tuple[Tensor, ...]) -> Function:
        counted[function.__name__] += 1
        return function

    monkeypatch.setattr(compiling, "_inductor", count)
    monkeypatch.setattr(classification, "MIN_COMPILED_STEPS", 0)
    fit._shared_problem.cache_clear()
    return counted


def train() -> Examples:
    return Examples(torch.randn(60, *COLOUR, generator=generator(0)), torch.arange(60) % 3, 3)


@pytest.mark.parametrize("augment", ["dsa", "flip-rotate"])
@pytest.mark.parametrize("networks", [1, 2])
def test_an_unroll_compiles_each_of_its_parts_once(
    compilations: Counter[str], augment: str, networks: int
) -> None:
    method = RaTBPTT(
        steps=8, unroll=6, window=3, real_batch=50, network=NAME, augment=augment, networks=networks
    )
    distiller = method.start(train(), Budget(2), seed=0)
    for _ in range(8):
        distiller.step()
    assert compilations == {"forward": 1, "keeping": 1, "backward": 1, "outer": 1}


def test_an_unroll_from_the_first_step_has_no_plain_step(compilations: Counter[str]) -> None:
    method = RTP(steps=2, unroll=4, real_per_class=4, augment="flip-rotate", network=NAME)
    distiller = method.start(train(), Budget(2), seed=0)
    distiller.step(), distiller.step()
    assert compilations == {"keeping": 1, "backward": 1, "outer": 1}


@pytest.mark.parametrize("augment", ["dsa", "flip+color+move+cutmix", "none"])
def test_trainings_of_any_length_and_rate_share_one_step(compilations: Counter[str], augment: str) -> None:
    images = torch.randn(3, 4, *COLOUR, generator=generator(1))
    synthetic, net = SyntheticSet(images, one_hot(3, 4)), network(NAME, COLOUR, 3)
    for epochs, lr in ((8, 0.01), (13, 0.01), (8, 0.02)):
        recipe = replace(RECIPES["dsa-1000"], augment=augment, lr=lr)
        jobs = [TrainingJob.on_set(synthetic, replace(recipe, epochs=epochs), seed) for seed in (0, 1)]
        list(fit.fit_each(net, jobs))
    assert compilations == {"forward": 1}


def test_a_network_between_matches_compiles_one_step(compilations: Counter[str]) -> None:
    method = DC(steps=2, outer_loop=3, inner_loop=4, real_batch=8, network=NAME, augment="dsa")
    distiller = method.start(train(), Budget(2), seed=0)
    distiller.step(), distiller.step()
    assert compilations == {"forward": 1}


def test_a_student_compiles_each_of_its_parts_once(compilations: Counter[str]) -> None:
    method = MTT(
        steps=2, syn_steps=4, experts=1, trained_epochs=3, expert_epochs=1, max_start_epoch=2, network=NAME
    )
    distiller = method.start(train(), Budget(2), seed=0)
    expert = compilations.copy()
    distiller.step(), distiller.step()
    assert compilations - expert == {"keeping": 1, "backward": 1, "outer": 1}
