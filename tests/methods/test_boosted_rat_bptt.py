"""Boosted RaT-BPTT: its outer steps against plain PyTorch, growing sets, frozen prefixes, resuming."""

import io
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.core.training.augment import AugmentParams, OneOf
from tests.support.plain_meta_learning import NAME, PlainClip, PlainMetaLearning, double
from tests.support.small_data import few_digits

METHOD = import_module("suite.plugins.methods.boosted_rat_bptt").METHOD
PLAIN_METHOD = import_module("suite.plugins.methods.rat_bptt").METHOD
QUICK: dict[str, Any] = {
    "unroll": 3,
    "window": 2,
    "real_batch": 16,
    "network": "convnet-d1-w4-in",
    "outer_lr": 0.1,
}


def train() -> Examples:
    return few_digits(10)


def started(ipc: int = 3, steps: int = 6, seed: int = 0, **changes: Any) -> Any:
    method = METHOD(**{**QUICK, "steps": steps, "block": (1, 2), **changes})
    return method.start(train(), Budget(ipc), seed=seed)


def taken(run: Any, steps: int) -> SyntheticSet:
    for _ in range(steps):
        run.step()
    made: SyntheticSet = run.synthetic()
    return made


def same(one: SyntheticSet, other: SyntheticSet) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


class PlainBlock:
    """A block of images and labels with an optimiser of its own."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images.clone(), labels.clone()
        self.restart()

    def restart(self) -> None:
        self.optimiser = torch.optim.Adam([self.images, self.labels])

    def step(self, of_images: Tensor, of_labels: Tensor | None, lr: float) -> None:
        self.images.grad, self.labels.grad = of_images, of_labels
        self.optimiser.param_groups[0]["lr"] = lr
        self.optimiser.step()
        self.labels.clamp_(min=0)


def plain_stages(method: Any, data: Examples, whole: SyntheticSet) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return the loss of each outer step, and the images and labels after it; whole: all blocks, at first."""
    gradients_of, found = PlainMetaLearning(method, data), []
    parts = zip(whole.images.split(method.block, 1), whole.labels.split(method.block, 1), strict=True)
    waiting, blocks = [PlainBlock(*part) for part in parts], list[PlainBlock]()
    for steps in method.stage_steps:
        blocks.append(waiting.pop(0))
        clip = PlainClip(method.clip)  # a set of another size has other norms
        if not method.keep_moments:
            for block in blocks:
                block.restart()
        for _ in range(steps):
            images = torch.cat([block.images for block in blocks], 1)
            labels = torch.cat([block.labels for block in blocks], 1)
            loss, (of_images, of_labels) = gradients_of(images, labels)
            learning = blocks if method.beta else blocks[-1:]
            first = images.shape[1] - sum(block.images.shape[1] for block in learning)
            of_images = clip(of_images[:, first:])  # of what learns
            sizes = [block.images.shape[1] for block in learning]
            moves = zip(of_images.split(sizes, 1), of_labels[:, first:].split(sizes, 1), strict=True)
            for block, (move, of_label) in zip(learning, moves, strict=True):
                share = 1.0 if block is blocks[-1] else method.beta
                block.step(move, of_label if method.learn_labels else None, share * method.outer_lr)
            images = torch.cat([block.images for block in blocks], 1)
            found.append((loss, images, torch.cat([block.labels for block in blocks], 1)))
    return found


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("keep_moments", [True, False])
@pytest.mark.parametrize("changes", [{}, {"learn_labels": True, "per_class": 2, "networks": 2}], ids=str)
def test_outer_steps_are_those_of_plain_pytorch(
    beta: float, keep_moments: bool, changes: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {
        "unroll": 4,
        "window": 2,
        "real_batch": 12,
        "network": NAME,
        "inner_lr": 0.05,
        "outer_lr": 0.2,
        "clip": 0.7,
        "block": (1, 2, 1),
        "steps": 8,
        "stage_steps": (3, 3, 2),
        "initial": "real",
    }
    method = METHOD(**settings | changes, beta=beta, keep_moments=keep_moments)
    whole = PLAIN_METHOD(network=NAME, initial="real").start(double(), Budget(4), seed=0).synthetic()
    run = method.start(double(), Budget(4), seed=0)
    for loss, images, labels in plain_stages(method, double(), whole):
        metrics, made = run.step(), run.synthetic()
        torch.testing.assert_close(metrics["outer_loss"], loss, rtol=1e-8, atol=0)
        torch.testing.assert_close(made.images, images, rtol=1e-7, atol=1e-7)
        torch.testing.assert_close(made.labels, labels, rtol=1e-7, atol=1e-7)
        assert metrics["images_per_class"] == images.shape[1]


def test_a_set_grows_by_its_blocks() -> None:
    run = started()
    assert [run.synthetic().ipc, *(taken(run, 1).ipc for _ in range(6))] == [1, 1, 1, 1, 3, 3, 3]
    assert run.milestones == (3,)


@pytest.mark.parametrize("learn_labels", [False, True])
def test_prefixes_of_a_strongly_boosted_set_are_the_earlier_stages(learn_labels: bool) -> None:
    run = started(ipc=4, steps=9, block=(1, 1, 2), learn_labels=learn_labels)
    stages = [taken(run, 3) for _ in range(3)]
    assert [made.ipc for made in stages] == [1, 2, 4]
    assert all(same(stages[-1].prefix(made.ipc), made) for made in stages)
    assert stages[-1].hard != learn_labels


@pytest.mark.parametrize("initial", ["unit-noise", "real"])
def test_the_first_stage_is_rat_bptt_at_its_size(initial: str) -> None:
    plain = PLAIN_METHOD(**QUICK, steps=3, learn_labels=True, initial=initial)
    alone = taken(plain.start(train(), Budget(2), seed=0), 3)
    run = started(block=(2, 1), learn_labels=True, initial=initial, beta=0.1)
    assert same(taken(run, 3), alone)
    assert not same(taken(run, 1).prefix(2), alone)


@pytest.mark.parametrize("initial", ["unit-noise", "real"])
def test_blocks_start_from_noise_of_unit_norm_or_from_different_real_images(initial: str) -> None:
    # Rates this small leave the images where they start.
    made = taken(started(steps=2, outer_lr=1e-12, initial=initial), 2)
    images = made.images.flatten(2)
    assert not any(torch.equal(images[:, i], images[:, j]) for i in range(3) for j in range(i))
    if initial == "unit-noise":
        assert torch.allclose(images.norm(dim=2), torch.ones(10, 3))
    else:
        known = train().images.flatten(1)
        assert all(bool(torch.isclose(known, one).all(1).any()) for one in images.flatten(0, 1))


def test_all_blocks_so_far_train_the_inner_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    apply = OneOf.apply

    def watched(self: OneOf, images: Tensor, params: AugmentParams) -> Tensor:
        counts.append(len(images))
        return apply(self, images, params)

    monkeypatch.setattr(OneOf, "apply", watched)
    run = started(steps=2, window=3)
    for size in (10, 30):
        counts.clear()
        run.step()
        assert counts[1:] == [size] * 6  # after the real batch: three inner steps, and those back


def test_a_minibatch_larger_than_a_stage_takes_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    apply = OneOf.apply

    def watched(self: OneOf, images: Tensor, params: AugmentParams) -> Tensor:
        counts.append(len(images))
        return apply(self, images, params)

    monkeypatch.setattr(OneOf, "apply", watched)
    run = started(ipc=4, steps=3, block=(1, 1, 2), per_class=3)
    for size in (10, 20, 30):
        counts.clear()
        run.step()
        assert set(counts[1:]) == {size}


@pytest.mark.parametrize("after", range(1, 6))
def test_it_resumes_anywhere_with_the_same_bits(after: int) -> None:
    settings: dict[str, Any] = {
        "beta": 0.1,
        "learn_labels": True,
        "per_class": 1,
        "keep_moments": after % 2 == 0,
    }
    whole = taken(started(**settings), 6)
    first, saved = started(**settings), io.BytesIO()
    taken(first, after)
    torch.save(first.state_dict(), saved)
    saved.seek(0)
    second = started(**settings, seed=1)
    second.load_state_dict(torch.load(saved, weights_only=True))
    assert same(second.synthetic(), first.synthetic())
    assert same(taken(second, 6 - after), whole)


@pytest.mark.parametrize(
    ("changes", "ipc", "message"),
    [
        ({"beta": 2.0}, 3, "beta 2.0 must lie between 0"),
        ({"block": 2}, 3, "ipc 3 is not a sum of blocks of 2"),
        ({"steps": 1}, 3, "steps 1 are too few for 2 stages"),
        ({"window": 4}, 3, "window 4 is longer than the unroll 3"),
        ({"per_class": 4}, 3, "per_class 4 is larger than ipc 3"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], ipc: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**{**QUICK, "steps": 6, "block": (1, 2), **changes}).check(train(), Budget(ipc))
