"""The outer step as RaT-BPTT's authors run it, written anew: `higher`, one graph over the window.

The ConvNet of torch's layers (GroupNorm with a group per channel), torch's Adam made differentiable by
`higher`, the real batch in one piece.
"""

import higher
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def convnet(width: int, channels: int, classes: int, *, padding: int, depth: int = 3) -> nn.Sequential:
    """Return the field's ConvNet for images that `padding` brings to 32x32."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, 3, padding=padding), nn.GroupNorm(width, width)]
        layers += [nn.ReLU(), nn.AvgPool2d(2)]
        channels, padding = width, 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (32 >> depth) ** 2, classes))


def outer_step(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    real: tuple[Tensor, Tensor],
    *,
    before: int,
    window: int,
) -> Tensor:
    """Return the meta-gradient of the images after `before` plain and `window` differentiated steps."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(before):
        optimiser.zero_grad()
        cross_entropy(network(images.detach()), targets).backward()
        optimiser.step()
    with higher.innerloop_ctx(network, optimiser, copy_initial_weights=True) as (functional, steps):
        for _ in range(window):
            steps.step(cross_entropy(functional(images), targets))
        (gradient,) = torch.autograd.grad(cross_entropy(functional(real[0]), real[1]), images)
    return gradient
