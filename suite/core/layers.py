"""The layers that networks are made of: pure functions of their own parameters and a batch.

A layer comes in one of two forms that give the same numbers to rounding. The plain one calls torch's
kernels, which is fastest one call at a time. The written one spells out what a compiler fuses well
and what can be differentiated twice in either direction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, group_norm, linear, pad, relu

Own = Sequence[Tensor]
Shapes = tuple[tuple[int, ...], ...]

_EPS = 1e-5  # of a norm's variance, torch's default
_FEW = 32  # up to so many inputs of one output, a convolution is faster as one matrix product


@dataclass(frozen=True)
class Form:
    """How layers are computed.

    written: spelt out, for a compiler; operands: the type to which a product's operands are rounded
    (results and all else stay as they are), None for none.
    """

    written: bool = False
    operands: torch.dtype | None = None


PLAIN = Form()


@dataclass(frozen=True)
class Layer:
    """A pure function of its own parameters and a batch, and the shapes of those parameters."""

    apply: Callable[[Own, Tensor], Tensor]
    shapes: Shapes = ()
    scale: bool = False  # a norm's scale and shift, which start at one and zero
    parts: tuple["Layer", ...] = ()  # of a chain

    def initialise(self, draw: torch.Generator) -> list[Tensor]:
        """Draw fresh parameters as torch's layers do by default."""
        if self.parts:
            return [part for layer in self.parts for part in layer.initialise(draw)]
        if self.scale:
            return [torch.ones(self.shapes[0]), torch.zeros(self.shapes[1])]
        if not self.shapes:
            return []
        bound = torch.Size(self.shapes[0][1:]).numel() ** -0.5  # uniform within 1/sqrt(fan in)
        return [(torch.rand(shape, generator=draw) * 2 - 1) * bound for shape in self.shapes]


def chain(*layers: Layer) -> Layer:
    """Return layers one after the other as one."""

    def apply(own: Own, x: Tensor) -> Tensor:
        start = 0
        for layer in layers:
            x = layer.apply(own[start : start + len(layer.shapes)], x)
            start += len(layer.shapes)
        return x

    return Layer(apply, tuple(shape for layer in layers for shape in layer.shapes), parts=layers)


def convolution(inputs: int, outputs: int, *, padding: int, bias: bool, form: Form = PLAIN) -> Layer:
    """Return a 3x3 convolution."""
    weight = (outputs, inputs, 3, 3)
    product = _as_patches if form.written and inputs * 9 <= _FEW else _as_convolution

    def apply(own: Own, x: Tensor) -> Tensor:
        result = _rounded(product, form)(x, own[0], padding)
        return result + own[1][:, None, None] if bias else result

    if not form.written and form.operands is None:
        return Layer(
            lambda own, x: conv2d(x, own[0], own[1] if bias else None, padding=padding),
            (weight, (outputs,)) if bias else (weight,),
        )
    return Layer(apply, (weight, (outputs,)) if bias else (weight,))


def dense(inputs: int, outputs: int, form: Form = PLAIN) -> Layer:
    """Return a fully connected layer."""
    shapes = ((outputs, inputs), (outputs,))
    if form.operands is None:
        return Layer(lambda own, x: linear(x, own[0], own[1]), shapes)
    product = _rounded(lambda x, weight, _: linear(x, weight), form)
    return Layer(lambda own, x: product(x, own[0], 0) + own[1], shapes)


def norm(kind: str, channels: int, form: Form = PLAIN) -> list[Layer]:
    """Return the norm called `in` (of each channel), `ln` (of all channels at once) or `none`."""
    groups = {"in": channels, "ln": 1}
    if kind not in groups:
        return []

    def plain(own: Own, x: Tensor) -> Tensor:
        return group_norm(x, groups[kind], own[0], own[1])

    def written(own: Own, x: Tensor) -> Tensor:
        axes = (2, 3) if kind == "in" else (1, 2, 3)
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        scaled = (x - mean) * torch.rsqrt(variance + _EPS)
        return scaled * own[0][:, None, None] + own[1][:, None, None]

    return [Layer(written if form.written else plain, ((channels,), (channels,)), scale=True)]


RELU = Layer(lambda _, x: relu(x))
HALVE = Layer(lambda _, x: avg_pool2d(x, 2))
FLATTEN = Layer(lambda _, x: x.flatten(1))


def _as_convolution(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    return conv2d(x, weight, padding=padding)


def _as_patches(x: Tensor, weight: Tensor, padding: int) -> Tensor:
    """Convolve by one matrix product of all 3x3 patches; the result lies channels-last.

    Libraries are slow on one to three input channels: on a CPU by a factor of five.
    """
    x = pad(x, (padding,) * 4).permute(0, 2, 3, 1)
    height, width = x.shape[1] - 2, x.shape[2] - 2
    patches = torch.cat([x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)], 3)
    # Contiguous, so that the gradient's product runs along its long side.
    filters = weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()
    return (patches.flatten(0, 2) @ filters).view(*patches.shape[:3], -1).permute(0, 3, 1, 2)


def _rounded(
    product: Callable[[Tensor, Tensor, int], Tensor], form: Form
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Return `product` with its operands rounded, and its result in the type of its input."""
    kind = form.operands
    if kind is None:
        return product
    return lambda x, weight, padding: product(x.to(kind), weight.to(kind), padding).to(x.dtype)
