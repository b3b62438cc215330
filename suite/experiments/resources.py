"""CPU threads and GPU share of a job, and their cost in device-seconds."""

import os
import platform
import resource
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from suite.core.execution import compiling


@dataclass(frozen=True)
class Resources:
    """The resources of one job: CPUs (also its threads), a share of a GPU, and whether it may compile."""

    cpus: int = 1
    gpus: float = 0.0
    compile: bool = True

    @classmethod
    def choose(cls, cpus: int = 1, gpus: float | None = None, *, compile: bool = True) -> "Resources":
        """Return resources; for `gpus` None one GPU if torch finds any."""
        return cls(cpus, float(torch.cuda.is_available()) if gpus is None else gpus, compile)

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

    def check(self) -> None:
        """Raise ValueError if this machine has fewer CPUs, or no GPU."""
        if self.gpus and not torch.cuda.is_available():
            raise ValueError("a GPU was requested, but torch finds none; use --gpus-per-trial 0, or --cpu")
        if self.cpus > (available := os.cpu_count() or 1):
            raise ValueError(
                f"a trial wants {self.cpus} CPUs and this machine has {available}; lower --cpus-per-trial"
            )

    def apply(self) -> None:
        """Configure torch in this process: threads, compilation, and float32 products on GPUs."""
        torch.set_num_threads(self.cpus)
        compiling.allow(self.compile)
        if self.gpus:
            # Published numbers are float32: torch would let convolutions round to TF32.
            torch.backends.cudnn.allow_tf32 = False

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
