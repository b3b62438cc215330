"""Networks by name, as pure functions of one flat parameter vector.

Names say everything that changes a number: `convnet-d3-w128-in` is the field's ConvNet of three
blocks, width 128 and instance norm; `resnet18-w64-in`, `vgg11-w64-in` and `alexnet-w128-none` are
the larger ones at full width; `mlp-w128` is the perceptron with two hidden layers.
Norms: `in` instance norm, `ln` layer norm (one group), `none`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor

from suite.core.names import Table
from suite.core.networks.architectures import Shape, alexnet, convnet, mlp, resnet18, vgg11
from suite.core.networks.layers import PLAIN, RELU, Layer, Lowering, apply_with_hook

__all__ = ["STANDARD", "Layer", "Network", "Shape", "network"]

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

    def initialise(self, rng: torch.Generator, device: torch.device | None = None) -> Tensor:
        """Draw fresh parameters (size,)."""
        parts = [part.flatten() for layer in self.layers for part in layer.initialise(rng)]
        return torch.cat(parts).to(device or torch.device("cpu"))

    def logits(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of `images` (n, channels, height, width)."""
        return self._apply(self.layers, parameters, images)

    def features(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the embedding (n, d) that the last layer reads."""
        return self._apply(self.layers[:-1], parameters, images)

    def activations(self, parameters: Tensor, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what each ReLU gives, in their order, and the embedding (n, d)."""
        seen: list[Tensor] = []

        def watch(layer: Layer, found: Tensor) -> None:
            if layer is RELU:
                seen.append(found)

        for layer, own in zip(self.layers[:-1], self.pieces(parameters), strict=False):
            images = apply_with_hook(layer, own, images, watch)
        return seen, images

    def pieces(self, parameters: Tensor) -> list[tuple[Tensor, ...]]:
        """Return views of `parameters` (size,): for each layer its own, in their shapes."""
        sizes = [torch.Size(shape).numel() for layer in self.layers for shape in layer.shapes]
        flat = iter(parameters.split(sizes))
        return [tuple(next(flat).view(shape) for shape in layer.shapes) for layer in self.layers]

    def outputs(self, batch: int) -> float:
        """Return how many numbers a layer gives on `batch` images, on average over layers."""
        images, counts = torch.empty(batch, *self.shape, device="meta"), list[int]()
        for layer, own in zip(self.layers, self.pieces(images.new_empty(self.size)), strict=True):
            images = apply_with_hook(layer, own, images, lambda _, found: counts.append(found.numel()))
        return sum(counts) / len(counts)

    def _apply(self, layers: Sequence[Layer], parameters: Tensor, images: Tensor) -> Tensor:
        for layer, own in zip(layers, self.pieces(parameters), strict=False):
            images = layer.apply(own, images)
        return images


NETWORKS: Table[Callable[..., list[Layer]]] = Table(
    "network",
    {
        r"convnet-d([1-9])-w([1-9]\d*)-(in|ln|none)": convnet,
        r"resnet18-w([1-9]\d*)-(in|ln|none)": resnet18,
        r"vgg11-w([1-9]\d*)-(in|ln|none)": vgg11,
        r"alexnet-w([1-9]\d*)-(in|ln|none)": alexnet,
        r"mlp-w([1-9]\d*)": mlp,
    },
)
EXAMPLES = (
    STANDARD,
    "convnet-d3-w32-in",
    "convnet-d4-w128-in",
    "convnet-d2-w32-in",
    "resnet18-w64-in",
    "vgg11-w64-in",
    "alexnet-w128-in",
    "mlp-w128",
)


def network(name: str, shape: Shape, classes: int, form: Lowering = PLAIN) -> Network:
    """Return the architecture called `name` for images of `shape` (channels, height, width).

    form: how its layers are computed; their numbers are the same to rounding.
    Raises ValueError for a name of no known form, or images too small for its depth.
    """
    for pattern, build in NETWORKS.items():
        if match := re.fullmatch(pattern, name):
            return Network(name, shape, classes, tuple(build(form, shape, classes, *match.groups())))
    if "bn" in name.split("-"):
        raise ValueError(
            "batch norm keeps running statistics, which a differentiated unroll cannot hold;"
            f" use {_nearest(re.sub('-bn(?=-|$)', '-in', name))!r}"
        )
    raise ValueError(f"unknown network {name!r}; names look like {_nearest(name)!r}")


def _nearest(name: str) -> str:
    """Return `name` if it has a known form, or else the example nearest to it."""
    if any(re.fullmatch(pattern, name) for pattern in NETWORKS):
        return name
    return (get_close_matches(name, EXAMPLES, n=1, cutoff=0.3) or EXAMPLES)[0]
