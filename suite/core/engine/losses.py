"""Training losses with gradients and second derivatives, as an unroll needs them.

Both classes are pure functions of (parameters, batch) and give the same numbers. `AutogradLoss` takes any
scalar function. `LayerwiseLoss` uses the layers of a network: it can keep a step's activations for the
backward step instead of computing them again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, jvp, vjp
from torch.nn.functional import cross_entropy

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network

Batch = Sequence[Tensor]
Objective = Callable[[Tensor, Tensor], Tensor]
"""A loss of logits (n, classes) and targets: (n, classes), non-negative, or classes (n,)."""


@cache
def tempered(temperature: float) -> Objective:
    """Return the cross-entropy of targets and logits that are softened by `temperature`.

    Targets are softened before, see `softened`. Up to a constant this is the Kullback-Leibler divergence.
    """

    def objective(logits: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(logits / temperature, targets)

    return objective


def softened(targets: Tensor, temperature: float) -> Tensor:
    """Return probabilities (…, classes) whose logits are divided by `temperature`; one-hot ones stay."""
    raised = targets ** (1 / temperature)
    return raised / raised.sum(-1, keepdim=True)


class Gradient(NamedTuple):
    """∂L/∂θ (size,), the loss, and activations for `hvp`."""

    parameters: Tensor
    loss: Tensor
    kept: tuple[Tensor, ...]


class HessianVectorProduct(NamedTuple):
    """Derivatives of <∂L/∂θ, direction> for θ (size,) and each tensor of the batch; zeros for integers."""

    parameters: Tensor
    batch: tuple[Tensor, ...]


@runtime_checkable
class Loss(Protocol):
    """A scalar of flat parameters (size,) and a batch of tensors, twice differentiable."""

    def gradient(self, parameters: Tensor, batch: Batch) -> Gradient:
        """Return the gradient for the parameters."""
        ...

    def hvp(self, parameters: Tensor, batch: Batch, direction: Tensor, kept: Batch) -> HessianVectorProduct:
        """Return the product of `direction` (size,) with the second derivatives."""
        ...

    def kept_bytes(self, parameters: Tensor, batch: Batch) -> int:
        """Return the bytes of activations that `gradient` keeps for this batch."""
        ...


@dataclass(frozen=True)
class AutogradLoss:
    """Any scalar function (parameters, *batch) -> loss, differentiated twice in reverse."""

    function: Callable[..., Tensor]

    def gradient(self, parameters: Tensor, batch: Batch) -> Gradient:
        """Return the gradient; nothing is kept."""
        found, loss = grad_and_value(self.function)(parameters, *batch)
        return Gradient(found, loss, ())

    def hvp(self, parameters: Tensor, batch: Batch, direction: Tensor, kept: Batch) -> HessianVectorProduct:
        """Return the vjp of the gradient, which is symmetric in the parameters."""
        floating = [index for index, x in enumerate(batch) if x.is_floating_point()]

        def gradient(parameters: Tensor, *given: Tensor) -> Tensor:
            values = dict(zip(floating, given, strict=True))
            found: Tensor = grad(self.function)(parameters, *(values.get(i, x) for i, x in enumerate(batch)))
            return found

        pull = vjp(gradient, parameters, *(batch[index] for index in floating))[1]
        hessian, *products = pull(direction)
        mixed = dict(zip(floating, products, strict=True))
        return HessianVectorProduct(
            hessian, tuple(mixed.get(i, torch.zeros_like(x)) for i, x in enumerate(batch))
        )

    def kept_bytes(self, parameters: Tensor, batch: Batch) -> int:
        """Return 0."""
        return 0


@dataclass(frozen=True)
class LayerwiseLoss:
    """Cross-entropy of a network on (images, soft targets), or another objective, layer by layer.

    The product is the tangent of the backward pass in the parameters' direction (forward over reverse). It
    needs the input and the output's cotangent of each layer, which are kept.
    """

    network: Network
    objective: Objective = cross_entropy

    def gradient(self, parameters: Tensor, batch: Batch) -> Gradient:
        """Return the gradient, and each layer's input and its output's cotangent."""
        images, targets = batch
        self.network.check_images(images)
        layers, own = self.network.layers, self.network.pieces(parameters)
        inputs = [images]
        for layer, mine in zip(layers, own, strict=True):
            inputs.append(layer.apply(mine, inputs[-1]))
        cotangent, loss = grad_and_value(self.objective)(inputs[-1], targets)
        gradients, cotangents = list[Tensor](), [cotangent]
        for layer, mine, seen in zip(layers[::-1], own[::-1], inputs[-2::-1], strict=True):
            found, cotangent = _backward(layer, mine, seen, cotangents[-1])
            gradients.append(found)
            cotangents.append(cotangent)
        # Not kept: images (in the batch), the logits' cotangent (cheap), the images' cotangent (unused).
        return Gradient(torch.cat(gradients[::-1]), loss, (*inputs[1:], *cotangents[-2:0:-1]))

    def hvp(self, parameters: Tensor, batch: Batch, direction: Tensor, kept: Batch) -> HessianVectorProduct:
        """Return the tangent of `gradient`, computed from its kept activations."""
        images, targets = batch
        layers, count = self.network.layers, len(self.network.layers)
        own, along = self.network.pieces(parameters), self.network.pieces(direction)
        inputs, tangents = [images, *kept[:count]], [torch.zeros_like(images)]
        for layer, mine, mine_dot, seen in zip(layers, own, along, inputs, strict=False):
            tangents.append(_forward_tangent(layer, mine, mine_dot, seen, tangents))
        last, dot, to_targets = self._logits_tangent(inputs[-1], tangents[-1], targets)
        cotangents, products = [*kept[count:], last], list[Tensor]()
        for index in reversed(range(count)):
            product, dot = _backward_tangent(
                layers[index],
                (own[index], inputs[index], cotangents[index]),
                (along[index], tangents[index], dot),
                first=index == 0,
            )
            products.append(product)
        return HessianVectorProduct(torch.cat(products[::-1]), (dot, to_targets))

    def _logits_tangent(
        self, logits: Tensor, tangent: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits' cotangent, its tangent, and the tangent of the targets' cotangent."""
        if not targets.is_floating_point():  # classes have no derivative
            by_logits = grad(self.objective)
            found = jvp(lambda scores: by_logits(scores, targets), (logits,), (tangent,))
            return found[0], found[1], torch.zeros_like(targets)
        by_both = grad(self.objective, argnums=(0, 1))
        found = jvp(lambda scores: by_both(scores, targets), (logits,), (tangent,))
        (last, _), (dot, to_targets) = found[0], found[1]
        return last, dot, to_targets

    def kept_bytes(self, parameters: Tensor, batch: Batch) -> int:
        """Return the bytes of activations that `gradient` keeps, without computing them."""
        shapes, *tensors = (torch.empty_like(x, device="meta") for x in (parameters, *batch))
        return sum(x.nbytes for x in self.gradient(shapes, tensors).kept)


@dataclass(frozen=True)
class Flatness:
    """How far training seeks flat minima, by adaptive GSAM: arXiv 2203.08065, arXiv 2102.11600.

    rho: length of the way uphill, on which weights move in proportion to their squares; alpha: share of the
    gradient at the start, orthogonal to that uphill, that is subtracted.
    """

    rho: float
    alpha: float


@dataclass(frozen=True)
class FlatLoss:
    """A loss whose `gradient` is the direction of adaptive GSAM, for training that is not unrolled."""

    inner: Loss
    flatness: Flatness

    def gradient(self, parameters: Tensor, batch: Batch) -> Gradient:
        """Return GSAM's direction, and the loss at the parameters; nothing is kept."""
        found, (rho, alpha) = self.inner.gradient(parameters, batch), (self.flatness.rho, self.flatness.alpha)
        here, tiny = found.parameters, 1e-12
        uphill = rho * parameters.square() * here / ((parameters * here).norm() + tiny)
        there = self.inner.gradient(parameters + uphill, batch).parameters
        cosine = (here * there).sum() / (here.norm() * there.norm() + tiny)
        orthogonal = here - cosine * here.norm() * there / (there.norm() + tiny)
        return Gradient(there - alpha * orthogonal, found.loss, ())

    def hvp(self, parameters: Tensor, batch: Batch, direction: Tensor, kept: Batch) -> HessianVectorProduct:
        """Raise NotImplementedError: the direction is the gradient of no loss."""
        raise NotImplementedError(
            f"a training with {self.flatness} is not differentiated; leave flatness out of a window"
        )

    def kept_bytes(self, parameters: Tensor, batch: Batch) -> int:
        """Return 0."""
        return 0


_Own = tuple[Tensor, ...]
T = TypeVar("T")


def _backward(layer: Layer, own: _Own, seen: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flat gradient of a layer's parameters, and its input's cotangent."""
    found, back = vjp(layer.apply, own, seen)[1](cotangent)
    return torch.cat([seen.new_zeros(0), *(part.flatten() for part in found)]), back


def _forward_tangent(layer: Layer, own: _Own, own_dot: _Own, seen: Tensor, tangents: list[Tensor]) -> Tensor:
    if own and len(tangents) == 1:  # the images do not depend on the parameters
        return _tangent(lambda mine: layer.apply(mine, seen), (own,), (own_dot,))
    return _tangent(layer.apply, (own, seen), (own_dot, tangents[-1]))


def _backward_tangent(
    layer: Layer,
    at: tuple[_Own, Tensor, Tensor],
    along: tuple[_Own, Tensor, Tensor],
    *,
    first: bool,
) -> tuple[Tensor, Tensor]:
    if first:
        (own, seen, cotangent), (own_dot, _, dot) = at, along
        return _tangent(lambda m, c: _backward(layer, m, seen, c), (own, cotangent), (own_dot, dot))
    return _tangent(lambda *values: _backward(layer, *values), at, along)


def _tangent(function: Callable[..., T], at: tuple[object, ...], along: tuple[object, ...]) -> T:
    found: T = jvp(function, at, along)[1]
    return found
