"""Programs that a GPU replays as CUDA graphs, without the host's work for each operation.

A graph reads and writes fixed addresses. So a program reads tensors that are fixed here, or that programs of
the pool `KEPT` made, and fixes its results. Without a GPU programs are called, and to fix costs nothing.
"""

import gc
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import extract_tb

import torch
from torch import Tensor

Program = Callable[[], None]
"""Reads and writes tensors, with the same operations at every call."""

Capture = Callable[[Program, str], Program]
"""Record a program without running it, with its memory in the named pool; return its replay."""

KEPT, PASSING = "kept", "passing"
"""Pools of memory. What programs of `PASSING` make is overwritten by the next program, unless it is held.

What programs of `KEPT` make stays until they run again; they first run in the order of all later runs.
"""


class Graphs:
    """Runs programs; with a `capture`, the second run of a program is recorded and later ones replay it.

    The first run of each is a plain one, which may compile. If a program cannot be captured, a warning says
    so, and all programs run plainly from then on.
    seen: the names of programs that ran plainly, which several graphs of equal programs may share.
    """

    def __init__(self, capture: Capture | None = None, seen: set[Hashable] | None = None) -> None:
        self.capture = capture
        self._failed = False
        self._seen = set() if seen is None else seen
        self._replays = dict[Hashable, Program]()
        self._buffers = dict[Hashable, Tensor]()
        self._held = dict[Hashable, Tensor]()

    @classmethod
    def on(cls, device: torch.device, seen: set[Hashable] | None = None) -> "Graphs":
        """Return graphs that are captured if `device` is a GPU."""
        return cls(CudaCapture(device) if device.type == "cuda" else None, seen)

    @property
    def capturing(self) -> bool:
        """Whether programs are recorded."""
        return self.capture is not None

    def __getitem__(self, name: Hashable) -> Tensor:
        """Return the tensor that is held by this name."""
        return self._held[name]

    def hold(self, name: Hashable, value: Tensor) -> Tensor:
        """Fix a tensor, and keep it until the next one of this name."""
        self._held[name] = held = self.fix(name, value)
        return held

    def fix(self, name: Hashable, value: Tensor, *, room: int = 0) -> Tensor:
        """Return a tensor as programs may read it: with a capture, at an address that does not change.

        The next tensor of this name and shape overwrites it. room: the largest length of the first axis, if
        that varies.
        """
        if self.capture is None:
            return value
        shape = (room, *value.shape[1:]) if room else value.shape
        key = name, shape, value.dtype
        if key not in self._buffers:
            self._buffers[key] = value.new_empty(shape)
        fixed = self._buffers[key]
        return fixed[: len(value)].copy_(value) if room else fixed.copy_(value)

    def run(self, key: Hashable, program: Program, *, pool: str = PASSING) -> None:
        """Run a program that `key` names."""
        if key in self._seen and key not in self._replays and not self._failed:
            self._try_capture(key, program, pool)
        self._replays.get(key, program)()
        if self.capture is not None:
            self._seen.add(key)

    def _try_capture(self, key: Hashable, program: Program, pool: str) -> None:
        assert self.capture is not None
        try:
            self._replays[key] = self.capture(program, pool)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # of any kind; the program itself still works, or raises its error
            self._failed = True
            self._replays.clear()
            reason, at = str(error).strip().partition("\n")[0][:200], extract_tb(error.__traceback__)[-1]
            place = f"{Path(at.filename).name}:{at.lineno}"
            warnings.warn(f"no CUDA graph of {key}, so steps run slower: {reason} ({place})", stacklevel=4)


class CudaCapture:
    """Records programs as CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.pools = {name: torch.cuda.graph_pool_handle() for name in (KEPT, PASSING)}

    def __call__(self, program: Program, pool: str) -> Program:
        """Record a program, and return its replay."""
        torch.cuda.empty_cache()  # a capture can neither use nor free what plain runs left in the cache
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        torch.cuda.synchronize(self.stream.device)
        with torch.cuda.stream(self.stream), _own_workspaces(), _nothing_collected():
            # Other threads may go on: autograd's own, and those that pin memory.
            graph.capture_begin(pool=self.pools[pool], capture_error_mode="thread_local")
            try:
                program()
            except BaseException:
                with suppress(RuntimeError):  # the first error is the one to show
                    self._end(graph, pool)
                raise
            self._end(graph, pool)
        current.wait_stream(self.stream)
        return graph.replay

    def _end(self, graph: torch.cuda.CUDAGraph, pool: str) -> None:
        try:
            graph.capture_end()
        except RuntimeError:
            with suppress(RuntimeError):  # else torch would not free cached memory any more
                torch._C._cuda_endAllocateToPool(self.stream.device_index, self.pools[pool])
                torch._C._cuda_releasePool(self.stream.device_index, self.pools[pool])
            raise


@contextmanager
def _own_workspaces() -> Iterator[None]:
    """Take the workspaces of matrix products from the pool of the capture in the body.

    Otherwise graphs that were captured on one stream would share a workspace, also where they run side by
    side: torch has 32 streams and hands them out again.
    """
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Destroy no earlier graph in the body: that would make a capture invalid.

    Graphs that are reachable only from themselves are destroyed when Python collects, at any moment.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
