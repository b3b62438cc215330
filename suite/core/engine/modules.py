"""A torch module as a pure function of one flat vector of its trainable parameters."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True)
class FlatModule:
    """A module as a function of its parameters (size,) and its inputs.

    The vector has the parameters that require gradients, in the order of `module.parameters()`; other
    parameters and buffers are constants. Raises ValueError for a module that updates running statistics, and,
    when called, for a module that changes other buffers or draws random numbers: the meta-gradient computes
    each step twice, and both results must be equal.
    """

    module: nn.Module

    def __post_init__(self) -> None:
        for name, part in self.module.named_modules():
            if part.training and getattr(part, "track_running_stats", False):
                raise ValueError(
                    f"{type(part).__name__} {name!r} updates running statistics in training; call"
                    " module.eval() to keep them fixed, or build it with track_running_stats=False"
                )
        if not self._trainable():
            raise ValueError("the module has no parameters that require gradients")

    def __call__(self, parameters: Tensor, *inputs: Tensor) -> Any:
        """Return the module's output at `parameters` (size,)."""
        trainable = self._trainable()
        parts = parameters.split([part.numel() for part in trainable.values()])
        own = {name: x.view(part.shape) for x, (name, part) in zip(parts, trainable.items(), strict=True)}
        buffers, rng_state = self._buffers(), _rng_state(parameters.device)
        output = functional_call(self.module, own, inputs)
        if self._buffers() != buffers:
            raise ValueError("the module changes its buffers when it is called; call module.eval()")
        if not torch.equal(_rng_state(parameters.device), rng_state):
            raise ValueError("the module draws random numbers, as dropout does; call module.eval()")
        return output

    def initial_parameters(self) -> Tensor:
        """Return a copy of the module's parameters as one vector (size,)."""
        return torch.cat([part.detach().flatten() for part in self._trainable().values()])

    def _trainable(self) -> dict[str, nn.Parameter]:
        return {name: part for name, part in self.module.named_parameters() if part.requires_grad}

    def _buffers(self) -> list[tuple[int, int]]:
        """Return the identity and the version of each buffer; in-place operations increase the version."""
        return [(id(buffer), buffer._version) for buffer in self.module.buffers()]


def _rng_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
