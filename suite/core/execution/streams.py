"""Independent work side by side on the streams of a GPU."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import torch

Result = TypeVar("Result")


def side_by_side(tasks: Sequence[Callable[[], Result]], device: torch.device) -> list[Result]:
    """Return the results of independent tasks: on a GPU each has a stream."""
    if device.type != "cuda" or len(tasks) == 1:
        return [task() for task in tasks]
    current, results = torch.cuda.current_stream(device), list[Result]()
    streams = [side_stream(device, place) for place in range(len(tasks))]
    try:
        for task, stream in zip(tasks, streams, strict=True):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                results.append(task())
    finally:  # also after an error: memory that the tasks still use may be given to others now
        for stream in streams:
            current.wait_stream(stream)
    return results


def stream_number(device: torch.device) -> int:
    """Return the number of the stream on which a GPU is given work now; 0 for a CPU.

    Work on another stream may not be done yet, so what is made once and kept is kept for each stream.
    """
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0


@cache
def side_stream(device: torch.device, place: int) -> torch.cuda.Stream:
    """Return the stream that tasks of this place use on a GPU, always the same one."""
    return torch.cuda.Stream(device)
