"""A torch module as a function of one flat vector, and modules that have a state."""

import pytest
import torch
from torch import Tensor, nn

from suite.core.engine.modules import FlatModule


def test_the_vector_has_the_trainable_parameters_in_torchs_order() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    module[1].requires_grad_(False)
    flat = FlatModule(module)
    trainable = [*module[0].parameters(), *module[2].parameters()]
    vector = flat.initial_parameters()
    assert torch.equal(vector, nn.utils.parameters_to_vector(trainable)) and not vector.requires_grad
    x, moved = torch.randn(4, 3), vector + 1
    found = flat(moved, x)
    assert torch.equal(flat.initial_parameters(), vector)  # the module itself has not changed
    nn.utils.vector_to_parameters(moved, trainable)
    torch.testing.assert_close(found, module(x))


class Tied(nn.Module):
    """Two layers that share one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.second(self.first(x))
        return found


def test_shared_parameters_are_in_the_vector_once() -> None:
    flat, matrix = FlatModule(Tied()), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert flat.initial_parameters().shape == (4,)
    assert flat(matrix.flatten(), torch.eye(2)).tolist() == (matrix @ matrix).T.tolist()


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(2), nn.InstanceNorm1d(2, track_running_stats=True)])
def test_running_statistics_are_refused_with_the_remedy(layer: nn.Module) -> None:
    module = nn.Sequential(nn.Linear(3, 2), layer)
    kind = type(layer).__name__
    with pytest.raises(ValueError, match=rf"{kind} '1' updates running statistics .* call module.eval\(\)"):
        FlatModule(module)
    FlatModule(module.eval())


def test_batch_norm_without_running_statistics_is_a_function() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False))
    x = torch.randn(5, 3)
    torch.testing.assert_close(FlatModule(module)(FlatModule(module).initial_parameters(), x), module(x))


class Counting(nn.Module):
    """A layer that counts its calls in a buffer."""

    calls: Tensor

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.scale, self.in_place = nn.Parameter(torch.ones(1)), in_place
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        if self.in_place:
            self.calls += 1
        else:
            self.calls = self.calls + 1
        return self.scale * x


@pytest.mark.parametrize("in_place", [True, False])
def test_a_buffer_that_changes_is_refused(in_place: bool) -> None:
    with pytest.raises(ValueError, match="changes its buffers when it is called"):
        FlatModule(Counting(in_place=in_place))(torch.ones(1), torch.ones(3))


def test_random_numbers_are_refused() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    flat, x = FlatModule(module), torch.randn(4, 3)
    with pytest.raises(ValueError, match=r"draws random numbers, as dropout does; call module.eval\(\)"):
        flat(flat.initial_parameters(), x)
    module.eval()
    assert torch.equal(flat(flat.initial_parameters(), x), module(x))


def test_a_module_without_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="no parameters that require gradients"):
        FlatModule(nn.Sequential(nn.Flatten(), nn.Linear(3, 2).requires_grad_(False)))
