"""Expert trajectories: what they are, and that each is trained once, whoever asks."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.distilling import experts as trained
from suite.core.distilling.experts import Experts, correctly_classified, experts
from suite.core.engine import classification
from suite.core.networks.layers import Layer
from suite.core.networks.named import network
from suite.core.seeding import derive, generator
from suite.core.spec import Examples
from suite.core.training.fit import fit_trajectories
from suite.core.training.recipes import FlatRecipe, Recipe

LINEAR = Layer(lambda own, x: x.flatten(1) * own[0], ((2,),))
NAME, RECIPE = "mlp-w4", Recipe("expert", "", "sgd", 0.1, "none", epochs=3, batch=4)


def train(count: int = 10) -> Examples:
    images = torch.randn(count, 1, 2, 2, generator=generator(0))
    return Examples(images, torch.arange(count) % 2, 2)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were trained."""
    seeds: list[int] = []
    monkeypatch.setattr(trained, "fit_trajectories", _watched(seeds))
    return seeds


def _watched(trained_ones: list[int]) -> Callable[..., list[Tensor]]:
    def fit(*given: Any, seeds: Sequence[int]) -> list[Tensor]:
        trained_ones.extend(seeds)
        return fit_trajectories(*given, seeds=seeds)

    return fit


def files(data: Path, ending: str = "safetensors") -> list[Path]:
    return sorted((data / ".ratbench").glob(f"expert-*.{ending}"))


def same(one: Experts, other: Experts) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.trajectories, other.trajectories, strict=True))


def test_a_trajectory_is_plain_sgd_on_epochs_of_shuffled_batches() -> None:
    data, net, seed = train(), network(NAME, (1, 2, 2), 2), derive(0, "expert", 1)
    parameters = net.initialise(generator(seed, "initialisation")).requires_grad_()
    order, rule, expected = generator(seed, "order"), torch.optim.SGD([parameters], lr=0.1), []
    for _ in range(3):
        expected.append(parameters.detach().clone())
        for rows in torch.randperm(10, generator=order).split(4):  # 4 + 4 + 2
            rule.zero_grad()
            cross_entropy(net.logits(parameters, data.images[rows]), data.labels[rows]).backward()
            rule.step()
    expected.append(parameters.detach())
    found = experts(data, NAME, RECIPE, 2)
    torch.testing.assert_close(found.trajectories[1], torch.stack(expected))
    assert not torch.equal(found.trajectories[0][0], found.trajectories[1][0])


def test_a_flat_trajectory_is_adaptive_gsam_with_a_gradient_for_each_parameter() -> None:
    """Against a loop over the parameters of a torch network, as in FTD's code."""
    data, net, seed = train(), network(NAME, (1, 2, 2), 2), derive(0, "expert", 0)
    recipe = FlatRecipe("expert", "", "sgd", 0.1, "none", epochs=3, batch=4, rho=0.5, alpha=0.3)
    flat = net.initialise(generator(seed, "initialisation"))
    weights = [part.clone().requires_grad_() for own in net.pieces(flat) for part in own]
    order, rule, expected = generator(seed, "order"), torch.optim.SGD(weights, lr=0.1), [flat.clone()]

    def gradients(rows: Tensor) -> list[Tensor]:
        logits = net.logits(torch.cat([part.flatten() for part in weights]), data.images[rows])
        return list(torch.autograd.grad(cross_entropy(logits, data.labels[rows]), weights))

    def norm(parts: Sequence[Tensor]) -> Tensor:
        return torch.cat([part.flatten() for part in parts]).square().sum().sqrt()

    for _ in range(3):
        for rows in torch.randperm(10, generator=order).split(4):
            old = gradients(rows)
            length = norm([weight.abs() * part for weight, part in zip(weights, old, strict=True)])
            ways = [0.5 / length * weight**2 * part for weight, part in zip(weights, old, strict=True)]
            with torch.no_grad():
                for weight, way in zip(weights, ways, strict=True):
                    weight += way
            new = gradients(rows)
            inner = sum(float((a * b).sum()) for a, b in zip(old, new, strict=True))
            cosine = inner / (norm(new) * norm(old))
            for weight, way, a, b in zip(weights, ways, old, new, strict=True):
                across = a - cosine * norm(old) * b / norm(new)
                weight.grad = (b - 0.3 * across).detach()
                with torch.no_grad():
                    weight -= way
            rule.step()
        expected.append(torch.cat([weight.detach().flatten() for weight in weights]))
    found = experts(data, NAME, recipe, 1).trajectories[0]
    torch.testing.assert_close(found, torch.stack(expected))
    assert not torch.allclose(found[-1], experts(data, NAME, RECIPE, 1).trajectories[0][-1], atol=1e-3)


def test_ends_are_those_of_the_trajectory_and_other_files(trainings: list[int]) -> None:
    whole, ends = experts(train(), NAME, RECIPE, 2), experts(train(), NAME, RECIPE, 2, ends_only=True)
    assert len(trainings) == 4
    for path, found in zip(whole.trajectories, ends.trajectories, strict=True):
        assert torch.equal(found, path[[0, -1]])


def test_each_is_trained_once_and_its_bits_and_seconds_come_back(
    tmp_path: Path, trainings: list[int]
) -> None:
    first = experts(train(), NAME, RECIPE, 3)
    again = experts(train(), NAME, RECIPE, 3)
    assert len(trainings) == 3 and same(first, again)
    assert first.seconds == 0 < again.seconds, "what this run spends is measured, and not told"
    more = experts(train(), NAME, RECIPE, 4)  # of which three are there
    assert len(trainings) == 4 and same(first, Experts(more.trajectories[:3], 0.0))
    assert len(files(tmp_path / "data")) == 4


def test_those_trained_at_once_are_those_trained_alone(
    tmp_path: Path, trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, of whose experts one more is asked for later."""
    recipe = replace(RECIPE, augment="flip-rotate")
    alone = experts(train(), NAME, recipe, 5)
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(trained, "networks_that_fit", lambda *_: 3)
    groups: list[int] = []

    def counted(*given: Any, seeds: Sequence[int]) -> list[Tensor]:
        groups.append(len(seeds))
        return fit_trajectories(*given, seeds=seeds)

    monkeypatch.setattr(trained, "fit_trajectories", counted)
    experts(train(), NAME, recipe, 4)
    together = experts(train(), NAME, recipe, 5)
    assert groups == [3, 1, 1] and len(trainings) == 5
    for ours, theirs in zip(together.trajectories, alone.trajectories, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_whatever_changes_them_has_files_of_its_own(trainings: list[int]) -> None:
    data = train()
    other = replace(data, images=data.images + 1)
    experts(data, NAME, RECIPE, 1)
    experts(other, NAME, RECIPE, 1)
    experts(replace(data, labels=1 - data.labels), NAME, RECIPE, 1)
    experts(data, "mlp-w5", RECIPE, 1)
    for changed in ({"lr": 0.2}, {"epochs": 4}, {"batch": 5}, {"augment": "flip-rotate"}):
        experts(data, NAME, replace(RECIPE, **changed), 1)
    torch.set_num_threads(2)
    experts(data, NAME, RECIPE, 1)
    assert len(trainings) == 9


def test_compiled_ones_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = network(NAME, (1, 2, 2), 2).size
    monkeypatch.setattr(trained, "fit_trajectories", lambda *_, seeds: [torch.zeros(4, size) for _ in seeds])
    experts(train(), NAME, RECIPE, 1)
    monkeypatch.setattr(classification, "MIN_COMPILED_STEPS", 1)
    experts(train(), NAME, RECIPE, 1)
    assert len(files(tmp_path / "data")) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "facts", "gone", "checksum"])
def test_a_damaged_one_is_trained_again(damage: str, tmp_path: Path, trainings: list[int]) -> None:
    kept = experts(train(), NAME, RECIPE, 2)
    first = Experts(tuple(path.clone() for path in kept.trajectories), 0.0)
    path, facts = files(tmp_path / "data")[0], files(tmp_path / "data", "json")[0]
    content = bytearray(path.read_bytes())
    path.unlink()  # it is mapped: write a new file instead of tearing that one
    if damage == "cut":
        path.write_bytes(content[:-4])
    elif damage == "flipped":
        content[-30] ^= 1
        path.write_bytes(content)
    elif damage != "gone":
        path.write_bytes(content)
        text = facts.read_text()
        facts.write_text("{" if damage == "facts" else text.replace('"sha256": "', '"sha256": "0'))
    with pytest.warns(UserWarning, match="is damaged and built again"):
        assert same(first, experts(train(), NAME, RECIPE, 2))
    assert len(trainings) == 3
    assert same(first, experts(train(), NAME, RECIPE, 2)) and len(trainings) == 3


def test_the_checksum_is_of_every_byte(tmp_path: Path, trainings: list[int]) -> None:
    name, recipe = "mlp-w256", replace(RECIPE, epochs=31, batch=10)
    first = experts(train(), name, recipe, 1).trajectories[0].clone()
    (path,) = files(tmp_path / "data")
    content = bytearray(path.read_bytes())
    assert len(content) > 8 * 2**20
    content[100 * (len(content) // 256) + (24 << 10)] ^= 1
    path.unlink()  # it is mapped: write a new file instead of tearing that one
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="its bytes have changed since they were written"):
        assert torch.equal(first, experts(train(), name, recipe, 1).trajectories[0])
    assert len(trainings) == 2


def test_without_a_folder_they_are_trained_in_memory_and_the_same(
    tmp_path: Path, trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = experts(train(), NAME, RECIPE, 2)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="can be written"):
        assert same(first, experts(train(), NAME, RECIPE, 2))
    assert len(trainings) == 4


def _sums(found: Experts) -> list[float]:
    return [path.double().sum().item() for path in found.trajectories]


def _asks(folder: str, barrier: Any, done: Any) -> None:
    """Train experts in a process of its own, and say how many."""
    os.environ["RATBENCH_DATA"] = folder
    torch.set_num_threads(1)
    fitted: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "fit_trajectories", _watched(fitted))
        barrier.wait()
        found = experts(train(400), NAME, RECIPE, 6)
    done.put((len(fitted), _sums(found)))


def test_two_processes_share_the_work(
    tmp_path: Path, trainings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, done = context.Barrier(2), context.Queue()
    worker = context.Process(target=_asks, args=(str(tmp_path), barrier, done))
    worker.start()
    barrier.wait()
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    found = experts(train(400), NAME, RECIPE, 6)
    theirs, expected = done.get(timeout=120)
    worker.join()
    assert theirs + len(trainings) == 6 and _sums(found) == expected
    assert len(files(tmp_path)) == 6 and not list((tmp_path / ".ratbench").glob(".partial-*"))


def test_recognised_images_by_hand() -> None:
    # One pixel x, logits (w0 x, w1 x): the first expert says class 0 of x > 0 and class 1 of x < 0, the
    # second the other way round with twice the confidence.
    net = replace(network("mlp-w4", (1, 1, 1), 2), layers=(LINEAR,))
    paths = torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]]])
    known = Experts(tuple(paths), 0.0)
    images = torch.tensor([5.0, -3.0, -7.0, 4.0]).reshape(4, 1, 1, 1)
    data = Examples(images, torch.tensor([0, 0, 1, 1]), 2)
    found, said = correctly_classified(known, net, data, 1, seed=0)
    assert found.flatten().tolist() == [5, -7]
    # Of both the first expert alone is right: (5, 0) and (-7, 0).
    assert said.tolist() == [[[5, 0]], [[-7, 0]]]
    both, all_said = correctly_classified(known, net, data, 2, seed=0)
    assert both.flatten().tolist() == [5, -3, -7, 4]
    # Of -3 and 4 the second alone is right: (0, -6) and (0, 8).
    assert all_said.tolist() == [[[5, 0], [0, -6]], [[-7, 0], [0, 8]]]
    alone = Experts(known.trajectories[:1], 0.0)
    _, wrong = correctly_classified(alone, net, data, 2, seed=0)
    assert wrong[0, 1].tolist() == [-3, 0]  # misclassified, but there is no other
