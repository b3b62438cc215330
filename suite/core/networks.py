"""Networks by name, as pure functions of one flat parameter vector.

Names say everything that changes a number: `convnet-d3-w128-in` is the field's ConvNet of three
blocks, width 128 and instance norm; `mlp-w128` the perceptron with two hidden layers.
Norms: `in` instance norm, `ln` layer norm (one group), `none`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, group_norm, linear, relu

Shape = tuple[int, int, int]
STANDARD = "convnet-d3-w128-in"


@dataclass(frozen=True)
class Layer:
    """A pure function of its own parameters and a batch, and the shapes of those parameters."""

    apply: Callable[[Sequence[Tensor], Tensor], Tensor]
    shapes: tuple[tuple[int, ...], ...] = ()
    scale: bool = False  # a norm's scale and shift, which start at one and zero

    def initialise(self, draw: torch.Generator) -> list[Tensor]:
        """Draw fresh parameters as torch's layers do by default."""
        if self.scale:
            return [torch.ones(self.shapes[0]), torch.zeros(self.shapes[1])]
        if not self.shapes:
            return []
        bound = torch.Size(self.shapes[0][1:]).numel() ** -0.5  # uniform within 1/sqrt(fan in)
        return [(torch.rand(shape, generator=draw) * 2 - 1) * bound for shape in self.shapes]


@dataclass(frozen=True)
class Network:
    """An architecture for images of `shape` (channels, height, width); it holds no parameters.

    Parameters are one flat float vector (size,), so that optimisers and their adjoints are a few
    element-wise operations, whatever the architecture. The last layer is the linear classifier.
    """

    name: str
    shape: Shape
    classes: int
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(torch.Size(shape).numel() for layer in self.layers for shape in layer.shapes)

    def initialise(self, draw: torch.Generator, device: torch.device | None = None) -> Tensor:
        """Draw fresh parameters (size,)."""
        parts = [part.flatten() for layer in self.layers for part in layer.initialise(draw)]
        return torch.cat(parts).to(device or torch.device("cpu"))

    def logits(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of `images` (n, channels, height, width)."""
        return self._apply(self.layers, parameters, images)

    def features(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the embedding (n, d) that the last layer reads."""
        return self._apply(self.layers[:-1], parameters, images)

    def _apply(self, layers: Sequence[Layer], parameters: Tensor, images: Tensor) -> Tensor:
        pieces = iter(parameters.split(self._sizes()))
        for layer in layers:
            images = layer.apply([next(pieces).view(shape) for shape in layer.shapes], images)
        return images

    def _sizes(self) -> list[int]:
        return [torch.Size(shape).numel() for layer in self.layers for shape in layer.shapes]


def _conv(inputs: int, outputs: int, *, padding: int, bias: bool) -> Layer:
    shapes: tuple[tuple[int, ...], ...] = (
        ((outputs, inputs, 3, 3), (outputs,)) if bias else ((outputs, inputs, 3, 3),)
    )
    return Layer(lambda own, x: conv2d(x, own[0], own[1] if bias else None, padding=padding), shapes)


def _linear(inputs: int, outputs: int) -> Layer:
    return Layer(lambda own, x: linear(x, own[0], own[1]), ((outputs, inputs), (outputs,)))


def _norm(kind: str, channels: int) -> list[Layer]:
    groups = {"in": channels, "ln": 1}
    if kind not in groups:
        return []
    return [
        Layer(
            lambda own, x: group_norm(x, groups[kind], own[0], own[1]), ((channels,), (channels,)), scale=True
        )
    ]


_RELU = Layer(lambda _, x: relu(x))
_HALVE = Layer(lambda _, x: avg_pool2d(x, 2))
_FLATTEN = Layer(lambda _, x: x.flatten(1))


def _convnet(shape: Shape, classes: int, depth: str, width: str, norm: str) -> list[Layer]:
    channels, height, side = shape
    # As in the field's code: 28x28 digits are padded to 32x32 by the first convolution.
    padding = 3 if shape == (1, 28, 28) else 1
    height, side = height + 2 * (padding - 1), side + 2 * (padding - 1)
    if min(height, side) < 2 ** int(depth):
        raise ValueError(
            f"{height}x{side} images are too small for {depth} blocks that halve them; use fewer"
        )
    layers: list[Layer] = []
    for _ in range(int(depth)):
        # Instance norm subtracts a channel's mean, and with it the convolution's bias: its gradient
        # is zero, and Adam would turn its rounding noise into steps. So there is none.
        layers.append(_conv(channels, int(width), padding=padding, bias=norm != "in"))
        layers += [*_norm(norm, int(width)), _RELU, _HALVE]
        channels, padding, height, side = int(width), 1, height // 2, side // 2
    return [*layers, _FLATTEN, _linear(channels * height * side, classes)]


def _mlp(shape: Shape, classes: int, width: str) -> list[Layer]:
    inputs, hidden = torch.Size(shape).numel(), int(width)
    return [
        _FLATTEN,
        _linear(inputs, hidden),
        _RELU,
        _linear(hidden, hidden),
        _RELU,
        _linear(hidden, classes),
    ]


_ARCHITECTURES: dict[str, Callable[..., list[Layer]]] = {
    r"convnet-d([1-9])-w([1-9]\d*)-(in|ln|none)": _convnet,
    r"mlp-w([1-9]\d*)": _mlp,
}
_EXAMPLES = (STANDARD, "convnet-d3-w32-in", "convnet-d4-w128-in", "convnet-d2-w32-in", "mlp-w128")


def network(name: str, shape: Shape, classes: int) -> Network:
    """Return the architecture called `name` for images of `shape` (channels, height, width).

    Raises ValueError for a name of no known form, or images too small for its depth.
    """
    for pattern, build in _ARCHITECTURES.items():
        if match := re.fullmatch(pattern, name):
            return Network(name, shape, classes, tuple(build(shape, classes, *match.groups())))
    near = get_close_matches(name, _EXAMPLES, n=1, cutoff=0.3)
    raise ValueError(f"unknown network {name!r}; names look like {(near or _EXAMPLES)[0]!r}")
