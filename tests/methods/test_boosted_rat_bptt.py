"""Boosting's own arithmetic: stages, frozen prefixes, step sizes, moments, clipping."""

import io
from typing import Any

import pytest
import torch
from torch import Tensor

from suite.core.data.tasks import load
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient
from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.core.training.augment import AugmentParams, OneOf
from suite.plugins.methods.boosted_rat_bptt import BoostedRaTBPTT
from suite.plugins.methods.rat_bptt import RaTBPTT

QUICK: dict[str, Any] = {
    "unroll": 3,
    "window": 2,
    "real_batch": 16,
    "network": "convnet-d1-w4-in",
    "outer_lr": 0.1,
}

META_GRADIENT = "suite.core.distilling.meta_learning.meta_gradient"


def train() -> Examples:
    digits = load("digits").train
    return digits.take(torch.cat([indices[:10] for indices in digits.by_class()]))


def started(ipc: int = 3, steps: int = 6, seed: int = 0, **changes: Any) -> Any:
    method = BoostedRaTBPTT(**{**QUICK, "steps": steps, "block": (1, 2), **changes})
    return method.start(train(), Budget(ipc), seed=seed)


def taken(run: Any, steps: int) -> SyntheticSet:
    for _ in range(steps):
        run.step()
    made: SyntheticSet = run.synthetic()
    return made


def same(one: SyntheticSet, other: SyntheticSet) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


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
    plain = RaTBPTT(**QUICK, steps=3, learn_labels=True, initial=initial)  # type: ignore[arg-type]
    alone = taken(plain.start(train(), Budget(2), seed=0), 3)
    run = started(block=(2, 1), learn_labels=True, initial=initial, beta=0.1)
    assert same(taken(run, 3), alone)
    assert not same(taken(run, 1).prefix(2), alone)


def test_blocks_start_from_noise_of_unit_norm_or_from_different_real_images() -> None:
    noise, real = started().images.flatten(2), started(initial="real").images.flatten(2)
    assert torch.allclose(noise.norm(dim=2), torch.ones(10, 3))
    for images in (noise, real):
        assert not any(torch.equal(images[:, i], images[:, j]) for i in range(3) for j in range(i))
    known = train().images.flatten(1)
    assert all(bool((known == image).all(1).any()) for image in real.flatten(0, 1))


def test_all_blocks_so_far_train_the_inner_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    apply = OneOf.apply

    def watched(self: OneOf, images: Tensor, draw: AugmentParams) -> Tensor:
        counts.append(len(images))
        return apply(self, images, draw)

    monkeypatch.setattr(OneOf, "apply", watched)
    run = started(steps=2, truncation="full")
    for size in (10, 30):
        counts.clear()
        run.step()
        assert counts[1:] == [size] * 6  # after the real batch: three inner steps, and those back


def test_a_minibatch_larger_than_a_stage_takes_all_of_it() -> None:
    run = started(ipc=4, steps=3, block=(1, 1, 2), per_class=3)
    assert [len(run._sample()[0]) for _ in range(3) if run.step()] == [10, 20, 30]


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


class Fake:
    """Stands in for the meta-gradient: its image gradients are constant, of chosen norms."""

    def __init__(self, *norms: float) -> None:
        self.norms, self.learning = list(norms), list[int]()

    def __call__(self, *given: Any, window: Window, checkpoint_every: int | None) -> MetaGradient:
        inputs = given[2]
        self.learning.append(inputs[0].shape[1])
        images = torch.ones_like(inputs[0])
        images *= self.norms.pop(0) / images.norm()
        loss = torch.tensor(0.5)
        return MetaGradient(loss, (images, *map(torch.ones_like, inputs[1:])), loss, torch.zeros(1))


def moved(run: Any) -> Tensor:
    """Take a step; return how far the images at each place went down, in outer learning rates."""
    before = run.images.clone()
    run.step()
    away = (before - run.images) / 0.1
    assert torch.allclose(away, away[:1, :, :1, :1, :1].expand_as(away), atol=1e-4)
    each: Tensor = away[0, :, 0, 0, 0]
    return each


def test_earlier_blocks_step_at_beta_times_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    # With a constant gradient each step of Adam is its rate, if its bias is corrected by the block's age.
    monkeypatch.setattr(META_GRADIENT, Fake(1.0, 1.0, 3**0.5))
    run = started(steps=4, stage_steps=(2, 2), beta=0.1)
    for expected in ([1, 0, 0], [1, 0, 0], [0.1, 1, 1]):
        assert torch.allclose(moved(run), torch.tensor(expected, dtype=torch.float32), atol=1e-3)


@pytest.mark.parametrize(("beta", "learning"), [(0.0, [1, 2]), (0.1, [1, 3]), (1.0, [1, 3])])
def test_only_what_learns_is_differentiated(
    monkeypatch: pytest.MonkeyPatch, beta: float, learning: list[int]
) -> None:
    fake = Fake(1.0, 3**0.5)
    monkeypatch.setattr(META_GRADIENT, fake)
    run = started(steps=2, beta=beta)
    assert moved(run).tolist() == pytest.approx([1, 0, 0], abs=1e-4)
    assert moved(run).tolist() == pytest.approx([beta, 1, 1], abs=1e-4) and fake.learning == learning


@pytest.mark.parametrize(("keep", "expected"), [(True, 0.67006), (False, 0.0)])
def test_moments_of_earlier_blocks_survive_a_stage_or_begin_anew(
    monkeypatch: pytest.MonkeyPatch, keep: bool, expected: float
) -> None:
    # After g: m = .1 g, v = .001 g². A step without a gradient then has m = .09 g, v = .000999 g², and goes
    # (.09 / .19) / sqrt(.000999 / .001999) = .67006 of the rate, or nowhere from moments of zero.
    monkeypatch.setattr(META_GRADIENT, Fake(1.0, 0.0))
    run = started(steps=2, beta=1.0, keep_moments=keep)
    moved(run)
    assert moved(run).tolist() == pytest.approx([expected, 0, 0], abs=1e-3)


def test_clipping_begins_anew_with_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    # Within a stage 10 after 1 is clipped to 2 (.9 + 1) = 3.8; as a stage's first it is the average itself.
    monkeypatch.setattr(META_GRADIENT, Fake(1.0, 10.0, 10.0, 10.0))
    run, norms = started(steps=4), []
    for stage in (0, 0, 1, 1):
        places = slice(0, 1) if stage == 0 else slice(1, 3)
        before = run.image_state[1].view_as(run.images)[:, places].clone()
        run.step()
        after = run.image_state[1].view_as(run.images)[:, places]
        norms.append(float(((after - 0.9 * before) / 0.1).norm()))
    assert norms == pytest.approx([1.0, 3.8, 10.0, 10.0], rel=1e-3)


def test_labels_of_earlier_blocks_learn_at_beta_times_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(META_GRADIENT, Fake(1.0, 1.0))
    run = started(steps=2, beta=0.5, learn_labels=True)
    labels = taken(run, 2).labels.diagonal(dim1=0, dim2=2)
    assert torch.allclose(labels, torch.tensor([0.85, 0.9, 0.9])[:, None].expand(3, 10), atol=1e-4)


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
        BoostedRaTBPTT(**{**QUICK, "steps": 6, "block": (1, 2), **changes}).check(train(), Budget(ipc))
