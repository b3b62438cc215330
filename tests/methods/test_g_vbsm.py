"""G-VBSM: a step against a plain loop with hooks, the eigenvalues' loss by hand, and its teachers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div
from torch.nn.utils import vector_to_parameters

from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.core.training.augmentation.operations import OPERATIONS
from suite.plugins.methods.g_vbsm import GVBSM, METHOD, density
from suite.plugins.registry import native_recipe, published
from tests.support.plain_training import convnet
from tests.support.small_data import few_digits

TINY: dict[str, Any] = {"epochs": 1, "network": "convnet-d2-w4-in", "steps": 4}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))


def train() -> Examples:
    return few_digits(8)


def started(ipc: int, seed: int, **settings: Any) -> Any:
    return GVBSM(**settings).start(train(), Budget(ipc), seed=seed)


class Hook:
    """Keeps the norms of the differences that the authors' code sums, with its running averages from zero."""

    def __init__(self, module: nn.Module, wanted: list[Tensor]) -> None:
        self.wanted, self.found = wanted, torch.zeros(())
        self.averages = [torch.zeros_like(value) for value in wanted]
        module.register_forward_hook(self)

    def __call__(self, module: nn.Module, given: Any, _: Any) -> None:
        x = given[0]
        values = [x.mean([0, 2, 3]), x.transpose(0, 1).reshape(x.shape[1], -1).var(1, unbiased=False)]
        if isinstance(module, nn.Conv2d):
            patches = nn.functional.unfold(x.flatten(0, 1)[:, None], 4, stride=4)  # (n * c, 16, patches)
            values += [patches.mean((0, 1)), patches.transpose(0, 2).flatten(1).var(1, unbiased=False)]
        self.averages = [
            0.8 * old + 0.2 * new.detach() for old, new in zip(self.averages, values, strict=True)
        ]
        matched = [old + new - new.detach() for old, new in zip(self.averages, values, strict=True)]
        self.found = sum(
            (torch.norm(a - b) for a, b in zip(self.wanted, matched, strict=True)), torch.zeros(())
        )


def test_steps_are_those_of_a_plain_loop() -> None:
    """Two teachers in turn, each with its averages; the first convolution counts ten times."""
    names = ("convnet-d2-w4-bn", "convnet-d1-w6-bn")
    run = started(2, 3, **TINY, teachers=names, dropped=0.0)
    teachers, hooks = list[nn.Module](), list[list[Hook]]()
    for known, seen, (depth, width) in zip(
        run.known.teachers, run.seen.by_teacher, ((2, 4), (1, 6)), strict=True
    ):
        own = convnet((1, 8, 8), 10, depth, width, "bn").eval()
        norms = [module for module in own.modules() if isinstance(module, nn.BatchNorm2d)]
        running = [buffer for norm in norms for buffer in norm.buffers() if buffer.dim()]
        vector_to_parameters(known.parameters, [*own.parameters(), *running])
        for value in own.parameters():
            value.requires_grad_(False)
        layers = [each for each in own.modules() if isinstance(each, nn.Conv2d | nn.BatchNorm2d)]
        parts = iter(seen.flat.split([size for sizes in seen.sizes for size in sizes]))
        wanted = [[next(parts) for _ in sizes] for sizes in seen.sizes]
        for layer, values in zip(layers, wanted, strict=True):
            if isinstance(layer, nn.BatchNorm2d):
                torch.testing.assert_close(values, [layer.running_mean, layer.running_var])
        hooks.append([Hook(*pair) for pair in zip(layers, wanted, strict=True)])
        teachers.append(own)
    images = run.images.detach().clone().flatten(0, 1).requires_grad_()
    rule, rng = torch.optim.Adam([images], lr=0.05, betas=(0.5, 0.9)), generator(3, "views")
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(rule, 4)
    low, high, labels = train().images.amin(), train().images.amax(), torch.arange(10).repeat_interleave(2)
    for step in range(4):
        torch.randint(1, (), generator=rng)  # the one operation that there is: digits are not flipped
        uniform = torch.rand(1, 3, generator=rng).expand(20, -1)
        roll = torch.randint(33, (2,), generator=rng).tolist()
        seen = OPERATIONS["crop"](images, uniform).roll(roll, (2, 3))
        logits, (first, *others) = teachers[step % 2](seen), hooks[step % 2]
        gaps = 10 * first.found + sum(hook.found for hook in others)
        even = torch.zeros(())
        for pair in seen.flatten(1).split(2):
            values = torch.linalg.eigvals(pair @ pair.t()).real
            even = even + kl_div(values.log_softmax(0), (values / 4).softmax(0).detach(), reduction="sum")
        loss = cross_entropy(logits, labels) + 0.01 * gaps + even
        rule.zero_grad()
        loss.backward()
        rule.step()
        schedule.step()
        with torch.no_grad():
            images.clamp_(low, high)
        assert float(run.step()["outer_loss"]) == pytest.approx(loss.item(), rel=1e-3)
    torch.testing.assert_close(run.images.flatten(0, 1), images, atol=2e-3, rtol=1e-2)


def test_the_eigenvalues_loss_by_hand() -> None:
    """Images (1, 0) and (0, 2) have eigenvalues 1 and 4; equal ones have no loss; one alone has none."""
    images = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).view(2, 1, 1, 2)
    values = torch.tensor([1.0, 4.0])
    aim, own = (values / 2).softmax(0), values.softmax(0)
    assert float(density(images, [2], 2.0)) == pytest.approx(float((aim * (aim / own).log()).sum()))
    assert float(density(images, [1, 1], 2.0)) == 0
    even = torch.eye(2).view(2, 1, 1, 2)
    assert float(density(even, [2], 2.0)) == pytest.approx(0, abs=1e-6)


def test_convolutions_are_left_out_and_batch_norms_are_not() -> None:
    run = started(1, 0, **TINY, teachers=("convnet-d2-w4-bn",), dropped=0.5)
    known = run.seen.by_teacher[0]
    assert [len(sizes) for sizes in known.sizes] == [4, 2, 4, 2]
    drawn = [run._left_out(known) for _ in range(400)]
    assert {number for out in drawn for number in out} == {0, 2}
    assert 350 < sum(map(len, drawn)) < 450
    kept = started(1, 0, **TINY, teachers=("convnet-d2-w4-bn",), dropped=0.0)
    assert kept._left_out(known) == set()


def test_a_layer_that_is_left_out_keeps_its_averages() -> None:
    run = started(1, 0, **TINY, teachers=("convnet-d2-w4-bn",), dropped=0.99)
    run.step()
    first, *_ = (sum(sizes) for sizes in run.seen.by_teacher[0].sizes)
    averages = run.averages[0, 0]
    assert (averages[:first] == 0).all() and (averages[first : first + 8] != 0).any()


def test_four_families_teach_as_far_as_images_allow() -> None:
    cifar = Examples(torch.zeros(2, 3, 32, 32), torch.arange(2), 2)
    others = ["resnet18-w64-bn", "vgg11-w64-bn", "alexnet-w128-bn"]
    assert GVBSM().teacher_names(cifar) == ["convnet-d3-w128-in", *others]
    small = GVBSM(network="convnet-d2-w5-in").teacher_names(train())
    assert small == ["convnet-d2-w5-in", "resnet18-w2-bn", "alexnet-w4-bn"]  # VGG-11 halves five times
    given = GVBSM(teachers=("", "resnet18-w3-bn"), network="convnet-d2-w5-in")
    assert given.teacher_names(train()) == ["convnet-d2-w5-in", "resnet18-w3-bn"]


def test_a_teacher_without_batch_norm_is_matched_by_its_convolutions() -> None:
    """As the authors' ConvNet, which has instance norm."""
    run = started(1, 0, **TINY, teachers=("",), dropped=0.0)
    assert [len(sizes) for sizes in run.seen.by_teacher[0].sizes] == [4, 4]
    before = run.images.clone()
    assert float(run.step()["outer_loss"]) > 0 and not torch.equal(run.images, before)


def test_what_teachers_see_is_measured_once() -> None:
    first = started(1, 0, **TINY)
    second = started(1, 1, **TINY)
    assert second.cached_seconds > 0
    pairs = zip(first.seen.by_teacher, second.seen.by_teacher, strict=True)
    assert all(torch.equal(a.flat, b.flat) for a, b in pairs)
    assert len(first.synthetic().teachers) == 3


def test_the_authors_settings() -> None:
    method = METHOD()
    assert (method.steps, method.image_lr, method.match_weight, method.jitter) == (4000, 0.05, 0.01, 32)
    assert (method.averaging, method.dropped, method.density_weight, method.temperature) == (0.8, 0.4, 1, 4)
    assert method.epochs == 5 and METHOD(**published(METHOD, "cifar100", 10)).epochs == 50
    large = METHOD(**published(METHOD, "imagenet-1k", 10))
    assert (large.image_lr, large.batch, large.averaging, large.dropped) == (0.1, 80, 0.4, 0)
    assert native_recipe(METHOD, "cifar100", 10) == "g-vbsm-cifar100-1000"
    assert native_recipe(METHOD, "cifar10", 10) == "g-vbsm-1000"


def test_wrong_settings_are_refused() -> None:
    for changes, message in (
        ({"dropped": 1.0}, "dropped 1.0 must be less than 1"),
        ({"averaging": -0.1}, "averaging -0.1 must not be negative"),
        ({"augment": "cutmix"}, "mixes images and labels"),
    ):
        with pytest.raises(ValueError, match=message):
            GVBSM(**changes)
    with pytest.raises(ValueError, match=r"'mlp-w8' has no convolutions, .* such as 'convnet-d3-w128-bn'"):
        GVBSM(teachers=("", "mlp-w8"), network="convnet-d2-w5-in").check(train(), Budget(1))
