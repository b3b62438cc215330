"""CUDA graphs as a CPU can have them: the operations of a program, done again on the same tensors.

Memory is spoilt as a GPU may overwrite it: what no one holds any more, and what later programs made where an
earlier one of their pool runs again, since its temporary tensors may have been there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        self.made = dict[int, Tensor]()  # by the address of their memory, unlike what the program was given

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation, and record it."""
        result = operation(*args, **(kwargs or {}))
        # As they are now: torch may reshape a tensor in place later.
        self.operations.append(tree_map(_alias, (operation, args, kwargs or {}, result)))
        given = {_memory(each) for each in _tensors((args, kwargs))}
        for each in _tensors(self.operations[-1][3]):
            if _memory(each) not in given:
                self.made[_memory(each)] = each
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


def _tensors(nest: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nest) if isinstance(leaf, Tensor) and not leaf.is_meta]


def _memory(value: Tensor) -> int:
    address: int = value.untyped_storage()._cdata
    return address


class Captures:
    """A capture for `Graphs` on a CPU; knows the names of the pools of what it recorded."""

    def __init__(self) -> None:
        self.pools: list[str] = []
        self._made = defaultdict[str, list[list[Tensor]]](list)  # by each recording of a pool
        self._recorded, self._uses = dict[int, Tensor](), Counter[int]()  # by the address of memory

    def __call__(self, program: Program, pool: str) -> Program:
        """Record a program. It runs meanwhile, so its first replay does nothing."""
        self.pools.append(pool)
        recording, place, again = Recording(), len(self._made[pool]), False
        with recording:
            program()
        self._add(recording, pool)

        def replay() -> None:
            nonlocal again
            if again:
                _spoil(self._forgotten())
                recording.replay()
                _spoil(value for later in self._made[pool][place + 1 :] for value in later)
            again = True

        return replay

    def _add(self, recording: Recording, pool: str) -> None:
        self._made[pool].append(list(recording.made.values()))
        for _, *recorded in recording.operations:
            for value in _tensors(recorded):
                self._uses[_memory(value)] += 1
                if value.ndim or _memory(value) in recording.made:  # a graph contains scalars themselves
                    self._recorded[_memory(value)] = value

    def _forgotten(self) -> Iterator[Tensor]:
        """Yield tensors whose memory only recordings still use."""
        for value in self._recorded.values():
            storage = value.untyped_storage()  # uses the memory, too
            if torch._C._storage_Use_Count(storage._cdata) - 1 == self._uses[storage._cdata]:
                yield value


@torch.no_grad()
def _spoil(values: Iterable[Tensor]) -> None:
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        for value in values:
            if value.is_floating_point() and not value._is_zerotensor():  # which has no memory
                torch.empty(0, dtype=value.dtype).set_(value.untyped_storage()).fill_(torch.nan)
