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

from suite.core.layers import FLATTEN, HALVE, PLAIN, RELU, Form, Layer, chain, convolution, dense, norm

Shape = tuple[int, int, int]
STANDARD = "convnet-d3-w128-in"


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

    def pieces(self, parameters: Tensor) -> list[tuple[Tensor, ...]]:
        """Return views of `parameters` (size,): for each layer its own, in their shapes."""
        sizes = [torch.Size(shape).numel() for layer in self.layers for shape in layer.shapes]
        flat = iter(parameters.split(sizes))
        return [tuple(next(flat).view(shape) for shape in layer.shapes) for layer in self.layers]

    def _apply(self, layers: Sequence[Layer], parameters: Tensor, images: Tensor) -> Tensor:
        for layer, own in zip(layers, self.pieces(parameters), strict=False):
            images = layer.apply(own, images)
        return images


def _convnet(form: Form, shape: Shape, classes: int, depth: str, width: str, kind: str) -> list[Layer]:
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
        bias = kind != "in"
        layers.append(convolution(channels, int(width), padding=padding, bias=bias, form=form))
        layers.append(chain(*norm(kind, int(width), form), RELU, HALVE))
        channels, padding, height, side = int(width), 1, height // 2, side // 2
    return [*layers, FLATTEN, dense(channels * height * side, classes, form)]


def _mlp(form: Form, shape: Shape, classes: int, width: str) -> list[Layer]:
    inputs, hidden = torch.Size(shape).numel(), int(width)
    return [
        FLATTEN,
        dense(inputs, hidden, form),
        RELU,
        dense(hidden, hidden, form),
        RELU,
        dense(hidden, classes, form),
    ]


_ARCHITECTURES: dict[str, Callable[..., list[Layer]]] = {
    r"convnet-d([1-9])-w([1-9]\d*)-(in|ln|none)": _convnet,
    r"mlp-w([1-9]\d*)": _mlp,
}
_EXAMPLES = (STANDARD, "convnet-d3-w32-in", "convnet-d4-w128-in", "convnet-d2-w32-in", "mlp-w128")


def network(name: str, shape: Shape, classes: int, form: Form = PLAIN) -> Network:
    """Return the architecture called `name` for images of `shape` (channels, height, width).

    form: how its layers are computed; their numbers are the same to rounding.
    Raises ValueError for a name of no known form, or images too small for its depth.
    """
    for pattern, build in _ARCHITECTURES.items():
        if match := re.fullmatch(pattern, name):
            return Network(name, shape, classes, tuple(build(form, shape, classes, *match.groups())))
    near = get_close_matches(name, _EXAMPLES, n=1, cutoff=0.3)
    raise ValueError(f"unknown network {name!r}; names look like {(near or _EXAMPLES)[0]!r}")
