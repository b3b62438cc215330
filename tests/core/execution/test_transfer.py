"""Numbers arrive unchanged, in one copy for each type."""

import torch

from suite.core.execution.transfer import send


def test_values_arrive_in_their_places() -> None:
    values = [torch.tensor([[1, 2]]), torch.tensor(0.5), torch.zeros(0, 3), torch.tensor([3])]
    arrived = send(values, torch.device("meta"))
    assert [(x.shape, x.dtype, x.device.type) for x in arrived] == [
        (x.shape, x.dtype, "meta") for x in values
    ]
    for sent, value in zip(send(values, torch.device("cpu")), values, strict=True):
        assert torch.equal(sent, value)
