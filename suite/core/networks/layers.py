"""The layers that networks are made of: pure functions of their own parameters and a batch.

A layer comes in one of two forms that give the same numbers to rounding. The plain one calls torch's
kernels, which is fastest one call at a time. The written one spells out what a compiler fuses well
and what can be differentiated twice in either direction.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, group_norm, linear, max_pool2d, pad, relu

Own = Sequence[Tensor]
Shapes = tuple[tuple[int, ...], ...]

_EPS = 1e-5  # of a norm's variance, torch's default
_NARROW = 16  # and up to so many it is a product of matrices, beyond a convolution of one pixel
_FEW = 32  # up to so many inputs of one output, a convolution is faster as a product with patches


@dataclass(frozen=True)
class Lowering:
    """How layers are computed.

    written: spelt out, for a compiler; operands: the type to which a product's operands are rounded
    (results and all else stay as they are), None for none.
    """

    written: bool = False
    operands: torch.dtype | None = None


PLAIN = Lowering()


@dataclass(frozen=True)
class Layer:
    """A pure function of its own parameters and a batch, and the shapes of those parameters."""

    apply: Callable[[Own, Tensor], Tensor]
    shapes: Shapes = ()
    scale: bool = False  # a norm's scale and shift, which start at one and zero
    parts: tuple["Layer", ...] = ()  # of a chain or a sum, whose shapes are theirs in this order
    sums: bool = False  # whether the parts read the same batch and are summed

    def initialise(self, rng: torch.Generator) -> list[Tensor]:
        """Draw fresh parameters as torch's layers do by default."""
        if self.parts:
            return [part for layer in self.parts for part in layer.initialise(rng)]
        if self.scale:
            return [torch.ones(self.shapes[0]), torch.zeros(self.shapes[1])]
        if not self.shapes:
            return []
        bound = torch.Size(self.shapes[0][1:]).numel() ** -0.5  # uniform within 1/sqrt(fan in)
        return [(torch.rand(shape, generator=rng) * 2 - 1) * bound for shape in self.shapes]


def chain(*layers: Layer) -> Layer:
    """Return layers one after the other as one."""

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


def apply_with_hook(layer: Layer, own: Own, x: Tensor, watch: Callable[[Layer, Tensor], None]) -> Tensor:
    """Apply a layer, and show `watch` each layer in it without parts, and what that gives, in their order."""
    shares = _shares(layer.parts, own)
    if layer.sums:
        first, *others = [apply_with_hook(part, mine, x, watch) for part, mine in shares]
        return sum(others, start=first)
    if layer.parts:
        for part, mine in shares:
            x = apply_with_hook(part, mine, x, watch)
        return x
    x = layer.apply(own, x)
    watch(layer, x)
    return x


def convolution(
    inputs: int,
    outputs: int,
    *,
    padding: int,
    bias: bool,
    kernel: int = 3,
    stride: int = 1,
    form: Lowering = PLAIN,
) -> Layer:
    """Return a convolution with square filters."""
    weight = (outputs, inputs, kernel, kernel)
    few = inputs * kernel**2 <= _FEW and stride == 1
    product = _as_patches if form.written and few else _as_convolution(stride)

    def apply(own: Own, x: Tensor) -> Tensor:
        result = _rounded(product, form)(x, own[0], padding)
        return result + own[1][:, None, None] if bias else result

    if not form.written and form.operands is None:
        return Layer(
            lambda own, x: conv2d(x, own[0], own[1] if bias else None, stride=stride, padding=padding),
            (weight, (outputs,)) if bias else (weight,),
        )
    return Layer(apply, (weight, (outputs,)) if bias else (weight,))


def dense(inputs: int, outputs: int, form: Lowering = PLAIN) -> Layer:
    """Return a fully connected layer."""
    shapes = ((outputs, inputs), (outputs,))
    if form.operands is None:
        return Layer(lambda own, x: linear(x, own[0], own[1]), shapes)
    product = _rounded(lambda x, weight, _: linear(x, weight), form)
    return Layer(lambda own, x: product(x, own[0], 0) + own[1], shapes)


def norm(kind: str, channels: int, form: Lowering = PLAIN) -> list[Layer]:
    """Return the norm called `in` (of each channel), `ln` (of all channels at once) or `none`."""
    groups = {"in": channels, "ln": 1}
    if kind not in groups:
        return []

    def plain(own: Own, x: Tensor) -> Tensor:
        return group_norm(x, groups[kind], own[0], own[1])

    def written(own: Own, x: Tensor) -> Tensor:
        axes = (2, 3) if kind == "in" else (1, 2, 3)
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        # As scale and shift of a plane: the way back then sums over each plane twice instead of four times.
        scale = torch.rsqrt(variance + _EPS) * own[0][:, None, None]
        return x * scale + (own[1][:, None, None] - mean * scale)

    return [Layer(written if form.written else plain, ((channels,), (channels,)), scale=True)]


def max_pool(form: Lowering = PLAIN) -> Layer:
    """Return the maxima of 2x2 pixels."""
    return Layer(lambda _, x: _maxima(x) if form.written else max_pool2d(x, 2))


RELU = Layer(lambda _, x: relu(x))
AVG_POOL = Layer(lambda _, x: avg_pool2d(x, 2))
SUBSAMPLE = Layer(lambda _, x: x[..., ::2, ::2])
GLOBAL_AVG_POOL = Layer(lambda _, x: x.mean((2, 3)))
FLATTEN = Layer(lambda _, x: x.flatten(1))


def _composite(
    apply: Callable[[Own, Tensor], Tensor], parts: tuple[Layer, ...], *, sums: bool = False
) -> Layer:
    shapes = tuple(shape for part in parts for shape in part.shapes)
    return Layer(apply, shapes, parts=parts, sums=sums)


def _shares(parts: Sequence[Layer], own: Own) -> Iterator[tuple[Layer, Own]]:
    """Yield each part of a composite with its own parameters."""
    start = 0
    for part in parts:
        yield part, own[start : start + len(part.shapes)]
        start += len(part.shapes)


def _maxima(x: Tensor) -> Tensor:
    """Return the maxima of 2x2 pixels; the gradient is the first one's where several are equal.

    So it is in `max_pool2d`, which a compiler does not fuse. NaN counts as largest, as there.
    """
    x = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
    best = x[..., ::2, ::2]
    for i, j in ((0, 1), (1, 0), (1, 1)):
        other = x[..., i::2, j::2]
        best = torch.where((other > best) | other.isnan(), other, best)
    return best


def _as_convolution(stride: int) -> Callable[[Tensor, Tensor, int], Tensor]:
    return lambda x, weight, padding: conv2d(x, weight, stride=stride, padding=padding)


def _as_patches(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve as a product of all patches as large as a filter; the result lies channels-last.

    Libraries are slow on one to three input channels: on a CPU by a factor of five.
    """
    x = pad(x, (padding,) * 4).permute(0, 2, 3, 1)
    side = weight.shape[-1]
    height, width = x.shape[1] - side + 1, x.shape[2] - side + 1
    patches = torch.cat([x[:, i : i + height, j : j + width] for i in range(side) for j in range(side)], 3)
    # Contiguous, so that the gradient's product runs along its long side.
    filters = weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()
    if len(filters) > _NARROW:
        return conv2d(patches.permute(0, 3, 1, 2), filters.t()[:, :, None, None])
    return (patches.flatten(0, 2) @ filters).view(*patches.shape[:3], -1).permute(0, 3, 1, 2)


def _rounded(
    product: Callable[[Tensor, Tensor, int], Tensor], form: Lowering
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Return `product` with its operands rounded, and its result in the type of its input."""
    kind = form.operands
    if kind is None:
        return product
    return lambda x, weight, padding: product(x.to(kind), weight.to(kind), padding).to(x.dtype)
