"""The convex problem against the same regression with every matrix written out, in float64."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd import grad
from torch.autograd.functional import jacobian
from torch.nn.functional import cross_entropy

from suite.core.distilling.convexified import ConvexProblem, outer_loss, stable_rate
from suite.core.networks.layers import with_softplus
from suite.core.networks.named import Network, network
from suite.core.seeding import generator
from suite.core.spec import Examples

RIDGE, CLASSES = 0.5, 3


@cache
def net() -> Network:
    plain = network("convnet-d1-w3-in", (1, 4, 4), CLASSES)
    return replace(plain, layers=tuple(with_softplus(layer, 5.0) for layer in plain.layers))


def drawn(*shape: int, name: str) -> Tensor:
    return torch.randn(*shape, generator=generator(0, name), dtype=torch.float64)


PARAMETERS = drawn(net().size, name="parameters") / 2
IMAGES, TARGETS = drawn(4, 1, 4, 4, name="images"), drawn(4, CLASSES, name="targets")
# 40 images are more than a chunk on a CPU.
REAL = Examples(drawn(40, 1, 4, 4, name="real"), torch.arange(40) % CLASSES, CLASSES)
LOG_SCALE = torch.tensor([0.3], dtype=torch.float64)
WEIGHTS = torch.zeros(net().size, dtype=torch.bool)
WEIGHTS[-CLASSES - net().pieces(PARAMETERS)[-1][0].numel() : -CLASSES] = True


class Exact(NamedTuple):
    tangent: Tensor
    loss: Tensor
    gradients: tuple[Tensor, ...]


def rows(images: Tensor, *, deeper: bool = False) -> Tensor:
    """Return the factors of τ, without those of the last layer, and of W (n * classes, …)."""
    whole = jacobian(lambda own: net().logits(own, images), PARAMETERS, create_graph=deeper)
    features = net().features(PARAMETERS, images)
    unit = torch.eye(CLASSES, dtype=torch.float64)
    return torch.cat([whole.flatten(0, 1)[:, ~WEIGHTS], torch.kron(features, unit)], 1)


@cache
def exact() -> Exact:
    """Solve for τ and W together, and differentiate through the solution of the normal equations."""
    leaves = [IMAGES.clone().requires_grad_(), TARGETS.clone().requires_grad_(), LOG_SCALE.clone()]
    leaves[2].requires_grad_()
    own, real = rows(leaves[0], deeper=True), rows(REAL.images)
    normal = own.T @ own + RIDGE * torch.eye(own.shape[1], dtype=torch.float64)
    found = torch.linalg.solve(normal, own.T @ leaves[1].flatten())
    scores = (real @ found).view(-1, CLASSES)
    loss = cross_entropy(leaves[2].exp() * scores, REAL.labels)
    margin = (leaves[1].sort(1).values.diff(dim=1)[:, -1]).clamp(max=1 / 6).mean()
    tangent = torch.zeros_like(PARAMETERS)
    tangent[~WEIGHTS] = found.detach()[: int((~WEIGHTS).sum())]
    return Exact(tangent, loss.detach(), grad(loss - margin, leaves))


class Problem(NamedTuple):
    problem: ConvexProblem
    leaves: tuple[Tensor, Tensor]


def problem() -> Problem:
    leaves = IMAGES.clone().requires_grad_(), TARGETS.clone().requires_grad_()
    return Problem(ConvexProblem(net(), PARAMETERS, *leaves, RIDGE), leaves)


def curvature(own: ConvexProblem) -> Tensor:
    """Return the second derivatives of L as a matrix, by the derivative of its own loss."""
    unit = torch.eye(net().size, dtype=torch.float64)
    return torch.stack(
        [
            own.scale * (own.jacobian.left(own.inverse.detach() @ own.jacobian.right(direction)) + direction)
            for direction in unit
        ]
    )


def gradients(own: Problem, tangent: Tensor, solution: Tensor) -> tuple[Tensor, ...]:
    outer = outer_loss(*own, tangent, LOG_SCALE, REAL)
    implicit = grad(own.problem.implicit(solution, outer.moved), own.leaves)
    return outer.direct[0] + implicit[0], outer.direct[1] + implicit[1], outer.direct[2]


def test_the_loss_is_that_of_the_regression_of_which_the_last_layer_is_solved_for() -> None:
    own, tangent = problem().problem, drawn(net().size, name="tangent") * ~WEIGHTS
    moved = own.moved(tangent)
    weights = own.weights(moved)
    errors = TARGETS - moved - net().features(PARAMETERS, IMAGES) @ weights
    penalty = RIDGE * (weights.square().sum() + tangent.square().sum())
    residual = TARGETS - moved
    loss = own.scale / 2 * ((residual * (own.inverse @ residual)).sum() + tangent.square().sum())
    torch.testing.assert_close(loss, (errors.square().sum() + penalty) / (2 * TARGETS.numel()))
    torch.testing.assert_close(moved.flatten(), rows(IMAGES)[:, : -weights.numel()] @ tangent[~WEIGHTS])


def test_an_exact_solution_has_the_derivatives_of_the_whole_regression() -> None:
    own, wanted = problem(), exact()
    outer = outer_loss(*own, wanted.tangent, LOG_SCALE, REAL)
    torch.testing.assert_close(outer.loss, wanted.loss)
    solution = torch.linalg.solve(curvature(own.problem), outer.to_tangent)
    for found, known in zip(gradients(own, wanted.tangent, solution), wanted.gradients, strict=True):
        torch.testing.assert_close(found, known)
    # Without the implicit part they are others.
    assert (outer.direct[0] - wanted.gradients[0]).norm() > 0.02 * wanted.gradients[0].norm()


def test_steps_begin_at_zero_and_lower_the_loss_and_its_dual() -> None:
    own = problem().problem
    tangent, losses = own.solve(1e-3, 2)
    weights = own.weights(torch.zeros_like(TARGETS))
    residual = TARGETS - net().features(PARAMETERS, IMAGES) @ weights
    first = (residual.square().sum() + RIDGE * weights.square().sum()) / (2 * TARGETS.numel())
    assert losses[0] == pytest.approx(first.item()) and losses[1] < losses[0]
    assert (tangent[WEIGHTS] == 0).all()
    vector = drawn(net().size, name="vector") * ~WEIGHTS
    found, values = own.invert(vector, 1e-3, 3)
    torch.testing.assert_close(found[~WEIGHTS], 3e-3 * vector[~WEIGHTS].sign(), atol=2e-4, rtol=0)
    x = 1e-3 * vector.sign()  # after one step of Adam
    assert values[0] == 0
    assert values[1] == pytest.approx(float(x @ curvature(own) @ x - 2 * x @ vector), rel=1e-4)


def test_more_steps_come_closer_to_the_exact_derivatives() -> None:
    wanted, errors = exact(), list[tuple[float, ...]]()
    for steps in (5, 30, 160):
        own = problem()
        tangent, _ = own.problem.solve(0.02, steps)
        vector = outer_loss(*own, tangent, LOG_SCALE, REAL).to_tangent
        solution, _ = own.problem.invert(vector, 0.3, steps)
        found = gradients(own, tangent, solution)
        pairs = zip((tangent, *found), (wanted.tangent, *wanted.gradients), strict=True)
        errors.append(tuple(float((one - other).norm() / other.norm()) for one, other in pairs))
    for first, second, third in zip(*errors, strict=True):
        assert first > second > third and third < 0.02


def test_the_stable_rate_is_below_the_first_at_which_values_rise() -> None:
    tried = list[float]()

    def values(rate: float) -> Tensor:
        tried.append(rate)
        return torch.tensor([1.0, 0.5, 0.2 if rate < 1e-3 else 0.6])

    # 1e-5 * 1.2**25 is below 1e-3, 1e-5 * 1.2**26 is above.
    assert stable_rate(1e-5, values) == pytest.approx(0.84 * 1e-5 * 1.2**26)
    assert len(tried) < 14
