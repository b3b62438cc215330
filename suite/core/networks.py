"""Networks by name, as pure functions of one flat parameter vector.

Names say everything that changes a number: `convnet-d3-w128-in` is the field's ConvNet of three
blocks, width 128 and instance norm; `mlp-w128` the perceptron with two hidden layers.
Norms: `in` instance norm, `ln` layer norm (one group), `none`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches

import torch
from torch import Tensor, nn
from torch.func import functional_call

Shape = tuple[int, int, int]
STANDARD = "convnet-d3-w128-in"


@dataclass(frozen=True)
class Network:
    """An architecture for images of `shape` (channels, height, width); it holds no parameters.

    Parameters are one flat float vector (size,), so that optimisers and their adjoints are a few
    element-wise operations, whatever the architecture.
    """

    name: str
    shape: Shape
    classes: int
    module: nn.Module = field(repr=False, compare=False)  # on the meta device: structure only

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    def initialise(self, draw: torch.Generator, device: torch.device | None = None) -> Tensor:
        """Draw fresh parameters (size,) as torch's layers do by default."""
        parts = []
        for module in self.module.modules():
            parts += _fresh(module, draw)
        return torch.cat([part.flatten() for part in parts]).to(device or torch.device("cpu"))

    def logits(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the logits (n, classes) of `images` (n, channels, height, width)."""
        return self._call(parameters, images, False)

    def features(self, parameters: Tensor, images: Tensor) -> Tensor:
        """Return the embedding (n, d) that the last layer reads."""
        return self._call(parameters, images, True)

    def _call(self, parameters: Tensor, images: Tensor, embed: bool) -> Tensor:
        named = list(self.module.named_parameters())
        pieces = parameters.split([value.numel() for _, value in named])
        views = {name: piece.view(value.shape) for (name, value), piece in zip(named, pieces, strict=True)}
        output: Tensor = functional_call(self.module, views, (images, embed))
        return output


def _fresh(module: nn.Module, draw: torch.Generator) -> list[Tensor]:
    """Draw the parameters that `module` itself owns, in their order."""
    own = list(module.parameters(recurse=False))
    if isinstance(module, nn.Conv2d | nn.Linear):
        bound = module.weight[0].numel() ** -0.5  # torch's default: uniform within 1/sqrt(fan in)
        return [(torch.rand(p.shape, generator=draw) * 2 - 1) * bound for p in own]
    if isinstance(module, nn.GroupNorm):
        return [torch.ones(own[0].shape), torch.zeros(own[1].shape)]
    if own:
        raise TypeError(f"no initialisation is known for {type(module).__name__}")
    return []


class _Classifier(nn.Module):
    """An embedding and a linear layer on top of it."""

    def __init__(self, embed: nn.Sequential, shape: Shape, classes: int) -> None:
        super().__init__()
        self.embed = embed
        width = embed(torch.empty(1, *shape, device="meta")).shape[1]
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor, embed: bool = False) -> Tensor:
        features: Tensor = self.embed(images)
        return features if embed else self.head(features)


def _norm(kind: str, channels: int) -> list[nn.Module]:
    groups = {"in": channels, "ln": 1}
    return [nn.GroupNorm(groups[kind], channels)] if kind in groups else []


def _convnet(shape: Shape, depth: str, width: str, norm: str) -> nn.Sequential:
    channels, height, side = shape
    # As in the field's code: 28x28 digits are padded to 32x32 by the first convolution.
    padding = 3 if shape == (1, 28, 28) else 1
    if min(height, side) + 2 * (padding - 1) < 2 ** int(depth):
        raise ValueError(
            f"{height}x{side} images are too small for {depth} blocks that halve them; use fewer"
        )
    layers: list[nn.Module] = []
    for _ in range(int(depth)):
        # Instance norm subtracts a channel's mean, and with it the convolution's bias: its gradient
        # is zero, and Adam would turn its rounding noise into steps. So there is none.
        bias = norm != "in"
        layers.append(nn.Conv2d(channels, int(width), 3, padding=padding, bias=bias))
        layers += [*_norm(norm, int(width)), nn.ReLU(), nn.AvgPool2d(2)]
        channels, padding = int(width), 1
    return nn.Sequential(*layers, nn.Flatten())


def _mlp(shape: Shape, width: str) -> nn.Sequential:
    inputs, hidden = shape[0] * shape[1] * shape[2], int(width)
    layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers)


_ARCHITECTURES: dict[str, Callable[..., nn.Sequential]] = {
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
            with torch.device("meta"):
                return Network(
                    name, shape, classes, _Classifier(build(shape, *match.groups()), shape, classes)
                )
    near = get_close_matches(name, _EXAMPLES, n=1, cutoff=0.3)
    raise ValueError(f"unknown network {name!r}; names look like {(near or _EXAMPLES)[0]!r}")
