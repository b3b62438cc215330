"""A GPU for tests on machines without one: it counts what is sent to it, and what waits for it.

All tensors lie on the CPU, so values are real, and autograd, `torch.func` and optimisers work as ever. Below
them, operations are labelled, counted and refused as CUDA would (`fake_operations`). At the calls of Python,
`device` is that of the label, and no call of torch sees the name `cuda`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from suite.core.execution import compiling, graphs, streams
from tests.support.fake_operations import HOST, ON_GPU, PINNED, FakeGPU, Operations, lies, place, tensors
from tests.support.replays import Captures

GPU = torch.device("cuda", 0)
MEMORY = 8 * 2**30  # bytes, all free


@contextmanager
def fake_gpu() -> Iterator[FakeGPU]:
    """Have a GPU named `cuda` in the body of the `with` statement, where nothing is compiled."""
    gpu, allowed = FakeGPU(), compiling.allowed()
    answers: dict[str, Callable[..., object]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "is_current_stream_capturing": lambda: False,
        "get_device_name": lambda device=None: "fake GPU",
        "get_device_capability": lambda device=None: (8, 0),
        "mem_get_info": lambda device=None: (MEMORY, MEMORY),
        "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None,
        "synchronize": lambda device=None: gpu.wait("synchronize"),
        "Stream": lambda device=None: _Stream(),
        "current_stream": lambda device=None: _STREAM,
        "stream": nullcontext,
    }
    compiling.allow(False)
    with ExitStack() as stack:
        stack.callback(compiling.allow, allowed)
        for name, answer in answers.items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
        stack.enter_context(patch.object(graphs, "CudaCapture", lambda device: Captures()))
        streams.side_stream.cache_clear()
        stack.callback(streams.side_stream.cache_clear)
        stack.enter_context(Operations(gpu))
        stack.enter_context(_Calls(gpu))
        yield gpu


class _Stream:
    """A stream on which all work is done at once."""

    cuda_stream = 0

    def wait_stream(self, other: "_Stream") -> None:
        """Wait for nothing."""


_STREAM = _Stream()


class _Calls(TorchFunctionMode):
    """At the calls of Python: show the labels as devices, and carry tensors from one to the other."""

    def __init__(self, gpu: FakeGPU) -> None:
        super().__init__()
        self.gpu = gpu
        self.answers: dict[object, Callable[..., Any]] = {
            torch.Tensor.device.__get__: _device,
            torch.Tensor.is_cuda.__get__: lambda value: _device(value) == GPU,  # type: ignore[attr-defined]
            torch.Tensor.is_cpu.__get__: lambda value: _device(value).type == "cpu",  # type: ignore[attr-defined]
            torch.Tensor.is_pinned: lambda value: lies(value) == PINNED,
            torch.Tensor.pin_memory: _pinned,
            torch.Tensor.to: self._to,
            torch.Tensor.cuda: lambda value, **options: self._to(value, GPU, **options),
            torch.Tensor.cpu: lambda value: self._to(value, "cpu"),
            torch.Tensor.new_tensor: self._new_tensor,
            torch.Tensor.tolist: self._tolist,
            torch.Tensor.numpy: _of_host(torch.Tensor.numpy),
            torch.Tensor.__array__: _of_host(torch.Tensor.__array__),
            torch.tensor: self._tensor,
            torch.as_tensor: self._as_tensor,
            torch.asarray: self._as_tensor,
            torch.nn.functional.one_hot: self._one_hot,
        }

    def __torch_function__(
        self, func: Any, types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if answer := self.answers.get(func):
            return answer(*args, **kwargs)
        label = PINNED if kwargs.pop("pin_memory", False) else None if tensors((args, kwargs)) else HOST
        if kwargs.get("device") is not None:
            label = {"cuda": ON_GPU, "cpu": label or HOST}.get(torch.device(kwargs["device"]).type)
        if label == ON_GPU:
            kwargs["device"] = "cpu"
            if kwargs.get("generator") is not None:
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        found = func(*args, **kwargs)
        if label is not None:
            for made in tensors(found):
                place(made, label)
        return found

    def _to(self, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        device, options = _parsed(args, kwargs)
        non_blocking = options.pop("non_blocking", False)
        if device is not None and device.type not in ("cpu", "cuda"):
            return value.to(device, **options)
        options.setdefault("dtype", value.dtype)
        if device is None or (device.type == "cuda") == (lies(value) == ON_GPU):
            return value.to(**options)
        if value.requires_grad and torch.is_grad_enabled():
            raise NotImplementedError("gradients do not travel between host and fake GPU; detach first")
        if device.type == "cuda":
            self.gpu.send("to", value, non_blocking=non_blocking)
        elif value.numel():
            self.gpu.wait("to the host")
        made = value.to(**{**options, "copy": True})
        place(made, ON_GPU if device.type == "cuda" else HOST)
        return made

    def _tensor(self, data: Any, *, device: Any = None, **kwargs: Any) -> Tensor:
        made = torch.tensor(data, **kwargs)
        return made if device is None else self._to(made, device)

    def _as_tensor(self, data: Any, dtype: torch.dtype | None = None, device: Any = None) -> Tensor:
        made = data if isinstance(data, Tensor) else torch.as_tensor(data, dtype=dtype)
        return self._to(made, dtype=dtype or made.dtype, device=device)

    def _new_tensor(self, value: Tensor, data: Any, *, device: Any = None, **kwargs: Any) -> Tensor:
        return self._to(value.new_tensor(data, **kwargs), device or _device(value))

    def _tolist(self, value: Tensor) -> Any:
        if lies(value) == ON_GPU and value.numel():
            self.gpu.wait("tolist")
        return value.tolist()

    def _one_hot(self, labels: Tensor, num_classes: int = -1) -> Tensor:
        """On a GPU only an unknown number of classes is read."""
        if lies(labels) == ON_GPU and num_classes < 0:
            self.gpu.wait("one_hot")
        with self.gpu.uncounted():
            return torch.nn.functional.one_hot(labels, num_classes)


def _device(value: Tensor) -> torch.device:
    return GPU if not value.is_meta and lies(value) == ON_GPU else value.device


def _pinned(value: Tensor) -> Tensor:
    if lies(value) == ON_GPU:
        raise RuntimeError("only dense CPU tensors can be pinned")
    made = value.clone()
    place(made, PINNED)
    return made


def _of_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, which raises TypeError for a tensor on the GPU."""

    def checked(value: Tensor, *args: Any, **kwargs: Any) -> Any:
        if lies(value) == ON_GPU:
            raise TypeError("can't convert cuda:0 device type tensor to numpy; use Tensor.cpu() first")
        return function(value, *args, **kwargs)

    return checked


def _parsed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[torch.device | None, dict[str, Any]]:
    """Return the device that `Tensor.to` is asked for, and its other arguments by name."""
    options, flags = dict(kwargs), iter(("non_blocking", "copy"))
    device, other = options.pop("device", None), options.pop("other", None)
    for each in args:
        if isinstance(each, Tensor):
            other = each
        elif isinstance(each, torch.dtype):
            options["dtype"] = each
        elif isinstance(each, bool):
            options[next(flags)] = each
        elif each is not None:
            device = each
    if other is not None:
        device, options["dtype"] = _device(other), other.dtype
    return None if device is None else torch.device(device), options
