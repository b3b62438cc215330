"""The fake GPU counts each kind of traffic, refuses what CUDA refuses, and computes what a CPU computes."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from suite.core.execution import compiling
from suite.core.seeding import generator
from tests.support.fake_device import GPU, fake_gpu
from tests.support.fake_operations import FakeGPU, Traffic

Act = Callable[[Tensor], object]


@pytest.fixture
def gpu() -> Iterator[FakeGPU]:
    with fake_gpu() as found:
        yield found


def counts(traffic: Traffic) -> tuple[int, int, int]:
    return len(traffic.pageable), len(traffic.pinned), len(traffic.waits)


def counted(gpu: FakeGPU, act: Act) -> tuple[int, int, int]:
    """Return pageable copies, pinned copies and waits of an act on [0., 1., 2.] on the GPU."""
    x = torch.arange(3.0, device=GPU)
    with gpu.counted() as traffic:
        act(x)
    return counts(traffic)


WAITS: dict[str, Act] = {
    "item": lambda x: x[0].item(),
    "float": lambda x: float(x[0]),
    "int": lambda x: int(x[0]),
    "bool": lambda x: bool(x.sum() > 0),
    "index": lambda x: [1, 2, 3][x[1].long()],
    "select by a tensor": lambda x: x[x[1].long()],
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to the host": lambda x: x.to("cpu"),
    "copied to the host": lambda x: torch.zeros(3).copy_(x),
    "nonzero": lambda x: x.nonzero(),
    "boolean mask": lambda x: x[x > 0],
    "boolean mask, written": lambda x: x.__setitem__(x > 0, x[:1]),
    "masked_select": lambda x: x.masked_select(x > 0),
    "masked_fill by a tensor": lambda x: x.masked_fill(x > 0, x[0]),
    "unique": lambda x: x.unique(),
    "bincount": lambda x: x.long().bincount(),
    "repeat_interleave": lambda x: x.repeat_interleave(x.long()),
    "equal": lambda x: torch.equal(x, x),
    "allclose": lambda x: torch.allclose(x, x),
    "solve": lambda x: torch.linalg.solve(torch.eye(3, device=x.device), x),
    "one_hot of unknown classes": lambda x: one_hot(x.long()),
    "synchronize": lambda x: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_waits_is_counted(gpu: FakeGPU, name: str) -> None:
    assert counted(gpu, WAITS[name]) == (0, 0, 1)


PAGEABLE: dict[str, Act] = {
    "to": lambda x: torch.ones(2).to(GPU),
    "to without blocking": lambda x: torch.ones(2).to(GPU, non_blocking=True),
    "to another": lambda x: torch.ones(2).to(x),
    "cuda": lambda x: torch.ones(2).cuda(),
    "pinned, but blocking": lambda x: torch.ones(2).pin_memory().to(GPU),
    "tensor": lambda x: torch.tensor([1.0], device=x.device),
    "as_tensor": lambda x: torch.as_tensor(1.0, device=x.device),
    "new_tensor": lambda x: x.new_tensor(1.0),
    "copy": lambda x: x.copy_(torch.ones(3)),
    "an element, written": lambda x: x.__setitem__(0, 1.0),
    "indices": lambda x: x[torch.tensor([0, 2])],
    "a value at indices": lambda x: x.__setitem__(torch.arange(2, device=GPU), 1.0),
}


@pytest.mark.parametrize("name", PAGEABLE)
def test_pageable_copies_are_counted(gpu: FakeGPU, name: str) -> None:
    assert counted(gpu, PAGEABLE[name]) == (1, 0, 0)


def test_pinned_copies_are_counted_apart(gpu: FakeGPU) -> None:
    x = torch.ones(2).pin_memory()
    buffer = torch.empty(2, pin_memory=True)
    assert x.is_pinned() and x[1:].is_pinned() and buffer.is_pinned() and not (x + 1).is_pinned()
    assert counted(gpu, lambda _: x.to(GPU, non_blocking=True)) == (0, 1, 0)
    assert counted(gpu, lambda _: buffer[:1].to(GPU, non_blocking=True)) == (0, 1, 0)
    assert counted(gpu, lambda y: y[:2].copy_(x, non_blocking=True)) == (0, 1, 0)


FREE: dict[str, Act] = {
    "made there": lambda x: [torch.zeros(2, device=GPU), torch.arange(2, device="cuda"), x.new_full((), 3.0)],
    "arithmetic": lambda x: (x * 2 + 1).sum() / torch.tensor(2.0),
    "filled": lambda x: x[1:].fill_(3.0),
    "a mask, filled": lambda x: x.__setitem__(x > 0, 1.0),
    "slices": lambda x: x.__setitem__(slice(1, 3), 0.0),
    "gathered": lambda x: x[torch.arange(2, device=x.device)],
    "where": lambda x: torch.where(x > 0, x, torch.inf),
    "repeat_interleave of a known size": lambda x: x.repeat_interleave(x.long(), output_size=3),
    "one_hot": lambda x: one_hot(x.long(), 3),
    "solve_ex": lambda x: torch.linalg.solve_ex(torch.eye(3, device=x.device), x),
    "sort": lambda x: (x.argsort(), x.argmax(), x.topk(2)),
    "on the host": lambda x: [torch.ones(3).tolist(), torch.ones(3).nonzero(), float(torch.ones(()))],
    "nothing is copied": lambda x: torch.zeros(2, 0).to(GPU),
    "to where it is": lambda x: x.to(GPU).to(torch.float64).to(x),
    "on meta": lambda x: torch.empty_like(x, device="meta") + 1,
}


@pytest.mark.parametrize("name", FREE)
def test_what_does_not_wait_is_not_counted(gpu: FakeGPU, name: str) -> None:
    assert counted(gpu, FREE[name]) == (0, 0, 0)


def test_a_count_names_the_operation_and_its_line(gpu: FakeGPU) -> None:
    with gpu.counted() as traffic:
        torch.ones(3, device=GPU).nonzero()
    assert traffic.waits[0].startswith("aten.nonzero at tests/behaviour/test_fake_device.py:")


MIXES: dict[str, Act] = {
    "add": lambda x: x + torch.ones(3),
    "add a scalar of the GPU": lambda x: torch.ones(3) + x[0],
    "cat": lambda x: torch.cat([x, torch.ones(3)]),
    "stack of scalars": lambda x: torch.stack([x[0], torch.tensor(1.0)]),
    "matmul": lambda x: x @ torch.ones(3),
    "where": lambda x: torch.where(torch.ones(3) > 0, x, x),
    "indices": lambda x: torch.ones(3)[x.long()],
    "values": lambda x: x.__setitem__(x.long(), torch.ones(3)),
    "in place": lambda x: torch.ones(3).add_(x),
    "classes": lambda x: cross_entropy(x[None], torch.zeros(1, dtype=torch.int64)),
}


@pytest.mark.parametrize("name", MIXES)
def test_mixes_are_refused(gpu: FakeGPU, name: str) -> None:
    with pytest.raises(RuntimeError, match="all tensors to be on the same device"):
        MIXES[name](torch.arange(3.0, device=GPU))


def test_other_refusals_of_cuda(gpu: FakeGPU) -> None:
    x = torch.ones(3, device=GPU)
    with pytest.raises(TypeError, match=r"use Tensor.cpu\(\) first"):
        x.numpy()
    with pytest.raises(RuntimeError, match="'cuda' device type for generator"):
        torch.rand(3, device=GPU, generator=generator(0))
    with pytest.raises(RuntimeError, match="'cuda' device type for generator"):
        x.normal_(generator=generator(0))
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        x.pin_memory()
    with pytest.raises(NotImplementedError, match="gradients do not travel"):
        torch.ones(3, requires_grad=True).to(GPU)


def test_devices_are_seen_through_views_and_transforms(gpu: FakeGPU) -> None:
    x, seen = torch.arange(6.0, device="cuda").view(2, 3), []

    def function(row: Tensor) -> Tensor:
        seen.append(row.device)
        return (row * torch.ones(3, device=row.device)).square().sum()

    assert x.is_cuda and not x.is_cpu and x[0].detach().device == GPU and torch.ones(2).is_cpu
    assert torch.func.vmap(torch.func.grad(function))(x).device == GPU
    assert torch.func.jvp(function, (x[0],), (x[1],))[1].device == GPU
    pull = torch.func.vjp(function, x[0])[1]
    assert pull(torch.ones((), device=GPU))[0].device == GPU
    assert seen == [GPU] * 3


def learned(device: torch.device) -> Tensor:
    """Return what torch's optimisers and transforms make of the same start."""
    drawn = torch.randn(4, 3, generator=generator(0)).to(device)
    leaf = drawn.clone().requires_grad_()
    for optimiser in (torch.optim.SGD([leaf], lr=0.1, momentum=0.5), torch.optim.Adam([leaf], lr=0.1)):
        for _ in range(3):
            optimiser.zero_grad()
            torch.func.vmap(lambda row: (row * drawn).square().mean())(leaf).sum().backward()
            optimiser.step()
    return leaf.detach()


def test_values_are_those_of_a_cpu(gpu: FakeGPU) -> None:
    found = learned(GPU)
    assert found.device == GPU and torch.equal(found.cpu(), learned(torch.device("cpu")))


def test_it_is_there_in_its_block_only() -> None:
    assert not torch.cuda.is_available() or torch.cuda.get_device_name() != "fake GPU"
    before = compiling.allowed()
    with fake_gpu():
        assert torch.cuda.is_available() and torch.cuda.get_device_capability() == (8, 0)
        assert torch.cuda.mem_get_info()[0] > 0 and not compiling.allowed()
    assert compiling.allowed() is before and torch.ones(2).device.type == "cpu"
