"""Trajectory matching as one autograd graph over all synthetic steps, and float64 runs to compare with it."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.distilling.experts import Experts
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training.augment import augmentation

NAME = "convnet-d1-w4-in"
MTT = import_module("suite.plugins.methods.mtt")


def experts_are(monkeypatch: pytest.MonkeyPatch, *paths: Tensor, seconds: float = 0.0) -> None:
    """Let these be the experts of every method that matches trajectories."""
    monkeypatch.setattr(MTT, "experts", lambda *_: Experts(paths, seconds))


def double() -> Examples:
    images = torch.randn(12, 1, 4, 4, generator=generator(1), dtype=torch.float64)
    return Examples(images, torch.arange(12) % 3, 3)


def started(method: Any, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    """Start on float64 images with experts of three epochs, at rates that show the gradient."""
    net = network(NAME, (1, 4, 4), 3)
    starts = torch.stack([net.initialise(generator(seed)) for seed in (5, 6)]).double()
    ways = torch.randn(2, 4, net.size, generator=generator(7), dtype=torch.float64) * 0.1
    experts_are(monkeypatch, *(starts[:, None] + ways.cumsum(1)))
    settings: dict[str, Any] = {"steps": 9}
    settings |= {"syn_steps": 6, "expert_epochs": 2, "max_start_epoch": 2, "experts": 2, "trained_epochs": 3}
    settings |= {"student_lr": 0.3, "image_lr": 1.0, "lr_lr": 1.0, "network": NAME}
    return method(**{**settings, **changes}).start(double(), Budget(2), seed=0)


def plain(run: Any, *, targets: str = "hard") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the loss and its gradients for images, labels and rate, of the first step of a run.

    targets: "hard", "teacher" for what the expert says, or "learned" for the softmax of the labels.
    """
    method, augment = run.method, augmentation(run.method.augment)
    draws = {name: generator(0, name) for name in ("experts", "minibatches", "augmentation")}
    expert = run.experts.trajectories[int(torch.randint(2, (), generator=draws["experts"]))]
    epoch = int(torch.randint(method.max_start_epoch, (), generator=draws["experts"]))
    target = expert[epoch + method.expert_epochs]
    images, labels = run.images.clone().requires_grad_(), run.labels.clone().requires_grad_()
    lr, student = run.student_lr.clone().requires_grad_(), expert[epoch].clone().requires_grad_()
    wanted = labels.softmax(-1) if targets == "learned" else labels
    if targets == "teacher":
        said = run.network.logits(target, images.detach().flatten(0, 1))
        wanted = said.softmax(1).view(labels.shape) + 0 * labels
    rows: list[Tensor] = []
    while len(rows) < method.syn_steps:
        rows += torch.randperm(6, generator=draws["minibatches"]).split(method.batch or 6)
    for batch in rows[: method.syn_steps]:
        drawn = augment.sample(len(batch), draws["augmentation"])
        seen = augment.apply(images.flatten(0, 1)[batch], drawn)
        inner = cross_entropy(run.network.logits(student, seen), wanted.flatten(0, 1)[batch])
        student = student - lr * torch.autograd.grad(inner, student, create_graph=True)[0]
    loss = (student - target).pow(2).sum() / (expert[epoch] - target).pow(2).sum()
    return loss.detach(), *torch.autograd.grad(loss, [images, labels, lr])


def same(found: Tensor, expected: Tensor) -> None:
    """Expect two tensors to be equal but for rounding in float64."""
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-13)


def steps_as_plain_matching(run: Any, *, targets: str) -> None:
    """Expect the first step of a run without momentum to move images and rate by the plain gradients."""
    loss, to_images, to_labels, to_lr = plain(run, targets=targets)
    images, labels, lr = run.images.clone(), run.labels.clone(), run.student_lr.clone()
    metrics = run.step()
    same(metrics["outer_loss"], loss)
    same(images - run.images, to_images)
    same(lr - run.student_lr, to_lr)
    assert to_images.abs().max() > 1e-6 and to_lr.abs() > 1e-6
    if targets == "learned":
        same(labels - run.labels, to_labels)
        assert to_labels.abs().max() > 1e-6


def resumes_exactly(method: Any, train: Examples) -> None:
    """Expect a run of three steps to end in the same set when it is resumed after the first."""

    def run(seed: int) -> Any:
        return method.start(train, Budget(2), seed=seed)

    whole, half, resumed = run(0), run(0), run(3)
    for _ in range(3):
        whole.step()
    half.step()
    resumed.load_state_dict(half.state_dict())
    resumed.step(), resumed.step()
    one, other = whole.synthetic(), resumed.synthetic()
    assert torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
    assert one.lr == other.lr
