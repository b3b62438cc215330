"""Numbers arrive unchanged, in one copy for each type, for which nothing waits."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from suite.core.execution.transfer import AHEAD, send, send_ahead, send_nested
from tests.support.fake_device import GPU, fake_gpu

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Draw:
    name: str
    rows: Tensor
    shares: tuple[Tensor, ...]


def test_values_arrive_in_their_places() -> None:
    values = [torch.tensor([[1, 2]]), torch.tensor(0.5), torch.zeros(0, 3), torch.tensor([3])]
    arrived = send(values, torch.device("meta"))
    assert [(x.shape, x.dtype, x.device.type) for x in arrived] == [
        (x.shape, x.dtype, "meta") for x in values
    ]
    for sent, value in zip(send(values, CPU), values, strict=True):
        assert torch.equal(sent, value)


def test_all_of_a_type_take_one_copy_from_pinned_memory() -> None:
    values = [torch.tensor([[1, 2]]), torch.tensor(0.5), torch.ones(2, 3), torch.tensor([3])]
    with fake_gpu() as gpu, gpu.counted() as traffic:
        sent = send(values, GPU)
        assert not traffic.pageable and not traffic.waits and len(traffic.pinned) == 2
        assert all(x.device == GPU for x in sent)
        assert all(torch.equal(x.cpu(), value) for x, value in zip(sent, values, strict=True))


def test_a_nest_keeps_its_form() -> None:
    draw = Draw("one", torch.tensor([1, 2]), (torch.ones(2),))
    nest = ([draw], torch.zeros(1, dtype=torch.int64), None, 3.0)
    assert send_nested(nest, CPU) is nest
    with fake_gpu() as gpu, gpu.counted() as traffic:
        (found,), index, *others = send_nested(nest, GPU)
        assert len(traffic.pinned) == 2 and not traffic.pageable
        assert found.name == "one" and isinstance(found.shares, tuple) and others == [None, 3.0]
        assert found.rows.is_cuda and found.shares[0].is_cuda and index.is_cuda
        assert found.rows.tolist() == [1, 2] and found.shares[0].tolist() == [1, 1] and index.tolist() == [0]


def test_long_trainings_are_sent_ahead() -> None:
    drawn = []

    def values() -> Iterator[Tensor]:
        for number in range(2 * AHEAD + 1):
            drawn.append(number)
            yield torch.tensor(number)

    with fake_gpu() as gpu, gpu.counted() as traffic:
        sent = send_ahead(values(), GPU)
        first = next(sent)
        assert first.is_cuda and len(drawn) == AHEAD and len(traffic.pinned) == 1
        assert [int(x) for x in (first, *sent)] == list(range(2 * AHEAD + 1))
        assert len(traffic.pinned) == 3 and not traffic.pageable
