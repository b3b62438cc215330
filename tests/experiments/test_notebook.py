"""Distil and evaluate in a call each, with the bits of a run."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from suite.core.data.tasks import load
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Examples
from suite.experiments.notebook import distil, evaluate
from suite.plugins import registry
from suite.plugins.evaluators.retrain import Retrain

SMALL: dict[str, Any] = {"steps": 2, "real_batch": 8, "network": "convnet-d1-w8-in"}


def test_a_set_is_the_methods_own() -> None:
    task = load("digits")
    run = registry.method("dm")(**SMALL).start(task.train, Budget(1), seed=3)
    for _ in range(run.steps):
        run.step()
    made = distil("dm", task, 1, seed=3, **SMALL)
    assert torch.equal(made.images, run.synthetic().images)
    assert not torch.equal(made.images, distil("dm", task, 1, seed=4, **SMALL).images)


def test_large_images_have_a_deeper_network_in_both_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def configure(cls: type, values: dict[str, Any], *, where: str) -> None:
        seen.append(values["network"])
        raise ValueError("only the settings matter here")

    monkeypatch.setattr(registry, "configure", configure)
    images, labels = torch.zeros(2, 3, 64, 64), torch.tensor([0, 1])
    examples = Examples(images, labels, 2)
    task = replace(load("digits"), train=examples)
    for call in (
        lambda: distil("dm", task, 1),
        lambda: evaluate(SyntheticSet(images[:, None], one_hot(2, 1)), task),
        lambda: distil("dm", task, 1, network="mlp-w8"),
    ):
        with pytest.raises(ValueError, match="only the settings"):
            call()
    assert seen == ["convnet-d4-w128-in", "convnet-d4-w128-in", "mlp-w8"]


def test_progress_is_told_after_each_step() -> None:
    seen: list[tuple[int, int]] = []
    distil("dm", load("digits"), 1, progress=lambda *at: seen.append(at), **SMALL)
    assert seen == [(1, 2), (2, 2)]


def test_scores_are_the_evaluators_and_test_is_read_once() -> None:
    task = load("digits")
    made = distil("random_subset", task, 1)
    scores = evaluate(made, task, "dc-300", network="mlp-w8", copies=2, seed=5)
    evaluator = Retrain("dc-300", "mlp-w8", 2)
    assert task.split.reads == 1
    assert scores.values["accuracy"] == evaluator.evaluate(made, task, seed=5).values["accuracy"]


@pytest.mark.parametrize(
    ("method", "ipc", "values", "message"),
    [
        ("dmm", 1, {}, "unknown method 'dmm'"),
        ("dm", 1, {"stepps": 3}, "dm: unknown key 'stepps'; did you mean 'steps'"),
        ("dm", 0, {}, "ipc 0 must be at least 1"),
        ("random_subset", 1000, {}, "larger than the smallest class"),
    ],
)
def test_mistakes_are_refused(method: str, ipc: int, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        distil(method, load("digits"), ipc, **values)


def test_unknown_recipes_and_networks_are_refused() -> None:
    task = load("digits")
    made = distil("random_subset", task, 1)
    with pytest.raises(ValueError, match="unknown recipe"):
        evaluate(made, task, "dc-301")
    with pytest.raises(ValueError, match="too small for 9 blocks"):
        evaluate(made, task, network="convnet-d9-w8-in")
    assert task.split.reads == 0
