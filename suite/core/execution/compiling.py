"""Compile pure functions of tensors, once for each shape; a function that does not compile runs as it is."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from suite.core.execution import cpu_time
from suite.core.execution.fx_passes import (
    DECOMPOSITIONS,
    drop_dead_convolutions,
    materialise_broadcasts,
    replace_strided_zeros,
)
from suite.core.execution.private_folders import keep_private
from suite.core.memory import out_of_memory

Function = Callable[..., tuple[Tensor, ...]]

_allowed = True
_uncompiled: set[str] = set()
"""Names of functions that ran as they are, though they may be compiled, since `begin`."""


@dataclass
class Spent:
    """Seconds that this process has compiled, and their CPU time, that of a compiler it started too."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Add what is done inside."""
        started, cpu = perf_counter(), cpu_time.own()
        try:
            yield
        finally:
            self.seconds += perf_counter() - started
            self.cpu_seconds += cpu_time.own() - cpu


spent = Spent()


def allow(yes: bool) -> None:
    """Allow or forbid compilation in this process."""
    global _allowed
    _allowed = yes


def allowed() -> bool:
    """Return whether functions may be compiled in this process."""
    return _allowed


def begin() -> None:
    """Begin to note which functions run uncompiled."""
    _uncompiled.clear()


def uncompiled() -> list[str]:
    """Return the names of functions that did not compile, and ran with other bits since `begin`."""
    return sorted(_uncompiled)


class Compiled:
    """A pure function from tensors to a tuple of tensors, compiled when it first sees a shape.

    Python values become constants, so values that change between calls must be tensors.
    """

    def __init__(self, function: Function, name: str) -> None:
        self.function, self.name = function, name
        self._by_shape: dict[Any, Function] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call the function; its outputs are not changed by later calls."""
        if not _allowed:
            return self.function(*inputs)
        key = torch.get_num_threads(), *((x.shape, x.stride(), x.dtype, x.device) for x in inputs)
        if key not in self._by_shape:
            with spent.counting():
                self._by_shape[key] = self._compile(inputs)
        function = self._by_shape[key]
        if function is self.function:
            _uncompiled.add(self.name)
        return function(*inputs)

    def _compile(self, inputs: tuple[Tensor, ...]) -> Function:
        try:
            compiled = _inductor(self.function, inputs)
            compiled(*inputs)  # the first call is slow, and may raise
            return compiled
        except Exception as error:
            if out_of_memory(error):
                raise  # the function itself would be slow, or run out of memory later
            # A compiler may raise any error. The function itself still works, or raises its error.
            reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
            warnings.warn(
                f"{self.name} is not compiled and runs slower: {type(error).__name__}: {reason[:200]}",
                stacklevel=4,
            )
            return self.function


def _traced(function: Function, inputs: tuple[Tensor, ...]) -> tuple[GraphModule, list[Tensor]]:
    """Return the function as a graph, and example inputs to compile it for."""
    # Imported here, since they take seconds.
    from torch._functorch.compile_utils import fx_graph_cse
    from torch._inductor.decomposition import select_decomp_table
    from torch.fx.experimental.proxy_tensor import make_fx

    examples = [_example(x.detach()) for x in inputs]
    graph = make_fx(function, decomposition_table={**select_decomp_table(), **DECOMPOSITIONS})(*examples)
    graph.graph.eliminate_dead_code()
    graph.graph = fx_graph_cse(graph.graph)  # layers that are differentiated one by one repeat work
    graph.graph.eliminate_dead_code()
    for change in (replace_strided_zeros, drop_dead_convolutions, materialise_broadcasts):
        change(graph.graph)
        graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph, examples


def _example(value: Tensor) -> Tensor:
    """Return a copy, since tracing merges inputs that are the same object.

    A step's rate and corrections lie anywhere in those of many steps. On a GPU inductor would copy them at
    each call to a multiple of 16 bytes, if the example lay at one.
    """
    if value.device.type == "cpu" or value.nbytes >= 16:
        return value.clone(memory_format=torch.preserve_format)
    return value.new_empty(value.numel() + 1)[1:].view(value.shape).copy_(value)


def _inductor(function: Function, inputs: tuple[Tensor, ...]) -> Function:
    keep_private()
    from torch._guards import TracingContext, tracing
    from torch._inductor import compile
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # `torch.compile` would check at every call what the key by shape already ensures.
    graph, examples = _traced(function, inputs)
    options = _gpu_options(graph) if inputs[0].is_cuda else {}
    # All shapes are fixed, but the result is cached for other processes only within this context.
    shapes = FakeTensorMode(shape_env=ShapeEnv(assume_static_by_default=True), allow_non_fake_inputs=True)
    with tracing(TracingContext(shapes)), warnings.catch_warnings():
        # The precision is declared, so this advice does not help.
        warnings.filterwarnings("ignore", "TensorFloat32 tensor cores")
        compiled = compile(graph, [*examples], options=options)
    return lambda *inputs: tuple(compiled(*inputs))


def _gpu_options(graph: GraphModule) -> dict[str, Any]:
    """Return inductor's options on a GPU.

    Padded activations would not have the strides for which the backward step is compiled.
    """
    return {"layout_optimization": _uses_tensor_cores(graph), "comprehensive_padding": False}


def _uses_tensor_cores(graph: GraphModule) -> bool:
    """Return whether a GPU's convolutions are faster channels-last, as they are in less than float32."""
    values = [node.meta.get("val") for node in graph.graph.nodes]
    narrow = any(isinstance(value, Tensor) and value.dtype == torch.bfloat16 for value in values)
    return narrow or torch.backends.cudnn.allow_tf32
