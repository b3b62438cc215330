"""NCFM: characteristic functions of known samples, its steps against torch's rules, its sampler and pool."""

from importlib import import_module
from math import cos, sin
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from suite.core.seeding import generator
from suite.core.sets.parametrisations import MultiFormation
from suite.core.spec import Budget
from suite.plugins.registry import native_recipe, published
from tests.support.small_data import few_digits

MODULE = import_module("suite.plugins.methods.ncfm")
METHOD, characteristic, distance = MODULE.METHOD, MODULE.characteristic, MODULE.distance
DATA = few_digits(12)
QUICK: dict[str, Any] = {
    "steps": 9,
    "real_batch": 12,
    "frequencies": 40,
    "pool": 2,
    "pool_epochs": 1,
    "augment": "none",
    "network": "convnet-d1-w4-in",
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def shared(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(pool))


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(DATA, Budget(ipc), seed=0)


def test_the_function_of_one_sample_turns_and_that_of_opposites_is_real() -> None:
    frequencies = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
    one = characteristic(torch.tensor([[0.3, 0.1]]), frequencies)
    assert one.flatten().tolist() == pytest.approx([cos(0.3), cos(0.35), sin(0.3), sin(0.35)])
    both = characteristic(torch.tensor([[0.3, 0.1], [-0.3, -0.1]]), frequencies)
    assert both.flatten().tolist() == pytest.approx([cos(0.3), cos(0.35), 0, 0], abs=1e-7)


def test_the_function_of_gaussian_samples_is_gaussian() -> None:
    samples = torch.randn(40_000, 1, generator=generator(0)).double() * 0.5 + 1
    found = characteristic(samples, torch.tensor([[1.0], [2.0]]).double())
    lengths = torch.tensor([-0.125, -0.5]).exp()  # exp(-(σ t)² / 2), at the angle μ t
    expected = torch.stack(
        [lengths * torch.tensor([1.0, 2.0]).cos(), lengths * torch.tensor([1.0, 2.0]).sin()]
    )
    torch.testing.assert_close(found, expected.double(), atol=0.02, rtol=0)


def test_samples_of_weight_zero_do_not_count() -> None:
    features, frequencies = (
        torch.randn(5, 3, generator=generator(0)),
        torch.randn(7, 3, generator=generator(1)),
    )
    weights = torch.tensor([0.25, 0.25, 0.25, 0.25, 0])
    found = characteristic(features, frequencies, weights)
    torch.testing.assert_close(found, characteristic(features[:4], frequencies))


def test_the_distance_by_hand() -> None:
    # At the first frequency both have length 1 at right angles: 2 (1 - 0) = 2. At the second lengths are 1
    # and 1/2 at the same angle: (1/2)². Weights 1/4 and 1/2 make the roots of 1 and of 1/16.
    ours, theirs = torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.5], [1.0, 0.0]])
    assert float(distance(ours, theirs, 0.25, 0.5)) == pytest.approx((1 + 0.25) / 2)
    assert float(distance(ours, ours, 0.5, 0.5)) < 1e-5


def plain(run: Any, rule: torch.optim.Optimizer, pixels: torch.Tensor, steps: int) -> list[float]:
    """Take steps on `pixels` as the authors' loop does: a step of the rule after each class's gradient."""
    rngs = [generator(0, name) for name in ("networks", "frequencies")]
    losses = list[float]()

    def images(label: int) -> torch.Tensor:
        code = MultiFormation(pixels[label : label + 1] * run.span + run.low, 2)
        return code.decode()[0]

    def move(loss: torch.Tensor) -> float:
        rule.zero_grad(set_to_none=False)
        loss.backward()
        rule.step()
        return float(loss.detach())

    for _ in range(steps):
        path = run.known.trajectories[int(torch.randint(2, (), generator=rngs[0]))]
        share = float(torch.rand((), generator=rngs[0]))
        between = share * path[0] + (1 - share) * path[-1]
        frequencies, total = torch.randn(40, run.dimensions, generator=rngs[1]), 0.0
        with torch.no_grad():
            pixels.clamp_(0, 1)
        for label, rows in enumerate(DATA.by_class()):
            sides = []
            for seen in (DATA.images[rows], images(label)):
                features = normalize(run.network.features(between, seen), dim=1)
                sides.append(torch.exp(1j * (features @ frequencies.T)).mean(0))
            gap = sides[0].abs() - sides[1].abs()
            turned = (2 * (sides[0].abs() * sides[1].abs() - (sides[0].conj() * sides[1]).real)).clamp(
                min=1e-12
            )
            total += move(300 * (0.5 * gap.square() + 0.5 * turned).sqrt().mean())
        for label in range(10):
            logits = run.network.logits(path[-1], images(label))
            total += move(cross_entropy(logits, torch.full((4,), label)))
        losses.append(total / 10)
    return losses


@pytest.mark.parametrize("rule", ["adamw", "sgd"])
def test_steps_are_those_of_the_authors_loop(rule: str) -> None:
    run = started(image_rule=rule, image_lr=0.01)
    pixels = run.pixels.detach().clone().requires_grad_()
    theirs: torch.optim.Optimizer = torch.optim.SGD([pixels], lr=0.01, momentum=0.5)
    if rule == "adamw":
        theirs = torch.optim.AdamW([pixels], lr=0.01, weight_decay=5e-4)
    losses = plain(run, theirs, pixels, 3)
    assert [float(run.step()["outer_loss"]) for _ in range(3)] == pytest.approx(losses, rel=1e-3)
    torch.testing.assert_close(run.pixels.detach(), pixels.detach(), atol=2e-3, rtol=0)


def test_without_calibration_images_follow_the_distance_alone() -> None:
    run = started(calibration=0.0)
    run.step()
    assert run.updates == 10
    run = started()
    run.step()
    assert run.updates == 20


def test_the_rate_falls_as_torchs_does_on_a_plateau() -> None:
    losses = torch.rand(60, generator=generator(3)).tolist() + [0.0] * 20 + [-1.0] + [0.5] * 30
    run = started(patience=4, image_lr=0.5)
    value = torch.zeros(1)
    theirs = torch.optim.SGD([value], lr=0.5)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, mode="min", factor=0.5, patience=4)
    rates, expected = list[float](), list[float]()
    for loss in losses:
        run._adapt_rate(torch.tensor(loss))
        theirs.step()
        schedule.step(loss)
        rates.append(float(run.lr))
        expected.append(theirs.param_groups[0]["lr"])
    assert rates == pytest.approx(expected) and rates[-1] < 1e-3


def test_the_sampler_is_three_layers_with_batch_norm() -> None:
    ours = started(learned=True, frequencies=80).sampler
    layers = list[nn.Module]()
    for number, own in enumerate(ours.weights.detach()):
        linear = nn.Linear(*own[:-1].shape)
        linear.load_state_dict({"weight": own[:-1].T, "bias": own[-1]})
        layers += [linear, nn.BatchNorm1d(len(own) - 1), nn.LeakyReLU(0.2) if number < 2 else nn.Tanh()]
    noise = torch.randn(5, ours.weights.shape[2], generator=generator(0))
    with torch.no_grad():
        torch.testing.assert_close(ours.frequencies(noise), nn.Sequential(*layers)(noise))
    assert ours.weights.abs().max() <= ours.weights.shape[2] ** -0.5


def test_images_come_nearer_and_the_sampler_enlarges_the_distance() -> None:
    run = started(learned=True, frequencies=640, sampler_lr=0.1, calibration=0.0, image_lr=1e-8)
    drawn = run._draw()
    losses = [float(run._match(3, drawn.last, drawn)) for _ in range(8)]
    assert losses[-1] > losses[0] * 1.01
    run = started(frequencies=640, calibration=0.0, image_lr=0.02)
    losses = [float(run._match(3, drawn.last, run_drawn)) for run_drawn in [run._draw()] * 20]
    assert losses[-1] < losses[0] * 0.9


def test_the_pool_is_trained_as_idcs_networks_with_a_falling_rate() -> None:
    made = METHOD().training
    rates = made.lr_schedule(128)
    assert rates == [0.01 * 0.2 ** ((epoch >= 40) + (epoch >= 50)) for epoch in range(60)]
    assert (made.optimiser, made.momentum, made.weight_decay, made.batch) == ("sgd", 0.9, 5e-4, 128)
    assert made.augment == "color+crop+cutmix"
    assert [path.shape[0] for path in started().known.trajectories] == [2, 2]


def test_the_authors_settings() -> None:
    default = METHOD()
    assert (default.steps, default.real_batch, default.frequencies, default.pool) == (20_000, 1024, 4096, 20)
    assert (default.factor, default.patience, default.learned, default.calibration) == (2, 500, False, 1.0)
    for ipc in (1, 10, 50):
        assert published(METHOD, "cifar10", ipc) == {"image_rule": "adamw", "image_lr": 1e-3}
        assert native_recipe(METHOD, "cifar100", ipc) == "ncfm-2000"
    assert published(METHOD, "cifar100", 10) == {"image_rule": "sgd", "image_lr": 0.01}
    tiny = [native_recipe(METHOD, "tiny-imagenet", ipc) for ipc in (1, 10, 50)]
    assert tiny == ["ncfm-2000", "ncfm-300", "ncfm-40"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learned": True, "frequencies": 31}, "frequencies 31 must be at least 32 if learned"),
        ({"pool": 0}, "pool 0 must be at least 1"),
        ({"phase": -1.0}, "phase -1.0 must not be negative"),
    ],
    ids=str,
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)
