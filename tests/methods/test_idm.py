"""IDM: its loss by hand, the queue of networks, the weight of an accuracy, and the authors' settings."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn.functional import avg_pool2d, cross_entropy

from suite.core.distilling.initial_images import initial_images
from suite.core.networks.layers import Layer
from suite.core.networks.named import Network, Shape
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins.registry import published
from tests.support.small_data import few_digits

METHOD = import_module("suite.plugins.methods.idm").METHOD
QUICK: dict[str, Any] = {
    "steps": 20,
    "real_batch": 4,
    "networks": 5,
    "push_every": 2,
    "trained": 2,
    "train_steps": 2,
    "train_batch": 16,
    "network": "convnet-d1-w4-in",
}


def started(**changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(few_digits(12), Budget(1), seed=0)


def pixels(name: str, shape: Shape, classes: int) -> Network:
    """Return a network whose embedding is the image, and whose logits are its pixels times one number."""
    classifier = Layer(lambda own, x: x * own[0], ((1,),))
    return Network(name, shape, classes, (Layer(lambda _, x: x.flatten(1)), classifier))


def test_the_loss_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Real means (1, 2) and (0, 4), synthetic ones (2, 0) and (0, 1): 5 + 9. Logits are the pixels times 2, so
    # the two images of class 0 lose log(1 + e^-2) and log(1 + e^-6), those of class 1 log(1 + e^-2).
    monkeypatch.setattr("suite.core.distilling.by_class.formations.network", pixels)
    real = torch.tensor([[1.0, 2.0], [0.0, 4.0]]).repeat(4, 1).reshape(8, 1, 1, 2)
    method = METHOD(factor=1, augment="none", real_batch=4, steps=1)
    run = method.start(Examples(real, torch.arange(8) % 2, 2), Budget(2), seed=0)
    made = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]).reshape(2, 2, 1, 1, 2)
    seen = real.reshape(4, 2, 1, 1, 2).transpose(0, 1)
    softplus = torch.tensor([-2.0, -6.0, -2.0]).exp().log1p()
    entropy = float(softplus[:2].mean() + softplus[2])
    for weight in (0.0, 30.0):
        found = run.gap(made, seen, torch.tensor([2.0]), torch.tensor(weight))
        assert float(found) == pytest.approx(14 + weight * entropy, rel=1e-5)


def test_the_weight_is_the_accuracy_in_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    run, weights = started(ce_weight=0.5), list[float]()
    run.right.fill_(3)
    run.seen.fill_(4)
    plain = run.gap

    def watched(*given: Any) -> torch.Tensor:
        weights.append(float(given[-1]))
        found: torch.Tensor = plain(*given)
        return found

    object.__setattr__(run.loss, "function", watched)
    run.step_count = 1  # no network joins
    assert float(run.step()["network_accuracy"]) == 0.75 and weights == [0.5 * 75]


def test_what_networks_learn_is_counted_and_forgotten_at_intervals() -> None:
    run = started(accuracy_steps=2, train_steps=3)
    for total in (2 * 3 * 16, 2 * 2 * 3 * 16, 2 * 3 * 16):  # forgotten before the third step
        run.step()
        assert float(run.seen.sum()) == total
    assert (run.right <= run.seen).all() and run.right.sum() > 0


def test_a_network_trains_by_sgd_on_real_images_without_augmentation() -> None:
    run, data = started(), few_digits(12)
    row, rows = 1, [torch.arange(0, 16), torch.arange(16, 32)]
    leaf = run.states[row, 0].clone().requires_grad_()
    rule = torch.optim.SGD([leaf], lr=0.01, momentum=0.9, weight_decay=5e-4)
    right = 0
    for own in rows:
        logits = run.network.logits(leaf, data.images[own])
        right += int((logits.argmax(1) == data.labels[own]).sum())
        rule.zero_grad()
        cross_entropy(logits, data.labels[own]).backward()
        rule.step()
    run._train(row, rows)
    torch.testing.assert_close(run.states[row, 0], leaf.detach())
    assert (float(run.right[row]), float(run.seen[row])) == (right, 32)


def test_the_queue_begins_with_three_and_loses_its_oldest() -> None:
    run = started()
    joined = [run.states[row, 0].clone() for row in range(3)]
    rng = generator(0, "networks")
    assert all(torch.equal(own, run.network.initialise(rng)) for own in joined)
    assert run.states.shape[0] == 5 and not run.states[3:].any()
    for step in range(8):
        run.step()  # networks join in steps 0, 2, 4 and 6: numbers 3, 4, 5 in row 0, and 6 in row 1
        assert run.pushed == 3 + step // 2 + 1
    later = [run.network.initialise(rng) for _ in range(4)]
    near = torch.cdist(run.states[:, 0], torch.stack([*joined, *later])).argmin(1)
    assert near.tolist() == [5, 6, 2, 3, 4]


def test_a_network_that_joins_stands_in_the_oldest_ones_place() -> None:
    run = started(networks=4, trained=4)
    fresh = torch.arange(run.network.size, dtype=torch.float32)
    for number in range(3, 10):
        before = run.states.clone()
        run.right.fill_(1)
        run.seen.fill_(2)
        run._push(fresh + number)
        (changed,) = (run.states != before).flatten(1).any(1).nonzero()[:, 0].tolist()
        assert changed == number % 4  # of the networks number - 4 … number - 1 the first
        assert torch.equal(run.states[changed, 0], fresh + number) and not run.states[changed, 1].any()
        assert (run.right[changed], run.seen[changed]) == (0, 0) and run.seen.sum() == 2 * 3


def test_only_networks_of_the_queue_match_and_train() -> None:
    run = started(push_every=20, trained=9)
    run.step()  # the fourth joins
    assert [bool(own) for own in run.seen] == [True] * 4
    assert run.states.shape[0] == 4  # no more will join in 20 steps


def test_quarters_start_as_means_of_four_pixels() -> None:
    real = initial_images(few_digits(12), 4, "real", seed=0)
    stored = started().synthetic().parametrisation.formations[:, 0]
    quarters = stored.unfold(2, 4, 4).unfold(3, 4, 4)  # (10, 1, 2, 2, 4, 4)
    for place in range(4):
        row, column = divmod(place, 2)
        torch.testing.assert_close(quarters[:, :, row, column], avg_pool2d(real[:, place], 2))


def test_pixels_move_at_the_same_rate_at_all_sizes() -> None:
    assert METHOD().rate(1) == METHOD().rate(50) == 0.2


def test_the_authors_settings() -> None:
    default = METHOD()
    assert (default.steps, default.image_lr, default.real_batch, default.factor) == (20_000, 0.2, 256, 2)
    assert (default.networks, default.push_every, default.trained, default.train_steps) == (100, 30, 2, 10)
    assert (default.augment, default.recipe, default.train_batch) == ("dsa", "dsa-1000", 256)
    for task in ("cifar10", "cifar100"):
        assert published(METHOD, task, 1) == {
            "ce_weight": 0.5,
            "accuracy_steps": 100,
            "real_batch": 5000,
            "push_every": 5,
        }
    assert published(METHOD, "cifar10", 50) == {"ce_weight": 0.1, "accuracy_steps": 500}
    assert published(METHOD, "cifar100", 10)["train_steps"] == 50


def test_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="push_every 0 must be at least 1"):
        METHOD(push_every=0)
    with pytest.raises(ValueError, match=r"ce_weight -1.0 must not be negative"):
        METHOD(ce_weight=-1.0)
