"""Every method and every evaluator keeps the contract."""

import dataclasses
import time

import pytest
import torch

from suite.core.data.tasks import load
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Evaluator, Scores, Task, TestSplit
from suite.plugins import conformance, registry
from tests.support.broken_methods import Careless, Double, Forgetful, Misspelt


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", registry.names("method"))
def test_method(name: str, check: conformance.Check) -> None:
    assert check(registry.method(name)) == ""


@pytest.mark.parametrize("name", registry.names("method"))
def test_smoke_takes_about_a_second(name: str) -> None:
    started = time.process_time()
    conformance.keeps_shapes(registry.method(name))
    assert time.process_time() - started < 5


def small_task() -> Task:
    task = load("digits")
    test = task.test.take(torch.arange(60))
    return dataclasses.replace(task, train=conformance.smoke_data(), split=TestSplit(test))


def evaluate(name: str, task: Task, seed: int = 0) -> Scores:
    evaluator: Evaluator = registry.configure(
        registry.evaluator(name), registry.evaluator(name).smoke, where=name
    )
    evaluator.check(task.train)
    images = task.train.images[torch.stack([indices[:2] for indices in task.train.by_class()])]
    return evaluator.evaluate(SyntheticSet(images, one_hot(10, 2)), task, seed=seed)


@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_evaluator_repeats_itself_and_reads_test_once(name: str) -> None:
    task = small_task()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = evaluate(name, task)
    assert task.split.reads == 1
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    again = evaluate(name, small_task())
    assert again.values["accuracy"] == first.values["accuracy"]
    assert all(0 <= value <= 1 for value in first.values["accuracy"])


@pytest.mark.parametrize("name", registry.names("evaluator"))
def test_evaluator_depends_on_its_seed(name: str) -> None:
    assert (
        evaluate(name, small_task()).values["accuracy"] != evaluate(name, small_task(), 5).values["accuracy"]
    )


class TestChecksCanFail:
    """A broken method is told what to change."""

    def test_global_randomness(self) -> None:
        assert "two runs of one seed differ" in conformance.repeats_itself(Careless)
        assert "global generator" in conformance.leaves_global_state(Careless)

    def test_lost_state(self) -> None:
        assert "a resumed run differs" in conformance.resumes_exactly(Forgetful)

    def test_live_tensors(self) -> None:
        assert "clone" in conformance.hands_out_copies(Forgetful)

    def test_shapes_and_dtypes(self) -> None:
        assert "float32" in conformance.keeps_shapes(Double)

    def test_settings(self) -> None:
        assert "did you mean 'strength'" in conformance.has_settings(Misspelt)

    def test_description(self) -> None:
        assert "unknown recipe" in conformance.is_described(Misspelt)
