"""SRe2L: a step against a plain loop with torch's modules, and the authors' settings."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import vector_to_parameters

from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins.methods.sre2l import METHOD, SRe2L
from suite.plugins.registry import native_recipe, published, source_of_settings
from tests.support.plain_training import convnet
from tests.support.small_data import few_digits

TINY: dict[str, Any] = {"epochs": 2, "network": "convnet-d2-w4-in", "steps": 5}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))


def train() -> Examples:
    return few_digits(8)


def started(ipc: int, seed: int, **settings: Any) -> Any:
    return SRe2L(**settings).start(train(), Budget(ipc), seed=seed)


class Hook:
    """Keeps the distance of a batch norm's input from its running statistics, as in the authors' code."""

    def __init__(self, module: nn.BatchNorm2d) -> None:
        self.found = torch.zeros(())
        module.register_forward_hook(self)

    def __call__(self, module: Any, given: Any, _: Any) -> None:
        x = given[0]
        mean, var = x.mean([0, 2, 3]), x.transpose(0, 1).reshape(x.shape[1], -1).var(1, unbiased=False)
        self.found = torch.norm(module.running_var - var, 2) + torch.norm(module.running_mean - mean, 2)


def test_steps_are_those_of_a_plain_loop() -> None:
    """One image of each class, jitter by a roll, Adam, the first batch norm ten times the others."""
    run = started(1, 3, **TINY, match_weight=0.05)
    teacher = convnet((1, 8, 8), 10, 2, 4, "bn").eval()
    norms = [module for module in teacher.modules() if isinstance(module, nn.BatchNorm2d)]
    running = [buffer for norm in norms for buffer in norm.buffers() if buffer.dim()]
    vector_to_parameters(run.known.teachers[0].parameters, [*teacher.parameters(), *running])
    for value in teacher.parameters():
        value.requires_grad_(False)
    hooks = [Hook(norm) for norm in norms]
    images = run.images.detach().clone()[:, 0].requires_grad_()
    rule, rng = torch.optim.Adam([images], lr=0.25, betas=(0.5, 0.9)), generator(3, "views")
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(rule, 5)
    low, high = train().images.amin(), train().images.amax()
    for _ in range(5):
        down, right = torch.randint(5, (2,), generator=rng).tolist()
        logits = teacher(torch.roll(images, (down, right), (2, 3)))
        loss = cross_entropy(logits, torch.arange(10)) + 0.05 * (10 * hooks[0].found + hooks[1].found)
        rule.zero_grad()
        loss.backward()
        rule.step()
        schedule.step()
        with torch.no_grad():
            images.clamp_(low, high)
        assert float(run.step()["outer_loss"]) == pytest.approx(loss.item(), rel=1e-4)
    torch.testing.assert_close(run.images[:, 0], images, atol=1e-3, rtol=1e-3)


def test_the_teacher_recognises_what_is_recovered() -> None:
    run = started(1, 0, **{**TINY, "steps": 60, "epochs": 60})
    (net,), (teacher,) = run.known.networks, run.known.teachers
    losses = [float(run.step()["outer_loss"]) for _ in range(run.steps)]
    made = run.synthetic().images[:, 0]
    with torch.no_grad():
        found = cross_entropy(net.logits(teacher.parameters, made), torch.arange(10))
    assert losses[-1] < losses[0] / 2 and found < losses[0] / 2


def test_a_batch_has_one_crop() -> None:
    """As torchvision's transforms of a batch: its images are cropped alike."""
    run = started(1, 0, **TINY, augment="resize+flip")
    params = run.views.sample(1, run.rng)
    same = train().images[:1].expand(4, -1, -1, -1)
    seen = run.views.apply(same, params)
    assert len(params.uniform) == 1 and torch.equal(seen, seen[:1].expand(4, -1, -1, -1))
    assert not torch.equal(seen, run.views.apply(same, run.views.sample(1, run.rng)))


def test_the_authors_settings() -> None:
    method = METHOD()
    assert (method.steps, method.image_lr, method.match_weight, method.first_weight) == (1000, 0.25, 0.01, 10)
    assert (method.jitter, method.batch, method.augment, method.epochs) == (4, 100, "none", 200)
    for ipc in (1, 10, 50):
        assert published(METHOD, "cifar100", ipc) == {} and not source_of_settings(METHOD, "cifar100", ipc)
        tiny = METHOD(**published(METHOD, "tiny-imagenet", ipc))
        assert (tiny.steps, tiny.image_lr, tiny.match_weight, tiny.epochs) == (4000, 0.1, 1.0, 50)
        large = METHOD(**published(METHOD, "imagenet-1k", ipc))
        assert (large.steps, large.image_lr, large.jitter, large.augment) == (4000, 0.25, 32, "resize+flip")
    assert native_recipe(METHOD, "cifar100", 10) == "sre2l-cifar-400"
    assert native_recipe(METHOD, "tiny-imagenet", 50) == "sre2l-tiny-100"
    assert native_recipe(METHOD, "imagenet-1k", 50) == "sre2l-300"
