"""CPU threads and GPU share of a job, and their cost in device-seconds."""

import gc
import os
import platform
import re
import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from suite.core.execution import compiling
from suite.core.precision import declared_products
from suite.records.jobs import Wanted

KEPT_SHARE = 0.05
"""Share of a job's GPU memory that its worker may keep for the next job, such as captured steps."""


_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Resources:
    """The resources of one job: CPUs (also its threads), a share of a GPU, and whether it may compile.

    packed: whether jobs on Ray may get a smaller share of a GPU if that is all that they need; deterministic:
    whether a GPU gives the same bits each time, or an error.
    """

    cpus: int = 1
    gpus: float = 0.0
    compile: bool = True
    packed: bool = False
    deterministic: bool = False

    @classmethod
    def choose(
        cls, cpus: int = 1, gpus: float | None = None, *, compile: bool = True, deterministic: bool = False
    ) -> "Resources":
        """Return resources; for `gpus` None one GPU if torch can use it; if it cannot, warn.

        What is deterministic compiles nothing: a step that did not compile would run with other bits.
        """
        if gpus is None and driver() and not torch.cuda.is_available():
            warnings.warn(f"no GPU is used, because {_why_no_gpu()}", stacklevel=2)
        share = float(torch.cuda.is_available()) if gpus is None else gpus
        return cls(cpus, share, compile and not deterministic, deterministic=deterministic)

    def given(self, wanted: Wanted) -> "Resources":
        """Return the resources of a job whose grid wants some of them."""
        gpus, packed = (self.gpus, self.packed) if wanted.gpus is None else (wanted.gpus, False)
        return replace(self, cpus=wanted.cpus or self.cpus, gpus=gpus, packed=packed and gpus > 0)

    @property
    def memory_bytes(self) -> int:
        """The memory of the GPU."""
        return torch.cuda.get_device_properties(self.device).total_memory

    @property
    def device(self) -> torch.device:
        """A GPU if the job has a share of one, else the CPU."""
        return torch.device("cuda" if self.gpus else "cpu")

    @property
    def device_name(self) -> str:
        """The GPU's or the processor's name."""
        return torch.cuda.get_device_name(self.device) if self.gpus else f"CPU: {_processor()}"

    def charged(self, seconds: float) -> float:
        """Return device-seconds: GPU-seconds, or on a CPU thread-seconds."""
        return seconds * (self.gpus or self.cpus)

    def check(self, option: str = "--cpus-per-trial") -> None:
        """Raise ValueError if this machine has fewer CPUs, or no GPU; warn if steps cannot be compiled.

        option: by which the CPUs were given.
        """
        if self.gpus and not torch.cuda.is_available():
            raise ValueError(
                f"a GPU was requested, but torch finds none, because {_why_no_gpu()}; "
                "use --gpus-per-trial 0, or --cpu"
            )
        if self.gpus and self.compile and find_spec("triton") is None:
            warnings.warn("Triton is not installed: steps run uncompiled and slower", stacklevel=2)
        if self.cpus > (available := os.cpu_count() or 1):
            raise ValueError(
                f"a trial needs {self.cpus} CPUs, but this machine has {available}; lower {option}"
            )

    def check_memory(self, what: str, needed: int) -> None:
        """Raise ValueError if a GPU job's share of memory is less than `needed` bytes."""
        if not self.gpus:
            return
        if needed > (share := min(1.0, self.gpus) * self.memory_bytes):
            raise ValueError(
                f"{what} takes {needed / 2**30:.1f} GiB, and a trial's share of the GPU is "
                f"{share / 2**30:.1f} GiB; raise --gpus-per-trial, or use --gpus-per-trial 0"
            )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Configure torch in this process, and restore it: threads, compilation, precision, GPU memory."""
        threads, compiled = torch.get_num_threads(), compiling.allowed()
        with self._repeatable(), declared_products(), self._limited_memory():
            torch.set_num_threads(self.cpus)
            compiling.allow(self.compile)
            try:
                yield
            finally:
                torch.set_num_threads(threads)
                compiling.allow(compiled)

    @contextmanager
    def _repeatable(self) -> Iterator[None]:
        """Let operations give the same bits each time, or raise, if that is wanted."""
        before = torch.get_deterministic_debug_mode()
        if self.deterministic == bool(before):
            yield  # the switch imports a compiler, which takes a second
            return
        torch.use_deterministic_algorithms(self.deterministic)
        try:
            yield
        finally:
            torch.set_deterministic_debug_mode(before)

    @contextmanager
    def _limited_memory(self) -> Iterator[None]:
        """Allow no more of the GPU's memory than the job's share."""
        if not self.gpus:
            yield
            return
        before = torch.cuda.get_per_process_memory_fraction()
        torch.cuda.set_per_process_memory_fraction(min(1.0, self.gpus))
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(before)

    def release(self) -> bool:
        """Free GPU memory after a job; return whether nearly all of the job's share is free again."""
        if not self.gpus:
            return True
        gc.collect()
        try:
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
        except RuntimeError:
            return False  # after some errors of a GPU, all further work of the process fails
        return torch.cuda.memory_reserved() <= KEPT_SHARE * min(1.0, self.gpus) * self.memory_bytes

    def synchronise(self) -> None:
        """Wait for the GPU."""
        if self.gpus:
            torch.cuda.synchronize(self.device)

    def reset_peak_memory(self) -> None:
        """Begin a new measurement of peak memory, if the system supports it."""
        if self.gpus:
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return  # the peak is then that of the whole process so far

    def peak_memory_bytes(self) -> int:
        """Return the peak since the reset: memory allocated on the GPU, else the resident set."""
        if self.gpus:
            return torch.cuda.max_memory_allocated(self.device)
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
        except (OSError, StopIteration):
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _why_no_gpu() -> str:
    """Return why torch uses no GPU: its first sentence on it."""
    if torch.version.cuda is None:
        return "this torch is built for CPUs"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().splitlines()[0].split(". ")[0].rstrip(".") or type(error).__name__
    return "none is visible"


def driver() -> str:
    """Return the version of NVIDIA's driver; "" if there is none."""
    try:
        text = _DRIVER.read_text()
    except OSError:
        return ""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", text)
    return found[0] if found else "unknown"
