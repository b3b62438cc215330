"""Tasks side by side give their results in order; on a CPU they take turns."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
import torch

from suite.core.execution import streams
from suite.core.execution.streams import side_by_side, stream_number


def test_results_come_in_the_order_of_the_tasks() -> None:
    done: list[int] = []

    def task(number: int) -> int:
        done.append(number)
        return number * number

    tasks = [partial(task, number) for number in range(4)]
    assert side_by_side(tasks, torch.device("cpu")) == [0, 1, 4, 9]
    assert done == [0, 1, 2, 3]


class Stream:
    """A stream that remembers whom it waited for."""

    def __init__(self, number: int) -> None:
        self.cuda_stream, self.waited = number, list[int]()

    def wait_stream(self, other: "Stream") -> None:
        self.waited.append(other.cuda_stream)


@contextmanager
def current_stream() -> Iterator[Stream]:
    """Have a current stream 0, and new streams from 1 on."""
    current, new = Stream(0), iter(map(Stream, range(1, 9)))
    answers: dict[str, Any] = {
        "current_stream": lambda device=None: current,
        "Stream": lambda device=None: next(new),
        "stream": nullcontext,
    }
    streams.side_stream.cache_clear()
    try:
        with patch.multiple(torch.cuda, **answers):
            yield current
    finally:
        streams.side_stream.cache_clear()


def test_the_current_stream_waits_for_all_tasks_also_after_an_error() -> None:
    gpu = torch.device("cuda", 0)
    with current_stream() as current:
        assert side_by_side([lambda: 1, lambda: 2], gpu) == [1, 2] and current.waited == [1, 2]
        for side in (1, 2):
            assert vars(streams.side_stream(gpu, side - 1)) == {"cuda_stream": side, "waited": [0]}
        with pytest.raises(ZeroDivisionError):
            side_by_side([lambda: 1, lambda: 1 // 0], gpu)
        assert current.waited == [1, 2, 1, 2]


def test_a_cpu_has_one_stream() -> None:
    with current_stream() as current:
        current.cuda_stream = 7
        assert stream_number(torch.device("cuda", 0)) == 7 and stream_number(torch.device("cpu")) == 0
