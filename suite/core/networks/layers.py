"""The layers of networks: pure functions of their parameters and a batch.

A layer has one of two lowerings, which give the same numbers up to rounding. The plain lowering calls torch's
kernels, which is fastest without a compiler. The decomposed lowering uses operations that a compiler can fuse
and that can be differentiated twice, forward or in reverse.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import (
    avg_pool2d,
    batch_norm,
    conv2d,
    group_norm,
    linear,
    max_pool2d,
    pad,
    relu,
    softplus,
)

Own = Sequence[Tensor]
"""A layer's parameters, followed by running statistics if it normalises by them."""

Shapes = tuple[tuple[int, ...], ...]
Hook = Callable[["Layer", Tensor, Tensor], None]
"""Called with a layer without parts, its input and its output."""

_EPS = 1e-5  # of a norm's variance, torch's default
_NARROW = 16  # filters up to this length are multiplied with patches; longer ones are 1x1 convolutions
_FEW = 32  # with at most this number of inputs per output, a product with patches is faster


@dataclass(frozen=True)
class Lowering:
    """How layers are computed.

    decomposed: with operations for a compiler; patches: with convolutions of few channels as products with
    patches, which only a CPU gains from; dtype: the type to which the operands of a product are rounded (all
    other values keep their type), None for no rounding.
    """

    decomposed: bool = False
    patches: bool = True
    dtype: torch.dtype | None = None


PLAIN = Lowering()


@dataclass(frozen=True)
class Layer:
    """A pure function of its parameters and a batch, with the shapes of the parameters.

    scale: whether the parameters are a norm's scale and shift, which start at one and zero; parts: the layers
    of a chain or a sum, whose shapes are concatenated in this order; sums: whether the parts read the same
    batch and are summed; statistics: the shapes of a batch norm's running mean and variance, which `apply`
    uses if they follow its parameters.
    """

    apply: Callable[[Own, Tensor], Tensor]
    shapes: Shapes = ()
    scale: bool = False
    parts: tuple["Layer", ...] = ()
    sums: bool = False
    statistics: Shapes = ()

    def initialise(self, rng: torch.Generator) -> list[Tensor]:
        """Sample fresh parameters as torch's layers do by default."""
        if self.parts:
            return [part for layer in self.parts for part in layer.initialise(rng)]
        if self.scale:
            return [torch.ones(self.shapes[0]), torch.zeros(self.shapes[1])]
        if not self.shapes:
            return []
        bound = torch.Size(self.shapes[0][1:]).numel() ** -0.5  # uniform within 1/sqrt(fan in)
        return [(torch.rand(shape, generator=rng) * 2 - 1) * bound for shape in self.shapes]


def chain(*layers: Layer) -> Layer:
    """Return a layer that applies layers one after the other."""

    def apply(own: Own, x: Tensor) -> Tensor:
        for layer, mine in _shares(layers, own):
            x = layer.apply(mine, x)
        return x

    return _composite(apply, layers)


def add(*branches: Layer) -> Layer:
    """Return the sum of branches that read the same batch; `chain()` is the batch itself."""

    def apply(own: Own, x: Tensor) -> Tensor:
        first, *others = (branch.apply(mine, x) for branch, mine in _shares(branches, own))
        return sum(others, start=first)

    return _composite(apply, branches, sums=True)


def apply_with_hook(layer: Layer, own: Own, x: Tensor, hook: Hook) -> Tensor:
    """Apply a layer, and call `hook` for each of its layers without parts, in order."""
    shares = _shares(layer.parts, own)
    if layer.sums:
        first, *others = [apply_with_hook(part, mine, x, hook) for part, mine in shares]
        return sum(others, start=first)
    if layer.parts:
        for part, mine in shares:
            x = apply_with_hook(part, mine, x, hook)
        return x
    result = layer.apply(own, x)
    hook(layer, x, result)
    return result


def convolution(
    inputs: int,
    outputs: int,
    *,
    padding: int,
    bias: bool,
    kernel: int = 3,
    stride: int = 1,
    lowering: Lowering = PLAIN,
) -> Layer:
    """Return a convolution with square filters."""
    weight = (outputs, inputs, kernel, kernel)
    shapes: Shapes = (weight, (outputs,)) if bias else (weight,)
    if not lowering.decomposed and lowering.dtype is None:
        return Layer(
            lambda own, x: conv2d(x, own[0], own[1] if bias else None, stride=stride, padding=padding), shapes
        )
    few = lowering.patches and inputs * kernel**2 <= _FEW and stride == 1
    product = _as_patches if lowering.decomposed and few else _as_convolution(stride)

    def apply(own: Own, x: Tensor) -> Tensor:
        result = _rounded(product, lowering)(x, own[0], padding)
        return result + own[1][:, None, None] if bias else result

    return Layer(apply, shapes)


def dense(inputs: int, outputs: int, lowering: Lowering = PLAIN) -> Layer:
    """Return a fully connected layer."""
    shapes = ((outputs, inputs), (outputs,))
    if lowering.dtype is None:
        return Layer(lambda own, x: linear(x, own[0], own[1]), shapes)
    product = _rounded(lambda x, weight, _: linear(x, weight), lowering)
    return Layer(lambda own, x: product(x, own[0], 0) + own[1], shapes)


def norm(kind: str, channels: int, lowering: Lowering = PLAIN) -> list[Layer]:
    """Return the norm named `in` (of each channel), `ln` (of all channels), `bn` (batch norm) or `none`.

    Scale and shift are of each channel; the layer norm of the field's ConvNet has them for each element.
    """
    groups, scale_and_shift = {"in": channels, "ln": 1}, ((channels,), (channels,))
    if kind == "bn":
        apply = _batch_norm_decomposed if lowering.decomposed else _batch_norm
        return [Layer(apply, scale_and_shift, scale=True, statistics=scale_and_shift)]
    if kind not in groups:
        return []

    def plain(own: Own, x: Tensor) -> Tensor:
        return group_norm(x, groups[kind], own[0], own[1])

    def decomposed(own: Own, x: Tensor) -> Tensor:
        axes = (2, 3) if kind == "in" else (1, 2, 3)
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        return _normalised(own, x, mean, variance)

    return [Layer(decomposed if lowering.decomposed else plain, scale_and_shift, scale=True)]


def max_pool(lowering: Lowering = PLAIN, *, kernel: int = 2, padding: int = 0) -> Layer:
    """Return the maxima of squares of pixels, two pixels apart."""
    if lowering.decomposed:
        return Layer(lambda _, x: _maxima(x, kernel, padding))
    return Layer(lambda _, x: max_pool2d(x, kernel, 2, padding))


RELU = Layer(lambda _, x: relu(x))
AVG_POOL = Layer(lambda _, x: avg_pool2d(x, 2))
SUBSAMPLE = Layer(lambda _, x: x[..., ::2, ::2])
GLOBAL_AVG_POOL = Layer(lambda _, x: x.mean((2, 3)))
FLATTEN = Layer(lambda _, x: x.flatten(1))


def with_softplus(layer: Layer, sharpness: float) -> Layer:
    """Return the layer with softplus(sharpness x) / sharpness in place of ReLUs: it is smooth."""
    if layer is RELU:
        return Layer(lambda _, x: softplus(x, sharpness))
    parts = [with_softplus(part, sharpness) for part in layer.parts]
    return (add if layer.sums else chain)(*parts) if parts else layer


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the unbiased variance (channels,) of a batch, which running statistics average."""
    # In two passes, which take a quarter of the time of `var_mean` on a CPU.
    mean = x.mean((0, 2, 3), keepdim=True)
    squares = (x - mean).square().sum((0, 2, 3))
    return mean.flatten(), squares / (x.numel() // x.shape[1] - 1)


def _batch_norm(own: Own, x: Tensor) -> Tensor:
    """Normalise by running statistics if they are given, or else by the batch's."""
    scale, shift, *running = own
    if running:
        return batch_norm(x, running[0], running[1], scale, shift, eps=_EPS)
    _check_values(x)
    return batch_norm(x, None, None, scale, shift, training=True, eps=_EPS)


def _batch_norm_decomposed(own: Own, x: Tensor) -> Tensor:
    if len(own) == 4:
        return _batch_norm(own, x)
    _check_values(x)
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    return _normalised(own, x, mean, variance)


def _check_values(x: Tensor) -> None:
    if x.shape[0] * x.shape[2] * x.shape[3] == 1:
        raise ValueError(
            "batch norm of one value per channel is constant; use a larger batch, or another norm"
        )


def _normalised(own: Own, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    # As scale and shift per plane, so that the derivative sums over each plane twice instead of four times.
    scale = torch.rsqrt(variance + _EPS) * own[0][:, None, None]
    return x * scale + (own[1][:, None, None] - mean * scale)


def _composite(
    apply: Callable[[Own, Tensor], Tensor], parts: tuple[Layer, ...], *, sums: bool = False
) -> Layer:
    shapes = tuple(shape for part in parts for shape in part.shapes)
    statistics = tuple(shape for part in parts for shape in part.statistics)
    return Layer(apply, shapes, parts=parts, sums=sums, statistics=statistics)


def _shares(parts: Sequence[Layer], own: Own) -> Iterator[tuple[Layer, Own]]:
    """Yield each part of a composite layer with its parameters and, if given, statistics."""
    count = sum(len(part.shapes) for part in parts)
    parameters, statistics = iter(own[:count]), iter(own[count:])
    for part in parts:
        mine = islice(parameters, len(part.shapes)), islice(statistics, len(part.statistics))
        yield part, tuple(value for values in mine for value in values)


def _maxima(x: Tensor, kernel: int, padding: int) -> Tensor:
    """Return the maxima of squares of pixels; among equal pixels the first has the gradient.

    This equals `max_pool2d` with a stride of 2, which a compiler does not fuse. NaN counts as largest.
    """
    x = pad(x, [padding] * 4, value=-inf) if padding else x
    height, width = ((side - kernel) // 2 * 2 + 1 for side in x.shape[2:])
    best = x[..., :height:2, :width:2]
    for i, j in list(product(range(kernel), repeat=2))[1:]:
        other = x[..., i : i + height : 2, j : j + width : 2]
        best = torch.where((other > best) | other.isnan(), other, best)
    return best


def _as_convolution(stride: int) -> Callable[[Tensor, Tensor, int], Tensor]:
    return lambda x, weight, padding: conv2d(x, weight, stride=stride, padding=padding)


def _as_patches(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve as a product with all patches of the filter's size; the result is channels-last.

    Libraries are slow for one to three input channels, by a factor of five on a CPU.
    """
    x = pad(x, (padding,) * 4).permute(0, 2, 3, 1)
    side = weight.shape[-1]
    height, width = x.shape[1] - side + 1, x.shape[2] - side + 1
    patches = torch.cat([x[:, i : i + height, j : j + width] for i in range(side) for j in range(side)], 3)
    # Contiguous, so that the product in the gradient runs along the long side.
    filters = weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()
    if len(filters) > _NARROW:
        return conv2d(patches.permute(0, 3, 1, 2), filters.t()[:, :, None, None])
    return (patches.flatten(0, 2) @ filters).view(*patches.shape[:3], -1).permute(0, 3, 1, 2)


def _rounded(
    product: Callable[[Tensor, Tensor, int], Tensor], lowering: Lowering
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Return `product` with its operands rounded, and its result in the type of its input."""
    kind = lowering.dtype
    if kind is None:
        return product
    return lambda x, weight, padding: product(x.to(kind), weight.to(kind), padding).to(x.dtype)
