"""What all code of a process shares and a method may change: torch's settings, the environment, functions.

Changes are not undone: a changed process is replaced. Only what any code may use is reset for each cell:
global random generators and filters of warnings.
"""

import gc
import hashlib
import locale
import os
import random
import resource
import signal
import site
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

from suite.core.execution import compiling
from suite.core.precision import products
from suite.core.seeding import derive

_TORCH: dict[str, Callable[[], Any]] = {
    "torch's number of threads": torch.get_num_threads,
    "torch's number of threads between operations": torch.get_num_interop_threads,
    "torch's default dtype": torch.get_default_dtype,
    "torch's default device": torch.get_default_device,
    "torch's grad mode": torch.is_grad_enabled,
    "torch's inference mode": torch.is_inference_mode_enabled,
    "torch's anomaly mode": lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
    "torch's deterministic mode": lambda: (
        torch.get_deterministic_debug_mode(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    ),
    "torch's precision of products": lambda: (products(), torch.backends.cuda.preferred_linalg_library()),
    "torch's cuDNN settings": lambda: (
        torch.backends.cudnn.enabled,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark_limit,
    ),
    "torch's CPU libraries": lambda: (
        torch.backends.mkldnn.enabled,
        torch.backends.mkldnn.deterministic,
        torch._C._get_nnpack_enabled(),
        torch.backends.quantized.engine,
    ),
    "torch's choice of attention": lambda: (
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.backends.cuda.math_sdp_enabled(),
        torch.backends.cuda.cudnn_sdp_enabled(),
    ),
    "torch's autocast": lambda: (
        [(torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")]
        + [torch.is_autocast_cache_enabled()]
    ),
    "torch's modes": lambda: (
        torch._C._len_torch_function_stack(),
        torch._C._len_torch_dispatch_stack(),
        torch._C._is_multithreading_enabled(),
    ),
    "whether steps are compiled": compiling.allowed,
    "torch's handling of tiny numbers": lambda: (torch.tensor(1e-40) * torch.ones(1)).item() == 0,
    "torch's hooks of modules": lambda: [
        len(hooks)
        for name, hooks in vars(torch.nn.modules.module).items()
        if name.startswith("_global_") and hasattr(hooks, "__len__")
    ],
}

_INSTALLED = tuple(f"{path}{os.sep}" for path in site.getsitepackages())
"""The beginnings of paths within installed packages: setuptools adds one when torch compiles."""

_PYTHON: dict[str, Callable[[], Any]] = {
    "the working directory": lambda: _or_none(os.getcwd),
    "the umask": lambda: _status("Umask"),
    "handlers of signals": lambda: (
        [_or_none(signal.getsignal, number) for number in signal.valid_signals()],
        _status("SigBlk"),
        _status("SigIgn"),
    ),
    "a timer": lambda: [any(signal.getitimer(kind)) for kind in (0, 1, 2)],
    "resource limits": lambda: [
        resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")
    ],
    "the process's priority": lambda: os.getpriority(os.PRIO_PROCESS, 0),
    "the process's CPUs": lambda: _or_none(getattr(os, "sched_getaffinity", None), 0),
    "the locale": lambda: locale.setlocale(locale.LC_ALL),
    "the time zone": lambda: (time.tzname, time.timezone),
    "the module path": lambda: [path for path in sys.path if not path.startswith(_INSTALLED)],
    "Python's recursion limit": lambda: max(sys.getrecursionlimit(), 2000),  # to which torch may raise it
    "Python's tracing": lambda: (
        sys.gettrace(),
        sys.getprofile(),
        threading.gettrace(),
        threading.getprofile(),
    ),
    "Python's streams and hooks": lambda: [
        id(getattr(sys, name))
        for name in ("stdin", "stdout", "stderr", "excepthook", "displayhook", "unraisablehook")
    ],
    "Python's garbage collector": lambda: (
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_debug(),
        len(gc.callbacks),
    ),
    "Python's thread switching": sys.getswitchinterval,
    "NumPy's handling of errors": np.geterr,
}

_WATCHED = {
    *("builtins", "os", "math", "random", "time", "json", "hashlib", "pickle", "io", "tempfile", "shutil"),
    *("numpy", "torch", "torch.nn.functional", "torch.autograd", "torch.func", "torch.optim", "torch.linalg"),
}
"""Modules whose functions are watched, besides all of the suite."""

_CLASSES: tuple[type, ...] = (torch.Tensor, torch.Generator, torch.nn.Module, torch.optim.Optimizer)
_OWN_THREADS = ("torch.", "concurrent.", "suite.", "multiprocessing.", "tqdm.")
_OWN_CHILDREN = (b"torch/_inductor", b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")
_FREE_VARIABLES = ("TORCH", "TRITON", "KMP_", "CUDA_", "MPL")
"""Parts of the names of threads, processes and variables that libraries make when they are first used."""

Function = tuple[Mapping[str, Any], str, Any]


class ProcessState:
    """The state of this process when the object was made."""

    def __init__(self) -> None:
        self._values = {name: _read(get) for name, get in (_TORCH | _PYTHON).items()}
        self._environment = dict(os.environ)
        self._filters = list(warnings.filters)
        self._threads, self._functions = set(threading.enumerate()), list(_functions())

    def reset(self, cell: str) -> None:
        """Seed the global random generators by a cell's id, and restore the filters of warnings.

        No method should use these generators; one that does still gives the same numbers in any order of
        cells.
        """
        seed = derive(int(hashlib.sha256(cell.encode()).hexdigest()[:8], 16), "global generators")
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        warnings.filters[:] = self._filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]

    def changes(self) -> tuple[str, ...]:
        """Return what has changed since, in words."""
        return tuple(self._changes())

    def _changes(self) -> Iterator[str]:
        for name, get in (_TORCH | _PYTHON).items():
            if _read(get) != self._values[name]:
                yield name
        now = dict(os.environ)
        names = {
            name
            for name in now.keys() | self._environment.keys()
            if now.get(name) != self._environment.get(name)
        }
        if own := sorted(name for name in names if not name.lstrip("_").startswith(_FREE_VARIABLES)):
            yield f"the environment ({', '.join(own[:5])})"
        if replaced := sorted({_named(*each) for each in self._functions if _is_replaced(*each)}):
            yield f"the code of others ({', '.join(replaced[:5])})"
        if threads := [
            each for each in threading.enumerate() if each not in self._threads and _is_foreign(each)
        ]:
            yield f"its threads ({len(threads)} more)"
        if any(_is_foreign_child(child) for child in _children()):
            yield "its child processes"


def kept_bytes() -> int:
    """Return the bytes of this process's own memory; 0 if the system does not tell."""
    return int((_status("RssAnon") or "0").split()[0]) * 1024


def _status(name: str) -> str | None:
    """Return an entry of Linux's status of this process; None without it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), None)


def _read(get: Callable[[], Any]) -> Any:
    """Return a value, or the type of the error if it cannot be read, as torch's switches that disagree."""
    try:
        return get()
    except Exception as error:
        return type(error)


def _or_none(get: Callable[..., Any] | None, *given: Any) -> Any:
    try:
        return get(*given) if get else None
    except (OSError, ValueError):
        return None


def _functions() -> Iterator[Function]:
    """Yield functions and classes, each as the namespace of its module or class, its name, and itself."""
    for module_name, module in list(sys.modules.items()):
        if not isinstance(module, ModuleType):
            continue
        own = module_name.startswith("suite.")
        if not (own or module_name in _WATCHED):
            continue
        for name, value in list(vars(module).items()):
            if callable(value):
                yield vars(module), name, value
                if own and isinstance(value, type) and value.__module__ == module_name:
                    yield from _methods(value)
    for watched in _CLASSES:
        yield from _methods(watched)


def _methods(owner: type) -> Iterator[Function]:
    for name, value in list(vars(owner).items()):
        if callable(value) or isinstance(value, classmethod | staticmethod | property):
            yield vars(owner), name, value


def _is_replaced(place: Mapping[str, Any], name: str, value: Any) -> bool:
    """Return whether a name has another value now; torch may wrap its own functions."""
    now = place.get(name)
    if now is value:
        return False
    code = getattr(now, "__code__", None)
    return not (isinstance(now, FunctionType) and code and f"{os.sep}torch{os.sep}" in code.co_filename)


def _named(place: Mapping[str, Any], name: str, value: Any) -> str:
    owner = place.get("__name__") or place.get("__module__") or ""
    return f"{owner}.{name}"


def _is_foreign(thread: threading.Thread) -> bool:
    """Return whether a living thread was started by none of the libraries that we use."""
    target = getattr(thread, "_target", None) or thread.run
    owner = getattr(target, "__self__", None)
    module = type(owner).__module__ if owner is not None else getattr(target, "__module__", "")
    return thread.is_alive() and not str(module).startswith(_OWN_THREADS)


def _children() -> Iterator[int]:
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            yield from map(int, file.read_text().split())
        except OSError:
            continue  # the thread has ended


def _is_foreign_child(pid: int) -> bool:
    """Return whether a child process is alive that none of our libraries started."""
    process = Path(f"/proc/{pid}")
    try:
        ended = process.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"
        command = process.joinpath("cmdline").read_bytes()
    except OSError:
        return False
    return not (ended or any(each in command for each in _OWN_CHILDREN))
