"""Programs give the same results called and replayed; what cannot be captured is called."""

import gc
from collections.abc import Hashable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from suite.core.execution.graphs import KEPT, PASSING, CudaCapture, Graphs, Program
from tests.support.replays import Captures


def run_twice_more(graphs: Graphs, key: str, program: Program) -> None:
    for _ in range(3):
        graphs.run(key, program)


def test_without_a_capture_programs_are_called_and_tensors_stay_themselves() -> None:
    graphs, value, calls = Graphs(), torch.ones(2), []
    assert graphs.fix("value", value) is value and graphs.hold("value", value) is value
    run_twice_more(graphs, "program", lambda: calls.append(1))
    assert calls == [1, 1, 1] and graphs["value"] is value and not graphs.capturing


def test_a_program_is_called_then_recorded_then_replayed() -> None:
    captures, calls = Captures(), list[int]()
    graphs = Graphs(captures)
    graphs.hold("count", torch.zeros(2))

    def program() -> None:
        calls.append(1)
        graphs["count"].add_(1)

    for expected in (1, 2, 3, 4):
        graphs.run("add", program, pool=KEPT)
        assert graphs["count"].tolist() == [expected] * 2
    assert len(calls) == 2 and captures.pools == [KEPT]


def test_a_fixed_tensor_keeps_its_address_and_takes_new_values() -> None:
    graphs = Graphs(Captures())
    first = graphs.fix("x", torch.tensor([1.0, 2.0]))
    second = graphs.fix("x", torch.tensor([3.0, 4.0]))
    assert first.data_ptr() == second.data_ptr() and first.tolist() == [3, 4]
    assert graphs.fix("x", torch.zeros(3)).data_ptr() != first.data_ptr()
    assert graphs.fix("y", torch.zeros(2)).data_ptr() != first.data_ptr()


def test_parts_of_one_room_share_it() -> None:
    graphs = Graphs(Captures())
    long, short = graphs.fix("x", torch.arange(4), room=5), graphs.fix("x", torch.arange(7, 9), room=5)
    assert long.data_ptr() == short.data_ptr() and short.tolist() == [7, 8] and long.tolist() == [7, 8, 2, 3]


def test_a_capture_of_these_tests_spoils_memory_as_a_gpu_may() -> None:
    graphs, made = Graphs(Captures()), dict[str, Tensor]()
    graphs.hold("x", torch.ones(2))

    def first() -> None:
        made["temporary"] = graphs["x"] + 1

    def second() -> None:
        made["result"] = made["temporary"] * 2

    for _ in range(3):
        graphs.run("first", first)
        graphs.run("second", second)
        assert made["result"].tolist() == [4, 4]
    graphs.run("first", first)  # its pool may have given the second program what it needs for a moment
    assert made["result"].isnan().all() and made["temporary"].tolist() == [2, 2]
    del made["temporary"]  # the second program still reads it
    graphs.run("second", second)
    assert made["result"].isnan().all()


@pytest.mark.parametrize("kind", [RuntimeError, AssertionError])
def test_what_cannot_be_captured_is_called_and_said_once(kind: type[Exception]) -> None:
    def refuse(program: Program, pool: str) -> Program:
        raise kind("operation not permitted when stream is capturing\nand more")

    graphs, values = Graphs(refuse), list[Tensor]()
    with pytest.warns(
        UserWarning, match=r"no CUDA graph of sum, .*: operation not .* \(test_graphs.py:"
    ) as caught:
        for key in ("sum", "other"):
            run_twice_more(graphs, key, lambda: values.append(torch.ones(1)))
    assert len(values) == 6 and len(caught) == 1


def test_a_gpu_that_is_full_is_not_hidden() -> None:
    def full(program: Program, pool: str) -> Program:
        raise torch.OutOfMemoryError("full")

    graphs = Graphs(full)
    graphs.run("sum", lambda: None)
    with pytest.raises(torch.OutOfMemoryError):
        graphs.run("sum", lambda: None)


class Cuda:
    """What `CudaCapture` asks of CUDA, in order. invalid: what the end of a capture says, if anything."""

    def __init__(self) -> None:
        self.calls, self.invalid = list[str](), ""
        stream = SimpleNamespace(wait_stream=lambda other: None, device=0, device_index=0)
        self.answers: dict[str, Any] = {
            "Stream": lambda device: stream,
            "current_stream": lambda device: stream,
            "stream": lambda value: nullcontext(),
            "graph_pool_handle": iter([(0, 1), (0, 2)]).__next__,
            "synchronize": lambda device: self.calls.append("synchronize"),
            "empty_cache": lambda: self.calls.append("empty cache"),
            "CUDAGraph": lambda: SimpleNamespace(
                capture_begin=lambda **how: self.calls.append(f"begin {how['pool'][1]}"),
                capture_end=self._end,
                replay=lambda: self.calls.append("replay"),
            ),
        }
        self.private: dict[str, Any] = {
            "_cuda_clearCublasWorkspaces": lambda: self.calls.append("clear"),
            "_cuda_endAllocateToPool": lambda device, pool: self.calls.append(f"leave pool {pool[1]}"),
            "_cuda_releasePool": lambda device, pool: self.calls.append(f"release pool {pool[1]}"),
        }

    def _end(self) -> None:
        self.calls.append("end")
        if self.invalid:
            raise RuntimeError(self.invalid)


@pytest.fixture
def cuda() -> Iterator[Cuda]:
    found = Cuda()
    with (
        patch.multiple(torch.cuda, **found.answers),
        patch.multiple(torch._C, create=True, **found.private),
    ):
        yield found


def test_a_capture_has_workspaces_of_its_own(cuda: Cuda) -> None:
    replay = CudaCapture(torch.device("cuda"))(lambda: cuda.calls.append("program"), PASSING)
    assert cuda.calls == ["empty cache", "synchronize", "clear", "begin 2", "program", "end", "clear"]
    replay()
    assert cuda.calls[-1] == "replay"


def test_nothing_is_collected_in_a_capture(cuda: Cuda) -> None:
    """An old graph that is destroyed meanwhile would make it invalid."""
    seen = list[bool]()

    def program() -> None:
        seen.append(gc.isenabled())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CudaCapture(torch.device("cuda"))(program, KEPT)
    assert seen == [False] and gc.isenabled()


def test_a_failed_capture_leaves_its_pool(cuda: Cuda) -> None:
    """Whether the program raises, or only the end of the capture."""

    def fails() -> None:
        raise ZeroDivisionError

    capture, cuda.invalid = CudaCapture(torch.device("cuda")), "capture is invalidated"
    with pytest.raises(RuntimeError, match="capture is invalidated"):
        capture(lambda: None, KEPT)
    assert cuda.calls[-4:] == ["end", "leave pool 1", "release pool 1", "clear"]
    with pytest.raises(ZeroDivisionError):
        capture(fails, KEPT)
    assert cuda.calls[-4:] == ["end", "leave pool 1", "release pool 1", "clear"]


def test_memory_that_plain_runs_left_is_free_for_a_capture(cuda: Cuda) -> None:
    CudaCapture(torch.device("cuda"))(lambda: None, KEPT)
    assert cuda.calls.index("empty cache") < cuda.calls.index("begin 1")


def test_graphs_may_share_what_ran_plainly() -> None:
    seen, captures = set[Hashable](), [Captures(), Captures()]
    for capture in captures:
        Graphs(capture, seen).run("program", lambda: None)
    assert [len(capture.pools) for capture in captures] == [0, 1]
