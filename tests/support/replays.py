"""CUDA graphs as a CPU can have them: the operations of a program, done again on the same tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from suite.core.execution.graphs import Program


class Recording(TorchDispatchMode):
    """Records each operation with its operands and results. Nothing of the program's Python is recorded."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[tuple[Any, Sequence[Any], Mapping[str, Any], Any]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation, and record it."""
        result = operation(*args, **(kwargs or {}))
        # As they are now: torch may reshape a tensor in place later.
        self.operations.append(tree_map(_alias, (operation, args, kwargs or {}, result)))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Do the operations again, with results at the addresses of the first ones."""
        with _disable_current_modes():
            for operation, args, kwargs, results in self.operations:
                again = operation(*args, **kwargs)
                for first, now in zip(tree_leaves(results), tree_leaves(again), strict=True):
                    if isinstance(first, Tensor) and first.data_ptr() != now.data_ptr():
                        first.copy_(now)


def _alias(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


class Captures:
    """A capture for `Graphs` on a CPU; knows the names of the pools of what it recorded."""

    def __init__(self) -> None:
        self.pools: list[str] = []

    def __call__(self, program: Program, pool: str) -> Program:
        """Record a program. It runs meanwhile, so its first replay does nothing."""
        self.pools.append(pool)
        recording, again = Recording(), False
        with recording:
            program()

        def replay() -> None:
            nonlocal again
            if again:
                recording.replay()
            again = True

        return replay
