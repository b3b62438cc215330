"""Training on a set as a convex problem: a linearised network, whose last layer is solved for.

RCIG: Loo, Hasani, Lechner and Rus, "Dataset distillation with convexified implicit gradients", ICML 2023,
arXiv 2302.06755. A network at its parameters has features h and a derivative J of its outputs for all
parameters but the last layer's weights. A tangent τ, and new weights W of the features, predict
J(x) τ + h(x) W. Given τ, the best W on a set (X, Y) is that of ridge regression,

    W = h(X)ᵀ M (Y - J(X) τ)    where M = (h(X) h(X)ᵀ + ridge)⁻¹.

Put into the regularised squared error of n images and c classes, it leaves a quadratic loss of τ,

    L(τ) = ridge / (2 n c) (<Y - J(X) τ, M (Y - J(X) τ)> + |τ|²).

The derivative of an outer loss for X and Y at the τ that minimises L follows by implicit differentiation.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import grad
from torch.func import jvp
from torch.nn.functional import cross_entropy, linear

from suite.core.engine.classification import CHUNK
from suite.core.engine.optimisers import Adam, Scalar
from suite.core.examples import Examples
from suite.core.networks.named import Network
from suite.core.training.regression import label_margin

Slope = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A value to be made small, and its gradient (size,), at (size,)."""

ADAM = Adam()
COARSE, FINE = 1.2**8, 1.2


class Jacobian:
    """Products with the derivative J of outputs (n, classes) for parameters (size,), by backward passes."""

    def __init__(self, outputs: Tensor, parameters: Tensor) -> None:
        self.outputs, self.parameters = outputs, parameters
        # Jᵀ u is linear in u, so its derivative for u is J.
        self.factor = torch.zeros_like(outputs, requires_grad=True)
        (self.pulled,) = grad(outputs, parameters, self.factor, create_graph=True)

    def right(self, direction: Tensor, *, deeper: bool = False) -> Tensor:
        """Return J direction (n, classes); deeper: differentiable for what the outputs were made of."""
        return grad(self.pulled, self.factor, direction, retain_graph=True, create_graph=deeper)[0]

    def left(self, cotangent: Tensor) -> Tensor:
        """Return Jᵀ cotangent (size,)."""
        return grad(self.outputs, self.parameters, cotangent, retain_graph=True)[0]


class ConvexProblem:
    """The convex training of a network at `parameters` (size,) on images (n, …) and targets (n, classes).

    Images and targets may require gradients. Products with kernels are in float64, since the ridge is below
    float32's rounding. Nothing waits for the device.
    """

    def __init__(
        self, network: Network, parameters: Tensor, images: Tensor, targets: Tensor, ridge: float
    ) -> None:
        self.network, self.parameters = network, parameters.detach().requires_grad_()
        outputs, features = _outputs(network, self.parameters, images)
        self.jacobian = Jacobian(outputs, self.parameters)
        self.features, self.targets = features.double(), targets.double()
        self.scale, kernel = ridge / targets.numel(), self.features @ self.features.T
        floor = ridge * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
        self.inverse = torch.linalg.inv_ex(kernel + floor).inverse

    def solve(self, lr: Scalar, steps: int) -> tuple[Tensor, Tensor]:
        """Take `steps` steps of Adam from τ = 0; return τ (size,) and the loss before each step (steps,)."""
        inverse, targets = self.inverse.detach(), self.targets.detach()

        def slope(tangent: Tensor) -> tuple[Tensor, Tensor]:
            residual = targets - self.jacobian.right(tangent)
            weighted = inverse @ residual
            loss = self.scale / 2 * ((residual * weighted).sum() + tangent.square().sum())
            return loss, self.scale * (tangent - self.jacobian.left(weighted.to(tangent)))

        return _descend(slope, self.parameters, lr, steps)

    def invert(self, vector: Tensor, lr: Scalar, steps: int) -> tuple[Tensor, Tensor]:
        """Take `steps` steps of Adam towards H⁻¹ vector (size,), where H has the second derivatives of L.

        They begin at zero, and lower <x, H x - 2 vector>, whose values before each step (steps,) are
        returned, too.
        """
        inverse = self.inverse.detach()

        def slope(x: Tensor) -> tuple[Tensor, Tensor]:
            curved = self.jacobian.left((inverse @ self.jacobian.right(x).double()).to(x))
            product = self.scale * (curved + x)
            return (x * (product - 2 * vector)).sum(), product - vector

        return _descend(slope, self.parameters, lr, steps)

    def moved(self, tangent: Tensor) -> Tensor:
        """Return J(X) τ (n, classes), differentiable for the images."""
        return self.jacobian.right(tangent, deeper=True)

    def weights(self, moved: Tensor) -> Tensor:
        """Return W (d, classes), given J(X) τ (n, classes); differentiable for it, images and targets."""
        found: Tensor = self.features.T @ (self.inverse @ (self.targets - moved))
        return found.to(moved)

    def implicit(self, direction: Tensor, moved: Tensor) -> Tensor:
        """Return -<direction, ∂L/∂τ> up to a constant, differentiable for the images and the targets.

        direction: (size,); moved: J(X) τ (n, classes). If the direction is H⁻¹ g, where g is the derivative
        of an outer loss for τ, the derivatives are those that this loss has through τ.
        """
        weighted: Tensor = self.inverse @ (self.targets - moved)
        return self.scale * (self.moved(direction) * weighted).sum()

    def linear_part(self, tangent: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return J(x) τ (m, classes) and the features (m, d) of images (m, …), without gradients."""
        parameters, size = self.parameters.detach(), CHUNK[images.device.type]
        found = list[tuple[Tensor, Tensor]]()
        with torch.no_grad():
            for seen in images.split(size):
                point = partial(_outputs, self.network, images=seen)
                (_, features), (moved, _) = jvp(point, (parameters,), (tangent,))[:2]
                found.append((moved, features))
        moved, features = (torch.cat(parts) for parts in zip(*found, strict=True))
        return moved, features

    def pull_back(self, images: Tensor, cotangent: Tensor) -> Tensor:
        """Return J(x)ᵀ cotangent (size,) for images (m, …) and a cotangent (m, classes)."""
        total, batch = torch.zeros_like(self.parameters), CHUNK[images.device.type]
        for seen, given in zip(images.split(batch), cotangent.split(batch), strict=True):
            outputs, _ = _outputs(self.network, self.parameters, seen)
            total += grad(outputs, self.parameters, given)[0]
        return total


class Outer(NamedTuple):
    """The outer loss at a tangent and its derivatives.

    scores: of the real batch (m, classes); moved: J(X) τ (n, classes); direct: for images (n, …), targets
    (n, classes) and the logarithm of Platt's scale (1,), at a constant tangent; to_tangent: (size,).
    """

    loss: Tensor
    scores: Tensor
    moved: Tensor
    direct: tuple[Tensor, ...]
    to_tangent: Tensor


def outer_loss(
    problem: ConvexProblem, leaves: Sequence[Tensor], tangent: Tensor, log_scale: Tensor, real: Examples
) -> Outer:
    """Return the Platt-scaled cross-entropy of a real batch, less the margin of the targets.

    leaves: the images and targets of which those of `problem` are made. Targets lead by 1 / (2 classes).
    """
    offsets, features = problem.linear_part(tangent, real.images)
    log_scale, offsets = (value.detach().requires_grad_() for value in (log_scale, offsets))
    moved = problem.moved(tangent)
    scores = offsets + features @ problem.weights(moved)
    loss = cross_entropy(log_scale.exp() * scores, real.labels)
    margin = label_margin(leaves[1], 1 / (2 * real.classes))
    sources = (*leaves, log_scale, moved, offsets)
    *direct, to_moved, to_offsets = grad(loss - margin, sources, retain_graph=True)
    to_tangent = problem.jacobian.left(to_moved) + problem.pull_back(real.images, to_offsets)
    return Outer(loss.detach(), scores.detach(), moved, tuple(direct), to_tangent)


def stable_rate(lr: float, values: Callable[[float], Tensor]) -> float:
    """Return .84 times the first rate of …, lr, 1.2 lr, … at which the values (steps,) do not always fall.

    The host waits for the device.
    """

    def falls(rate: float) -> bool:
        return bool((values(rate).diff() < 0).all())

    # First in large steps, since rates below a stable one are stable.
    while falls(lr):
        lr *= COARSE
    lr /= COARSE
    while falls(lr):
        lr *= FINE
    return 0.84 * lr


def _outputs(network: Network, parameters: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits (n, classes), constant in the last layer's weights, and the features (n, d)."""
    features = network.features(parameters, images)
    weights, bias = network.pieces(parameters)[-1]
    return linear(features, weights.detach(), bias), features


def _descend(slope: Slope, like: Tensor, lr: Scalar, steps: int) -> tuple[Tensor, Tensor]:
    """Return the point (size,) after steps of Adam from zero, and the values before them (steps,)."""
    state, values = ADAM.start(torch.zeros_like(like)), list[Tensor]()
    for step in range(1, steps + 1):
        value, gradient = slope(state[0])
        values.append(value)
        state = ADAM.update(state, gradient, lr, ADAM.corrections(step))
    return state[0], torch.stack(values)
