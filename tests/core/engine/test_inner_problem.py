"""An inner problem of any torch module is exact; what is no inner problem is refused."""

from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, mse_loss

from suite.core.engine.inner_problem import InnerProblem
from suite.core.engine.losses import AutogradLoss
from suite.core.engine.meta_gradient import meta_gradient
from suite.core.engine.optimisers import SGD, Adam
from suite.core.engine.truncation import Window
from suite.core.seeding import generator


def tensor(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def convolutional() -> nn.Sequential:
    """A network of the kinds of layers that ours do not have, a frozen one and a buffer among them."""
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), nn.GELU(), nn.Conv2d(4, 3, 2, bias=False),
        nn.GroupNorm(3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(27, 5), nn.Tanh(), nn.Linear(5, 3),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        for index, part in enumerate(module.parameters()):
            part.copy_(0.3 * tensor(*part.shape, seed=index))
    module[3].requires_grad_(False)
    return module


@pytest.mark.parametrize("window", [Window(0, 1), Window(0, 6), Window(2, 4)], ids=str)
def test_the_meta_gradient_of_a_module_is_that_of_one_graph(window: Window) -> None:
    module, rate, momentum = convolutional(), 0.1, 0.9
    images = tensor(4, 2, 6, 6, seed=100).requires_grad_()
    labels = tensor(4, 3, seed=101).softmax(1).requires_grad_()
    real = tensor(5, 2, 6, 6, seed=102), tensor(5, 3, seed=103)
    problem = InnerProblem.of_module(module, cross_entropy, SGD(rate, momentum), outer=mse_loss)
    found = meta_gradient(
        problem,
        problem.initial_parameters(),
        [images, labels],
        lambda step: (images.roll(step, 3), labels),
        [real],
        window=window,
    )

    names = [name for name, part in module.named_parameters() if part.requires_grad]
    values = [part.detach().requires_grad_() for part in module.parameters() if part.requires_grad]
    velocities = [torch.zeros_like(value) for value in values]
    for step in range(window.before + window.length):
        if step <= window.before:
            values = [value.detach().requires_grad_() for value in values]
            velocities = [velocity.detach() for velocity in velocities]
        output = functional_call(module, dict(zip(names, values, strict=True)), images.roll(step, 3))
        loss = cross_entropy(output, labels)
        gradients = torch.autograd.grad(loss, values, create_graph=True)
        velocities = [momentum * v + g for v, g in zip(velocities, gradients, strict=True)]
        values = [value - rate * v for value, v in zip(values, velocities, strict=True)]
    outer = mse_loss(functional_call(module, dict(zip(names, values, strict=True)), real[0]), real[1])
    expected = torch.autograd.grad(outer, [images, labels])

    torch.testing.assert_close(found.loss, outer.detach())
    for ours, theirs in zip(found.gradients, expected, strict=True):
        assert (ours - theirs).norm() <= 1e-12 * theirs.norm() != 0


def test_the_outer_loss_of_a_module_is_by_default_the_inner_one() -> None:
    module = nn.Linear(2, 2).double()
    problem = InnerProblem.of_module(module, nn.CrossEntropyLoss(), SGD(0.1))
    x, y = tensor(3, 2, seed=0), torch.tensor([0, 1, 0])
    loss, _ = problem.outer_loss_and_grad(problem.initial_parameters(), x, y)
    torch.testing.assert_close(loss, cross_entropy(module(x), y))


def test_dropout_is_refused_when_the_first_step_is_taken() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    problem = InnerProblem.of_module(module, cross_entropy, SGD(0.1))
    x, y = torch.ones(3, 2, requires_grad=True), torch.tensor([0, 1, 0])
    with pytest.raises(ValueError, match="draws random numbers, as dropout does"):
        meta_gradient(
            problem, problem.initial_parameters(), [x], lambda _: (x, y), [(x, y)], window=Window(0, 2)
        )


def test_batch_norm_in_training_is_refused() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with pytest.raises(ValueError, match="BatchNorm1d '1' updates running statistics in training"):
        InnerProblem.of_module(module, cross_entropy, SGD(0.1))


@pytest.mark.parametrize("where", ["inner", "outer"])
def test_a_module_in_place_of_a_loss_is_refused_with_the_constructor_for_it(where: str) -> None:
    losses: dict[str, Any] = {
        "inner": AutogradLoss(lambda p, x: (p * x).sum()),
        "outer": lambda p: p.sum(),
        where: nn.Sequential(nn.Linear(2, 2)),
    }
    with pytest.raises(
        ValueError, match=rf"{where} is a torch module \(Sequential\).*InnerProblem.of_module"
    ):
        InnerProblem(**losses, optimiser=SGD())


def test_a_bare_function_is_refused_with_what_to_wrap_it_in() -> None:
    function: Any = lambda p, x: (p * x).sum()  # noqa: E731
    with pytest.raises(ValueError, match=r"wrap a function in AutogradLoss\(function\)"):
        InnerProblem(function, lambda p: p.sum(), SGD())


def test_only_a_problem_of_a_module_has_initial_parameters() -> None:
    problem = InnerProblem(AutogradLoss(lambda p, x: (p * x).sum()), lambda p: p.sum(), SGD())
    with pytest.raises(ValueError, match="no module to take parameters from"):
        problem.initial_parameters()


def test_corrections_are_kept_for_each_stream() -> None:
    """A copy on one stream need not be done when another reads it."""
    rule, like, found = Adam(0.1), torch.zeros(1), []
    problem = InnerProblem.of_module(nn.Linear(2, 2), mse_loss, rule)
    for stream in (1, 2, 1):
        with patch("suite.core.engine.inner_problem.stream_number", lambda device, now=stream: now):
            found.append(problem.corrections(3, like))
    assert found[0].data_ptr() == found[2].data_ptr() != found[1].data_ptr()
    assert (
        found[0].tolist() == found[1].tolist() == [pytest.approx(Adam(0.1).corrections(n)) for n in (1, 2, 3)]
    )
