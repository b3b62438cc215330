"""Where a job runs, and what its time there is charged as."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Place:
    """Where a job runs: device, CPU threads, its share of a GPU, and whether methods may compile."""

    device: torch.device
    threads: int = 1
    gpus: float = 0.0
    compile: bool = True

    def charged(self, seconds: float) -> float:
        """Return device-seconds: GPU-seconds, or on a CPU thread-seconds."""
        return seconds * (self.gpus if self.device.type == "cuda" else self.threads)
