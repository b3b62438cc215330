r"""Networks by name, as pure functions of one flat parameter vector.

A name contains everything that affects a result: a family, then its settings. `convnet-d3-w128-in` is the
field's ConvNet of three blocks, width 128 and instance norm; `resnet18-w64-in`, `vgg11-w64-in` and
`alexnet-w128-none` are larger networks at full width; `mlp-w128` is a perceptron with two hidden layers.
Norms: `in` instance norm, `ln` layer norm (one group; its scale and shift are of each channel, in the field's
ConvNet of each element), `bn` batch norm, `none`.

Plug-ins add families to the table `ARCHITECTURES`. The file of a plug-in contains

    NETWORKS = {"wide": Architecture("one hidden layer", r"w(?P<width>[1-9]\d*)", "wide-w64", build)}

and an installed package has the entry point `wide` in the group `ratbench.networks`, with this value. Here
`build(lowering, shape, classes, width="64")` returns the layers of `wide-w64`; the last one must be the
linear classifier.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from suite.core.execution.transfer import send
from suite.core.names import STANDARD_NETWORK, Table, did_you_mean
from suite.core.networks.architectures import Shape as Shape
from suite.core.networks.architectures import alexnet, convnet, mlp, resnet18, resnet18stem7, vgg11
from suite.core.networks.layers import (
    PLAIN,
    RELU,
    Hook,
    Layer,
    Lowering,
    Shapes,
    apply_with_hook,
    batch_statistics,
)

STANDARD = STANDARD_NETWORK


@dataclass(frozen=True)
class Network:
    """An architecture for images of `shape` (channels, height, width); it holds no parameters.

    Parameters are one flat float vector (size,), so that optimisers and their adjoints are a few
    element-wise operations for every architecture. The last layer is the linear classifier.

    Batch norms normalise by their batch, or by running statistics if these follow the parameters in one
    vector (size + statistics_size,), as training returns it. All methods of this class accept both.
    """

    name: str
    shape: Shape
    classes: int
    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(prod(shape) for layer in self.layers for shape in layer.shapes)

    @property
    def statistics_size(self) -> int:
        """Number of running statistics; 0 for a network without batch norm."""
        return sum(prod(shape) for layer in self.layers for shape in layer.statistics)

    @property
    def spans(self) -> tuple[int, ...]:
        """Numbers of consecutive parameters: weights of products, then norms and biases, and so on."""
        found = [0]
        for layer in self.layers:
            for part in _without_parts(layer):
                for shape in part.shapes:
                    other = part.scale or len(shape) == 1
                    if other == len(found) % 2:  # it belongs to the other kind than the last span
                        found.append(0)
                    found[-1] += prod(shape)
        return tuple(found)

    def initialise(self, rng: torch.Generator, device: torch.device | None = None) -> Tensor:
        """Sample fresh parameters (size,)."""
        parts = [part.flatten() for layer in self.layers for part in layer.initialise(rng)]
        return send([torch.cat(parts)], device or torch.device("cpu"))[0]

    def logits(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of `images` (n, channels, height, width)."""
        return self._apply(self.layers, parameters, images)

    def logits_with_hook(self, parameters: Tensor, images: Tensor, hook: Hook) -> Tensor:
        """Return the logits, and call `hook` for each layer without parts, in order."""
        return self._hooked(self.layers, parameters, images, hook)

    def features(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the embedding (n, d), the input of the last layer."""
        return self._apply(self.layers[:-1], parameters, images)

    def activations(self, parameters: Tensor, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the output of each ReLU, in order, and the embedding (n, d)."""
        seen: list[Tensor] = []

        def hook(layer: Layer, _: Tensor, output: Tensor) -> None:
            if layer is RELU:
                seen.append(output)

        return seen, self._hooked(self.layers[:-1], parameters, images, hook)

    def first_statistics(self, device: torch.device | None = None) -> Tensor:
        """Return the running statistics before training (statistics_size,): means 0 and variances 1."""
        shapes = [shape for layer in self.layers for shape in layer.statistics]
        parts = [torch.full(shape, float(index % 2), device=device) for index, shape in enumerate(shapes)]
        return torch.cat([torch.zeros(0, device=device), *parts])

    def update_statistics(
        self, statistics: Tensor, parameters: Tensor, images: Tensor, momentum: float = 0.1
    ) -> Tensor:
        """Return the running statistics (statistics_size,) after a training batch of `images`.

        As in torch, the batch's mean and unbiased variance have weight `momentum`. parameters: (size,) before
        the step.
        """
        measured: list[Tensor] = []

        def hook(layer: Layer, given: Tensor, _: Tensor) -> None:
            if layer.statistics:
                measured.extend(batch_statistics(given))

        self.logits_with_hook(parameters, images, hook)
        return torch.lerp(statistics, torch.cat([statistics[:0], *measured]), momentum)

    def pieces(self, parameters: Tensor) -> list[tuple[Tensor, ...]]:
        """Return for each layer views of its parameters in their shapes, followed by its statistics if given.

        parameters: (size,) or (size + statistics_size,); raises ValueError for any other size.
        """
        if len(parameters) == self.size:
            return _views(parameters, [layer.shapes for layer in self.layers])
        if len(parameters) != self.size + self.statistics_size:
            raise ValueError(f"{len(parameters)} numbers are not the {self.size} parameters of {self.name}")
        own = _views(parameters[: self.size], [layer.shapes for layer in self.layers])
        running = _views(parameters[self.size :], [layer.statistics for layer in self.layers])
        return [mine + theirs for mine, theirs in zip(own, running, strict=True)]

    def outputs(self, batch: int) -> float:
        """Return the mean number of outputs of a layer for `batch` images."""
        images, counts = torch.empty(batch, *self.shape, device="meta"), list[int]()
        for layer, own in zip(self.layers, self.pieces(images.new_empty(self.size)), strict=True):
            images = apply_with_hook(layer, own, images, lambda *found: counts.append(found[-1].numel()))
        return sum(counts) / len(counts)

    def check_images(self, images: Tensor) -> None:
        """Raise ValueError if `images` (n, channels, height, width) do not have this network's shape."""
        if images.shape[1:] != self.shape:
            found = ", ".join(["n", *map(str, images.shape[1:])])
            raise ValueError(f"images ({found}) for a network of {self.shape} images")

    def check_independent(self) -> None:
        """Raise ValueError if the network has batch norm, which makes results depend on the whole batch.

        For methods that apply untrained networks, which have no running statistics, to parts of a batch.
        """
        if self.statistics_size:
            raise ValueError(
                f"{self.name} has batch norm, and untrained networks have no running statistics: a result"
                " would depend on how images are batched; use another norm, such as `in`"
            )

    def _apply(self, layers: Sequence[Layer], parameters: Tensor, images: Tensor) -> Tensor:
        self.check_images(images)
        for layer, own in zip(layers, self.pieces(parameters), strict=False):
            images = layer.apply(own, images)
        return images

    def _hooked(self, layers: Sequence[Layer], parameters: Tensor, images: Tensor, hook: Hook) -> Tensor:
        self.check_images(images)
        for layer, own in zip(layers, self.pieces(parameters), strict=False):
            images = apply_with_hook(layer, own, images, hook)
        return images


def _without_parts(layer: Layer) -> Iterator[Layer]:
    """Yield the layers of a layer, in the order of their parameters."""
    if not layer.parts:
        yield layer
    for part in layer.parts:
        yield from _without_parts(part)


def _views(flat: Tensor, layers: Sequence[Shapes]) -> list[tuple[Tensor, ...]]:
    parts = iter(flat.split([prod(shape) for shapes in layers for shape in shapes]))
    return [tuple(next(parts).view(shape) for shape in shapes) for shapes in layers]


@dataclass(frozen=True)
class Architecture:
    r"""A family of networks.

    description: one line; settings: a regular expression for the name after the family and `-`, with a
    named group for each setting; example: the name of one of its networks; build: (lowering, shape, classes,
    **settings as strings) -> layers, the last of which is the linear classifier. `build` raises ValueError
    for images that do not fit.
    """

    description: str
    settings: str
    example: str
    build: Callable[..., Sequence[Layer]]

    def __post_init__(self) -> None:
        if not re.fullmatch(self.settings, self.example.partition("-")[2]):
            raise ValueError(f"example {self.example!r} does not match the settings {self.settings!r}")

    def form(self) -> str:
        """Return the pattern of the names, such as `resnet18-w<width>-{in|ln|bn|none}`."""

        def shown(group: re.Match[str]) -> str:
            return f"{{{group[2]}}}" if re.fullmatch(r"[\w|]+", group[2]) else f"<{group[1]}>"

        settings = re.sub(r"[(][?]P<(\w+)>([^)]*)[)]", shown, self.settings)
        return "-".join(filter(None, (self.example.partition("-")[0], settings)))


_WIDTH = r"w(?P<width>[1-9]\d*)"
_NORMED = _WIDTH + "-(?P<norm>in|ln|bn|none)"

ARCHITECTURES = Table(
    "network",
    {
        "convnet": Architecture(
            "ConvNet: convolution, norm, ReLU, pooling", rf"d(?P<depth>[1-9])-{_NORMED}", STANDARD, convnet
        ),
        "resnet18": Architecture("ResNet-18 with a 3x3 stem", _NORMED, "resnet18-w64-in", resnet18),
        "resnet18stem7": Architecture(
            "ResNet-18 as for ImageNet, with a 7x7 stem", _NORMED, "resnet18stem7-w64-bn", resnet18stem7
        ),
        "vgg11": Architecture("VGG-11 with one linear layer", _NORMED, "vgg11-w64-in", vgg11),
        "alexnet": Architecture("AlexNet for small images", _NORMED, "alexnet-w128-in", alexnet),
        "mlp": Architecture("perceptron with two hidden layers", _WIDTH, "mlp-w128", mlp),
    },
)
"""The families of networks, by the first word of their names."""


def network(name: str, shape: Shape, classes: int, lowering: Lowering = PLAIN) -> Network:
    """Return the network named `name` for images of `shape` (channels, height, width).

    lowering: how its layers are computed; the results are equal up to rounding.
    Raises ValueError for an unknown name, or images that are too small.
    """
    family, _, settings = name.partition("-")
    architecture = ARCHITECTURES.get(family)
    if architecture is None:
        examples = [each.example for each in ARCHITECTURES.values()]
        raise ValueError(f"unknown network {name!r}; {did_you_mean(name, examples)}")
    match = re.fullmatch(architecture.settings, settings)
    if match and not name.endswith("-"):
        layers = architecture.build(lowering, shape, classes, **match.groupdict())
        return Network(name, shape, classes, tuple(layers))
    raise ValueError(
        f"unknown network {name!r}; names of this family are {architecture.form()}, for example"
        f" {architecture.example!r}"
    )


def standard(shape: Shape) -> str:
    """Return the name of the field's ConvNet for images of `shape` (channels, height, width).

    Depth 3 up to 63 pixels, 4 from 64, 5 from 128, one more each time the shorter side doubles, so that the
    last map has at least 4x4 pixels, as in the code of DC (arXiv 2006.05929) and MTT (2203.11932).
    """
    depth = max(3, min(shape[1:]).bit_length() - 3)
    return STANDARD.replace("-d3-", f"-d{depth}-")


def with_batch_norm(name: str, shape: Shape, classes: int) -> str:
    """Return the name of a network with batch norm in place of its own norm; `name` if there is none."""
    with suppress(ValueError):
        name = network(re.sub("-(in|ln|none)$", "-bn", name), shape, classes).name
    return name


def forms() -> dict[str, str]:
    """Return the patterns of all names, such as `mlp-w<width>`, with one line of description each."""
    return {each.form(): f"{each.description}, such as {each.example}" for each in ARCHITECTURES.values()}
