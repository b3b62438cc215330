"""The meta-gradient against oracles that share no code with the engine: autograd, finite differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.engine.classification import chunks, inner_problem
from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import AutogradLoss
from suite.core.engine.meta_gradient import average, meta_gradient
from suite.core.engine.optimisers import SGD, Adam, Optimiser
from suite.core.engine.truncation import Window
from suite.core.engine.unroll import MetaGradient
from suite.core.networks.named import Shape, network
from suite.core.seeding import generator
from suite.core.training.augment import augmentation

ADAM, HEAVY, WINDOW = Adam(0.01), SGD(0.1, 0.9, 0.01), Window(0, 5)


def graph(rule: Optimiser, lr: Tensor, before: int) -> Callable[..., list[Tensor]]:
    """Return a differentiable update (step, parameters, *moments, gradient), as the papers write it."""

    def adam(step: int, p: Tensor, m: Tensor, v: Tensor, g: Tensor) -> list[Tensor]:
        assert isinstance(rule, Adam)
        (b1, b2), positive = rule.betas, g * g > 0
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        root = torch.where(v > 0, torch.where(positive | (v > 0), v, 1.0).sqrt(), 0.0)
        unbiased, scale = m / (1 - b1**step), root / (1 - b2**step) ** 0.5
        return [p - lr * unbiased / (scale + rule.eps), m, v]

    def sgd(step: int, p: Tensor, v: Tensor, g: Tensor) -> list[Tensor]:
        assert isinstance(rule, SGD)
        v = rule.momentum * v + g + rule.weight_decay * p
        return [p - lr * v, v]

    return adam if isinstance(rule, Adam) else sgd


@dataclass(frozen=True)
class Problem:
    """A few images train a small network in float64; the loss of others is differentiated."""

    name: str = "mlp-w4"
    shape: Shape = (1, 4, 4)
    rule: Optimiser = ADAM
    window: Window = WINDOW
    augment: str = "none"

    @property
    def start(self) -> Tensor:
        return network(self.name, self.shape, 3).initialise(generator(0)).double()

    def given(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, soft labels, the learning rate: fresh leaves."""
        rng = generator(1)
        images = torch.randn(4, *self.shape, generator=rng, dtype=torch.float64)
        labels = torch.rand(4, 3, generator=rng, dtype=torch.float64)
        lr = torch.tensor(self.rule.lr, dtype=torch.float64)
        return images.requires_grad_(), labels.requires_grad_(), lr.requires_grad_()

    def real(self) -> tuple[Tensor, Tensor]:
        images = torch.randn(5, *self.shape, generator=generator(2), dtype=torch.float64)
        return images, torch.tensor([0, 1, 2, 1, 0])

    def batch(self, images: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return a minibatch and an augmentation that change from step to step."""
        rng = generator(3, step)
        rows = torch.randperm(4, generator=rng)[:3]
        augment = augmentation(self.augment)
        return augment.apply(images[rows], augment.sample(3, rng)), labels[rows]

    def engine(self, *, decomposed: bool = False, checkpoint_every: int | None = None) -> MetaGradient:
        images, labels, lr = self.given()
        problem = inner_problem(network(self.name, self.shape, 3), self.rule, compiled=decomposed)
        return meta_gradient(
            replace(problem, compiled=False),  # the decomposed layers, interpreted
            self.start,
            [images, labels],
            lambda step: self.batch(images, labels, step),
            chunks(*self.real()),
            window=self.window,
            lr=lr,
            checkpoint_every=checkpoint_every,
        )

    def oracle(self) -> list[Tensor]:
        """Return the derivatives for images, labels and learning rate, from one graph."""
        images, labels, lr = self.given()
        net, update = network(self.name, self.shape, 3), graph(self.rule, lr, self.window.before)
        state = list(self.rule.start(self.start))
        for step in range(self.window.before + self.window.length):
            inside = step >= self.window.before
            state = [part if inside and step > self.window.before else part.detach() for part in state]
            leaf = state[0] if state[0].requires_grad else state[0].requires_grad_()
            seen, targets = self.batch(images, labels, step)
            (gradient,) = torch.autograd.grad(
                cross_entropy(net.logits(leaf, seen), targets), leaf, create_graph=inside
            )
            state = update(step + 1, leaf, *state[1:], gradient)
        real, truth = self.real()
        return list(
            torch.autograd.grad(cross_entropy(net.logits(state[0], real), truth), [images, labels, lr])
        )


def close(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float = 1e-9) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert theirs.abs().max() > 0
        assert (ours - theirs).norm() <= tolerance * theirs.norm()


def same(problem: Problem, **how: Any) -> None:
    # Adam's first step is lr * g / (|g| + eps): what it passes back is a difference that all but
    # cancels, in any implementation.
    cancels = problem.rule == ADAM and problem.window == Window(0, 1)
    found = problem.engine(**how)
    close([*found.gradients, found.lr], problem.oracle(), 1e-6 if cancels else 1e-9)


RULES = {"adam": ADAM, "adam-eps": Adam(0.01, eps=0.01), "sgd": SGD(0.1), "heavy": HEAVY}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("decomposed", [False, True], ids=["plain", "decomposed"])
@pytest.mark.parametrize("window", [Window(0, 1), Window(0, 40), Window(7, 2), Window(5, 20)], ids=str)
def test_it_equals_one_graph_over_the_window(rule: Optimiser, window: Window, decomposed: bool) -> None:
    same(Problem(rule=rule, window=window), decomposed=decomposed)


@pytest.mark.parametrize("decomposed", [False, True], ids=["plain", "decomposed"])
@pytest.mark.parametrize(
    "name", ["convnet-d3-w4-in", "convnet-d2-w4-ln", "convnet-d2-w4-bn", "convnet-d1-w4-none"]
)
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 28, 28)], ids=str)
def test_it_is_exact_for_every_network(name: str, shape: Shape, decomposed: bool) -> None:
    same(Problem(name, shape, window=Window(3, 4)), decomposed=decomposed)


@pytest.mark.parametrize("decomposed", [False, True], ids=["plain", "decomposed"])
@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("resnet18-w2-in", 9),
        ("resnet18-w2-ln", 8),
        ("resnet18-w2-bn", 8),
        ("alexnet-w2-in", 8),
        ("vgg11-w2-ln", 32),
    ],
)
def test_deep_networks_give_the_oracles_meta_gradient(name: str, side: int, *, decomposed: bool) -> None:
    same(Problem(name, (3, side, side), window=Window(1, 3)), decomposed=decomposed)


@pytest.mark.parametrize("augment", ["dsa", "flip-rotate", "crop-scale-rotate"])
def test_it_goes_through_augmentations_that_change_from_step_to_step(augment: str) -> None:
    same(Problem("convnet-d1-w4-in", (3, 8, 8), augment=augment, window=Window(2, 14)), decomposed=True)


@pytest.mark.parametrize("checkpoint_every", [1, 2, 5, 7, 12])
def test_checkpoints_change_nothing(checkpoint_every: int) -> None:
    problem = Problem("convnet-d1-w4-in", window=Window(2, 7))
    whole, parts = problem.engine(), problem.engine(checkpoint_every=checkpoint_every)
    assert torch.equal(whole.loss, parts.loss)
    close([*parts.gradients, parts.lr], [*whole.gradients, whole.lr], 1e-14)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_full_meta_gradient_equals_central_finite_differences(rule: Optimiser, steps: int) -> None:
    problem, epsilon = Problem(rule=rule, window=Window(0, steps)), 1e-6
    found = problem.engine()
    for which, gradient in enumerate([*found.gradients, found.lr]):
        for entry in range(min(gradient.numel(), 12)):
            losses = [float(moved(problem, which, entry, sign * epsilon).loss) for sign in (1, -1)]
            numeric = (losses[0] - losses[1]) / (2 * epsilon)
            scale = float(gradient.abs().max())
            assert float(gradient.view(-1)[entry]) == pytest.approx(numeric, rel=0, abs=1e-5 * scale + 1e-9)


def moved(problem: Problem, which: int, entry: int, by: float) -> MetaGradient:
    given = problem.given()

    @dataclass(frozen=True)
    class Moved(Problem):
        def given(self) -> tuple[Tensor, Tensor, Tensor]:
            fresh = tuple(value.detach().clone() for value in given)
            fresh[which].view(-1)[entry] += by
            images, labels, lr = (value.requires_grad_() for value in fresh)
            return images, labels, lr

    return Moved(problem.name, problem.shape, problem.rule, problem.window).engine()


def square(**changes: Any) -> MetaGradient:
    """One parameter walks towards an image; the other has no gradient at all."""
    images = torch.ones(1, dtype=torch.float64, requires_grad=True)
    unused = torch.ones(2, dtype=torch.float64, requires_grad=True)
    settings: dict[str, Any] = {"start": 0.0, "scale": lambda _: 1.0, "real": [()], "unused": unused}
    settings |= changes
    settings.setdefault("batch", lambda step: (images * settings["scale"](step),))
    return meta_gradient(
        InnerProblem(
            AutogradLoss(lambda p, x: (p[0] - x[0]) ** 2 + 0 * p[1]), lambda p: p[0] ** 2, Adam(0.1)
        ),
        torch.full((2,), settings["start"], dtype=torch.float64),
        [images, settings["unused"]],
        settings["batch"],
        settings["real"],
        window=Window(0, 2),
    )


def test_a_parameter_without_gradient_does_not_make_nan() -> None:
    """Adam's v is 0 there, where the square root has no derivative."""
    assert square().finite and square().first_nonfinite() == ""


def test_an_input_that_plays_no_part_has_gradient_zero() -> None:
    assert square().gradients[1].tolist() == [0, 0]


def test_what_is_not_finite_is_named() -> None:
    one = torch.ones(1, dtype=torch.float64)
    late = square(scale=lambda step: torch.nan if step else 1.0)
    assert not late.finite and late.first_nonfinite() == "the parameters after inner step 2 of 2"
    assert square(start=torch.inf).first_nonfinite() == "the parameters after inner step 1 of 2"
    assert replace(square(), loss=torch.tensor(torch.inf)).first_nonfinite() == "the outer loss"
    broken = replace(square(), gradients=(one, one * torch.nan))
    assert not broken.finite and broken.first_nonfinite() == "the meta-gradient of input 1"


def test_the_average_is_over_networks() -> None:
    one = square()
    two = replace(one, loss=3 * one.loss, gradients=tuple(3 * value for value in one.gradients))
    mean = average([one, two])
    assert torch.equal(mean.loss, 2 * one.loss) and torch.equal(mean.gradients[0], 2 * one.gradients[0])
    assert len(mean.state_sums) == 4


def test_an_input_that_requires_no_gradient_is_refused() -> None:
    one = torch.ones(1, dtype=torch.float64)
    with pytest.raises(ValueError, match="input 1 must be a leaf tensor that requires gradients"):
        square(unused=one)
    with pytest.raises(ValueError, match="input 1 must be a leaf tensor that requires gradients"):
        square(unused=2 * one.requires_grad_())


def test_no_real_batch_is_refused_before_any_step() -> None:
    def never(step: int) -> Sequence[Tensor]:
        raise AssertionError(step)

    with pytest.raises(ValueError, match="real has no batch"):
        square(batch=never, real=[])


def test_real_batches_are_summed() -> None:
    one, two = square(), square(real=[(), ()])
    assert torch.equal(two.loss, 2 * one.loss) and torch.equal(two.gradients[0], 2 * one.gradients[0])


def test_images_of_another_size_than_the_networks_are_refused() -> None:
    problem = inner_problem(network("mlp-w4", (1, 8, 8), 2), ADAM)
    images = torch.zeros(2, 1, 9, 9, requires_grad=True)
    with pytest.raises(ValueError, match=r"images \(n, 1, 9, 9\) for a network of \(1, 8, 8\) images"):
        meta_gradient(
            problem,
            network("mlp-w4", (1, 8, 8), 2).initialise(generator(0)),
            [images],
            lambda _: (images, torch.eye(2)),
            chunks(torch.zeros(2, 1, 8, 8), torch.arange(2)),
            window=WINDOW,
        )


def test_checkpoints_every_zero_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="checkpoint_every 0 must be at least 1"):
        Problem().engine(checkpoint_every=0)


@pytest.mark.parametrize(
    ("independent", "real", "message"),
    [
        (True, 3, "no batch of the window depends on the inputs"),
        (False, 0, "a real batch has no images"),
    ],
)
def test_silent_zeros_and_nans_are_refused(independent: bool, real: int, message: str) -> None:
    problem = inner_problem(network("mlp-w4", (1, 2, 2), 2), ADAM)
    images, targets = torch.ones(2, 1, 2, 2, requires_grad=True), torch.eye(2)
    seen = images.detach() if independent else images
    outer = torch.zeros(real, 1, 2, 2), torch.zeros(real, dtype=torch.int64), torch.zeros(real)
    start = network("mlp-w4", (1, 2, 2), 2).initialise(generator(0))
    with pytest.raises(ValueError, match=message):
        meta_gradient(problem, start, [images], lambda _: (seen, targets), [outer], window=Window(0, 2))
