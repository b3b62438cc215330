"""The bases of methods: state without state code, selection, refusals."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from suite.core.distilling.base import BaseDistiller, BaseMethod, ImageMethod, Stateful
from suite.core.distilling.selection import Selection
from suite.core.limits import check_enough_real
from suite.core.seeding import generator
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.core.spec import Budget, Examples

TRAIN = Examples(torch.arange(6.0).reshape(6, 1, 1, 1), torch.tensor([0, 1, 0, 1, 0, 1]), 2)


class Walk(BaseDistiller):
    """A random walk of everything that a distiller may keep."""

    def __init__(self) -> None:
        self.steps, self.taken, self.scale = 10, 0, 1.0
        self.images = torch.zeros(2, 1, 1, 1, 1, requires_grad=True)
        self.optimiser = torch.optim.Adam([self.images], lr=0.1)
        self.draw = generator(0, "walk")
        self.train = TRAIN

    def step(self) -> Mapping[str, float]:
        self.images.grad = torch.randn(self.images.shape, generator=self.draw) * self.scale
        self.optimiser.step()
        self.taken, self.scale = self.taken + 1, self.scale * 0.9
        return {}

    def synthetic(self) -> SyntheticSet:
        return SyntheticSet(self.images.detach().clone(), one_hot(2, 1))


@dataclass
class Thawed:
    """Can change, so its state could be lost."""

    value: int


def test_state_brings_a_run_back_to_the_bit() -> None:
    first, second = Walk(), Walk()
    for _ in range(4):
        first.step()
    state = first.state_dict()
    assert "train" not in state
    first.step()
    second.load_state_dict(state)
    second.step()
    assert torch.equal(first.images, second.images) and second.taken == 5


def test_state_is_a_copy() -> None:
    walk = Walk()
    walk.step()
    state = walk.state_dict()
    image, moment = state["images"].clone(), state["optimiser"]["state"][0]["exp_avg"].clone()
    walk.step()
    assert torch.equal(state["images"], image)
    assert torch.equal(state["optimiser"]["state"][0]["exp_avg"], moment)


def test_what_could_not_be_restored_is_refused() -> None:
    walk = Walk()
    walk.history = [1.0]  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="attribute 'history' is a list, whose state would be lost"):
        walk.state_dict()


def test_a_state_of_something_else_is_refused() -> None:
    state = Walk().state_dict()
    del state["draw"]
    with pytest.raises(ValueError, match=r"'draw'.* are needed"):
        Walk().load_state_dict(state)


@dataclass(frozen=True)
class Last(Selection):
    """The last images of each class."""

    def choose(self, train: Examples, ipc: int, *, seed: int) -> list[Tensor]:
        return [indices.flip(0)[:ipc] for indices in train.by_class()]


def test_a_selection_takes_one_step_and_has_hard_labels() -> None:
    run = Last().start(TRAIN, Budget(2), seed=0)
    assert run.steps == 1 and run.synthetic().images.flatten().tolist() == [0, 2, 1, 3]
    assert run.step() == {}
    made = run.synthetic()
    assert made.images.flatten().tolist() == [4, 2, 5, 3] and made.hard


def test_a_selection_refuses_more_than_the_smallest_class_has() -> None:
    with pytest.raises(ValueError, match=r"ipc 4 is larger than the smallest class \(3 images of class 0\)"):
        Last().check(TRAIN, Budget(4))
    check_enough_real(TRAIN, Budget(3))


def test_a_class_without_an_image_is_refused_by_every_method() -> None:
    empty = Examples(TRAIN.images, torch.zeros(6, dtype=torch.int64), 2)
    with pytest.raises(ValueError, match="class 1 has no training image"):
        BaseMethod().check(empty, Budget(1))


@pytest.mark.parametrize("value", ["text", None, (1, 2), {"a": 1}, Thawed(0)])
def test_whatever_is_no_tensor_number_or_frozen_dataclass_is_refused(value: object) -> None:
    walk = Walk()
    walk.extra = value  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=f"attribute 'extra' is a {type(value).__name__}, whose state"):
        walk.state_dict()


def test_a_state_of_another_shape_is_refused() -> None:
    """Copying would broadcast it."""
    state = Last().start(TRAIN, Budget(1), seed=0).state_dict()
    with pytest.raises(ValueError, match=r"'chosen' has shape \(2, 1\); \(2, 3\) is needed"):
        Last().start(TRAIN, Budget(3), seed=0).load_state_dict(state)


def test_a_state_with_more_than_is_needed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'more'.* are needed"):
        Walk().load_state_dict({**Walk().state_dict(), "more": 1})


class Part(Stateful):
    """A state within a state."""

    def __init__(self) -> None:
        self.count, self.total = 0, torch.zeros(2)

    def add(self, value: float) -> None:
        self.count, self.total = self.count + 1, self.total + value


class Parts(Stateful):
    """One part, and a tuple of them."""

    def __init__(self) -> None:
        self.one, self.several = Part(), (Part(), Part())


def test_the_state_of_parts_is_saved_with_the_whole() -> None:
    whole, other = Parts(), Parts()
    whole.one.add(1.0)
    whole.several[1].add(2.0)
    state = whole.state_dict()
    whole.several[1].add(4.0)  # after which the state is still a copy
    other.load_state_dict(state)
    assert other.one.total.tolist() == [1, 1] and other.one.count == 1
    assert [part.total.tolist() for part in other.several] == [[0, 0], [2, 2]]


def test_another_number_of_parts_is_refused() -> None:
    whole, other = Parts(), Parts()
    other.several = (Part(),)  # type: ignore[assignment]
    with pytest.raises(ValueError, match="argument"):
        other.load_state_dict(whole.state_dict())


def test_a_method_with_images_and_a_network_checks_both() -> None:
    ImageMethod(network="mlp-w4").check(TRAIN, Budget(3))
    with pytest.raises(ValueError, match="ipc 4 is larger than the smallest class"):
        ImageMethod(network="mlp-w4").check(TRAIN, Budget(4))
    ImageMethod(network="mlp-w4", initial="noise").check(TRAIN, Budget(4))
    with pytest.raises(ValueError, match="too small"):
        ImageMethod(network="convnet-d3-w4-in").check(TRAIN, Budget(1))


def test_batch_norm_is_refused_unless_the_method_allows_it() -> None:
    class Allowing(ImageMethod):
        batch_norm = True

    larger = Examples(torch.zeros(4, 1, 2, 2), torch.arange(4) % 2, 2)
    Allowing(network="convnet-d1-w4-bn", initial="noise").check(larger, Budget(1))
    with pytest.raises(ValueError, match="convnet-d1-w4-bn has batch norm"):
        ImageMethod(network="convnet-d1-w4-bn", initial="noise").check(larger, Budget(1))


def test_restoring_keeps_the_tensor_that_the_optimiser_moves() -> None:
    walk = Walk()
    images = walk.images
    walk.load_state_dict({**walk.state_dict(), "images": torch.ones(2, 1, 1, 1, 1)})
    assert walk.images is images and images.requires_grad
    walk.step()
    assert not images.eq(1).any()
