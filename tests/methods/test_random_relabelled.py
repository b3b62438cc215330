"""Random subset with a teacher's labels: its images, its labels, and what is charged for them."""

from importlib import import_module
from pathlib import Path

import pytest
import torch

from suite.core.networks.named import network
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Distiller
from suite.core.training.fit import fit_full
from suite.core.training.recipes import recipe
from tests.support.small_data import few_digits

METHOD = import_module("suite.plugins.methods.random_relabelled").METHOD
RANDOM = import_module("suite.plugins.methods.random_subset").METHOD
NARROW = "convnet-d1-w8-in"


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))


def made(method: object, ipc: int = 3, seed: int = 1) -> tuple[SyntheticSet, Distiller]:
    run = method.start(few_digits(20), Budget(ipc), seed=seed)  # type: ignore[attr-defined]
    run.step()
    return run.synthetic(), run


def test_images_are_those_of_the_random_subset() -> None:
    mine, plain = made(METHOD(network=NARROW, epochs=1))[0], made(RANDOM())[0]
    assert torch.equal(mine.images, plain.images)
    assert plain.hard and not mine.hard


def test_labels_are_the_probabilities_of_a_network_trained_on_train() -> None:
    found, train = made(METHOD(network=NARROW, epochs=3))[0], few_digits(20)
    net = network(NARROW, train.shape, train.classes)
    teacher = fit_full(net, train, recipe("dc-300"), 3, seed=1)
    images, labels = found.flat()
    wanted = net.logits(teacher, images).exp()
    assert torch.allclose(labels, wanted / wanted.sum(1, keepdim=True), atol=1e-5)
    assert torch.allclose(labels.sum(1), torch.ones(30), atol=1e-5)


def test_a_longer_trained_teacher_is_surer_of_the_classes() -> None:
    short, long = (made(METHOD(network=NARROW, epochs=epochs))[0] for epochs in (1, 60))
    agreeing = [each.labels.diagonal(dim1=0, dim2=2).mean() for each in (short, long)]
    assert agreeing[1] > agreeing[0] + 0.1


def test_a_teacher_is_trained_once_and_charged_to_each_trial() -> None:
    first, second = (made(METHOD(network=NARROW, epochs=4), ipc)[1] for ipc in (1, 2))
    assert first.cached_seconds < second.cached_seconds
