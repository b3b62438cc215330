"""The recipes of RaT-BPTT, RTP, RDED and FRePo, replayed: plain loops after the authors' descriptions.

A loop draws what the suite draws, and shares nothing else with it. Its predictions are the suite's.
"""

from collections.abc import Callable
from dataclasses import replace
from math import cos, pi

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, one_hot
from torch.nn.utils import vector_to_parameters

from suite.core.data.tasks import load
from suite.core.networks.named import network
from suite.core.seeding import derive, generator
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.core.training.cached import labeller, trained_network
from suite.core.training.fit import fit_copies
from suite.core.training.jobs import Labeller, TrainingJob
from suite.core.training.recipes import RECIPES, Recipe
from suite.core.training.recipes.kinds import RegressionRecipe
from tests.support.plain_training import augmented, convnet, draws, mixed, started

SHAPE, DEPTH, WIDTH, SEED = (3, 8, 8), 2, 6, 4
NET = network(f"convnet-d{DEPTH}-w{WIDTH}-in", SHAPE, 10)
UNSEEN = torch.randn(200, *SHAPE, generator=generator(9))


Targets = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""The targets of (mixed images, rows, their partners, the share of these)."""


def soft_set(ipc: int, minibatch: Minibatch | None = None) -> SyntheticSet:
    """Return images that show their class, with soft labels."""
    images = torch.randn(10, ipc, *SHAPE, generator=generator(1))
    labels = (5 * torch.eye(10)[:, None] + torch.randn(10, ipc, 10, generator=generator(2))).softmax(2)
    images += torch.randn(10, 1, *SHAPE, generator=generator(3))
    return SyntheticSet(images, labels, minibatch or Minibatch())


def same_predictions(
    made: SyntheticSet, how: Recipe, plain: Callable[[TrainingJob], nn.Module], label: Labeller | None = None
) -> None:
    (found,) = fit_copies(NET, made, how, seeds=[SEED], label=label)
    module = plain(TrainingJob.on_set(made, how, SEED, label)).eval()
    with torch.no_grad():
        ours, theirs = NET.logits(found, UNSEEN), module(UNSEEN)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    first = NET.logits(NET.initialise(generator(SEED, "initialisation")), UNSEEN)
    assert float((ours - first).abs().max()) > 0.1  # it has learned something
    sure = theirs.topk(2, 1).values.diff(dim=1)[:, 0].abs() > 0.01
    assert torch.equal(ours.argmax(1)[sure], theirs.argmax(1)[sure]) and sure.sum() > 150


def test_rat_bptts() -> None:
    """Adam at 1e-3 on the set's own minibatches, flipped or rotated image by image; cross-entropy."""
    made = soft_set(4, Minibatch(per_class=2, classes=6))
    images, labels = made.flat()

    def plain(job: TrainingJob) -> nn.Module:
        module = started(job, DEPTH, WIDTH)
        rule = torch.optim.Adam(module.parameters(), lr=1e-3)
        for rows, drawn in draws(job):
            rule.zero_grad()
            cross_entropy(module(augmented(images[rows], drawn)), labels[rows]).backward()
            rule.step()
        return module

    same_predictions(made, replace(RECIPES["rat-bptt-1000"], steps=120), plain)


def test_rtps() -> None:
    """SGD at .01 with momentum, neither decayed nor augmented, in shuffled batches of 640."""
    made = soft_set(70)
    images, labels = made.flat()

    def plain(job: TrainingJob) -> nn.Module:
        module, order = started(job, DEPTH, WIDTH), generator(SEED, "order")
        rule = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
        for _ in range(20):
            for rows in torch.randperm(700, generator=order).split(640):
                rule.zero_grad()
                cross_entropy(module(images[rows]), labels[rows]).backward()
                rule.step()
        return module

    same_predictions(made, replace(RECIPES["rtp-300"], epochs=20), plain)


def rded(epochs: int, targets: Targets, batch: int) -> Callable[[TrainingJob], nn.Module]:
    """Return RDED's training."""

    def plain(job: TrainingJob) -> nn.Module:
        module, steps = started(job, DEPTH, WIDTH), list(draws(job))
        groups: tuple[list[Tensor], list[Tensor]] = [], []
        for name, value in module.named_parameters():
            groups["weight" in name and value.dim() > 1].append(value)
        decays = [
            {"params": own, "weight_decay": decay} for own, decay in zip(groups, (0.0, 0.01), strict=True)
        ]
        rule = torch.optim.AdamW(decays, lr=1e-3)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            rule, lambda epoch: 0.5 * (1 + cos(pi * epoch / epochs / 2))
        )
        per_epoch = -(-len(job.images) // batch)
        assert len(steps) == epochs * per_epoch
        for step, (rows, drawn) in enumerate(steps):
            flip, plain_images = drawn.uniform[:, 0, None, None, None] < 0.5, job.images[rows]
            flipped = torch.where(flip, plain_images.flip(3), plain_images)
            seen, partner, share = mixed(flipped, drawn)
            loss = kl_div(
                log_softmax(module(seen) / 20, 1), targets(seen, rows, partner, share), reduction="batchmean"
            )
            rule.zero_grad()
            loss.backward()
            rule.step()
            if (step + 1) % per_epoch == 0:
                schedule.step()
        return module

    return plain


def test_rdeds_with_stored_labels() -> None:
    """Labels are softened, then mixed by area."""
    made = soft_set(8)
    logits = made.labels.flatten(0, 1).log()  # of the teacher, up to a constant
    soft = (logits / 20).softmax(1)

    def targets(seen: Tensor, rows: Tensor, partner: Tensor, share: float) -> Tensor:
        return (1 - share) * soft[rows] + share * soft[rows][partner]

    same_predictions(made, replace(RECIPES["rded-stored-300"], epochs=30), rded(30, targets, 50))


def test_a_teacher_labels_rdeds_augmented_batches(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of the set do not matter: the teacher's of what the network sees do."""
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    train = load("digits").train
    train = replace(train, images=train.images.repeat(1, 3, 1, 1))
    how = replace(RECIPES["rded-300-v2"], epochs=15, teacher_epochs=2)
    label = labeller(how, NET.name, train, ())
    assert label is not None
    teacher = convnet(SHAPE, 10, DEPTH, WIDTH, "bn").eval()
    known = torch.randn(5, *SHAPE, generator=generator(0))
    values, _ = trained_network(
        train, f"convnet-d{DEPTH}-w{WIDTH}-bn", "dc-300", 2, seed=derive(0, "teacher")
    )
    norms = [module for module in teacher.modules() if isinstance(module, nn.BatchNorm2d)]
    running = [buffer for norm in norms for buffer in norm.buffers() if buffer.dim()]  # mean, variance
    vector_to_parameters(values, [*teacher.parameters(), *running])
    made = soft_set(8)
    with torch.no_grad():
        found = label(known[None], torch.zeros(1, 5, 10))[0]
        torch.testing.assert_close(found, (teacher(known) / 20).softmax(1), atol=1e-5, rtol=1e-4)

    def targets(seen: Tensor, rows: Tensor, partner: Tensor, share: float) -> Tensor:
        with torch.no_grad():
            found: Tensor = (teacher(seen) / 20).softmax(1)
        return found

    same_predictions(made, how, rded(15, targets, 50), label)


def test_frepos() -> None:
    """Adam on half the squared error to centred labels; 500 steps of warm-up, then half a cosine."""
    made = soft_set(1)
    images, labels = made.flat()
    frepo = RECIPES["frepo-40000-v2"]
    assert isinstance(frepo, RegressionRecipe)
    how = replace(frepo, lengths=((10, 700),), lr=1e-3, warm_up=100)

    def plain(job: TrainingJob) -> nn.Module:
        module = started(job, DEPTH, WIDTH)
        rule = torch.optim.Adam(module.parameters(), lr=1e-3)
        for step, (rows, drawn) in enumerate(draws(job)):
            rate = step / 100 if step < 100 else 0.01 + 0.99 * (1 + cos(pi * (step - 100) / 600)) / 2
            rule.param_groups[0]["lr"] = 1e-3 * rate
            rule.zero_grad()
            scores = module(augmented(images[rows], drawn))
            (0.5 * (scores - (labels[rows] - 0.1)).pow(2).sum(1).mean()).backward()
            rule.step()
        return module

    same_predictions(made, how, plain)


def test_hard_labels_stay_hard_at_any_temperature() -> None:
    """A patch of 5% of the area is 5% of the label."""
    hard = one_hot(torch.tensor([2, 7]), 10).float()
    kept = RECIPES["rded-stored-300"].targets(hard)
    assert torch.equal(kept, hard)
    assert (0.95 * kept[0] + 0.05 * kept[1]).tolist() == pytest.approx(
        [0.0, 0.0, 0.95, 0, 0, 0, 0, 0.05, 0, 0]
    )
