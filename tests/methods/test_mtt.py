"""MTT: its loss and updates by hand, its gradient against one autograd graph, its memory, its settings."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from suite.core.networks.layers import Layer
from suite.core.networks.named import Network, Shape, network
from suite.core.spec import Budget, Examples
from suite.core.training.recipes import Recipe
from suite.plugins.registry import configure
from suite.plugins.smoke import smoke_data
from tests.support.plain_trajectories import (
    MTT,
    NAME,
    double,
    experts_are,
    plain,
    resumes_exactly,
    started,
    steps_as_plain_matching,
)

METHOD = MTT.METHOD


# By hand


def linear(name: str, shape: Shape, classes: int) -> Network:
    """Return a network of one pixel x whose two logits are (w0 x, w1 x)."""
    return Network(name, shape, classes, (Layer(lambda own, x: x.flatten(1) * own[0], ((2,),)),))


def by_hand(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    """Start with images 1 of class 0 and -1 of class 1, and an expert that went from (0, 0) to (1, -1)."""
    monkeypatch.setattr(MTT, "network", linear)
    monkeypatch.setattr(
        "suite.core.engine.classification.network",
        lambda name, shape, classes, form: linear(name, shape, classes),
    )
    experts_are(monkeypatch, torch.tensor([[0.0, 0.0], [1.0, -1.0]]), seconds=7.0)
    settings: dict[str, Any] = {"steps": 9}
    settings |= {"syn_steps": 1, "expert_epochs": 1, "max_start_epoch": 1, "experts": 1, "augment": "none"}
    settings |= {"student_lr": 0.1, "image_lr": 10.0, "lr_lr": 0.1}
    data = Examples(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1), torch.tensor([0, 1]), 2)
    return METHOD(**{**settings, **changes}).start(data, Budget(1), seed=0)


def test_a_step_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # At (0, 0) both probabilities are 1/2. Image 1 gives the gradient (-1/2, 1/2), image -1 the same, so the
    # student goes to .1 (1/2, -1/2) = (.05, -.05): of the squared way 2 to (1, -1), 2 (.95)^2 are left.
    run = by_hand(monkeypatch)
    metrics = run.step()
    assert float(metrics["outer_loss"]) == pytest.approx(0.95**2)
    # Left are (1 - lr / 2)^2, whose derivative is -(1 - lr / 2) = -.95.
    assert float(metrics["student_lr"]) == pytest.approx(0.1 + 0.1 * 0.95)
    # An image x takes part by (p - y) x / 2, and p stays at 1/2: for x of class 0 the student moves by
    # -.1 (-1/4, 1/4), so the loss by (-.95, .95) . (.025, -.025) = -.0475; for the other by as much upwards.
    assert run.synthetic().images.flatten().tolist() == pytest.approx([1.475, -1.475])
    assert run.synthetic().lr == float(metrics["student_lr"]) and run.synthetic().hard


def test_images_and_rate_have_momentum(monkeypatch: pytest.MonkeyPatch) -> None:
    run = by_hand(monkeypatch, image_lr=2.0, image_momentum=0.25, lr_lr=0.3)
    before, velocity = [run.images.clone(), run.student_lr.clone()], [0.0, 0.0]
    for _ in range(3):
        run.step()
        gradients = [run.last.gradients[0], run.last.lr]
        rates = ((2.0, 0.25), (0.3, 0.5))
        for place, ((rate, momentum), gradient) in enumerate(zip(rates, gradients, strict=True)):
            velocity[place] = momentum * velocity[place] + gradient
            before[place] = before[place] - rate * velocity[place]
        torch.testing.assert_close(run.images, before[0])
        torch.testing.assert_close(run.student_lr, before[1])


def test_a_burst_is_scaled_down_to_some_average_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, clip=0.05, image_momentum=0.0)
    average = 0.0
    for step in range(3):
        before, rate = run.images.clone(), run.student_lr.clone()
        metrics = run.step()
        norm = float(metrics["gradient_norm"])
        limit = 0.05 * average if step else norm
        torch.testing.assert_close(before - run.images, run.last.gradients[0] * min(1, limit / norm))
        if step == 0:
            torch.testing.assert_close(rate - run.student_lr, run.last.lr)
        assert step == 0 or norm > limit
        average = 0.9 * average + 0.1 * min(norm, limit) if step else norm


def test_every_run_is_charged_for_the_experts(monkeypatch: pytest.MonkeyPatch) -> None:
    run = by_hand(monkeypatch)
    assert run.cached_seconds == 7 and "cached_seconds" not in run.step()
    other = by_hand(monkeypatch)
    other.load_state_dict(run.state_dict())
    assert other.cached_seconds == 7


def test_what_diverges_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    run = by_hand(monkeypatch, student_lr=torch.inf)
    assert not torch.as_tensor(run.step()["outer_loss"]).isfinite()
    assert run.diagnosis() == "the parameters after inner step 1 of 1"


# Against one graph over all synthetic steps, in float64


@pytest.mark.parametrize(
    "changes",
    [{}, {"augment": "none", "batch": 4}, {"checkpoint_every": 2}, {"syn_steps": 25, "batch": 1}],
    ids=str,
)
def test_the_gradient_is_that_of_plain_matching(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps_as_plain_matching(started(METHOD, monkeypatch, **changes), targets="hard")


# Memory


class Peak(TorchDispatchMode):
    """Follows the bytes that tensors hold at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held, self.peak = 0, 0
        self.seen = weakref.WeakSet[torch.UntypedStorage]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        for value in tree_leaves(found):
            if isinstance(value, Tensor) and (storage := value.untyped_storage()) not in self.seen:
                self.seen.add(storage)
                self.held += storage.nbytes()
                weakref.finalize(storage, self.free, storage.nbytes())
        self.peak = max(self.peak, self.held)
        return found

    def free(self, size: int) -> None:
        self.held -= size


def peak(work: Callable[[], object]) -> int:
    mode = Peak()
    with mode:
        work()
    return mode.peak


def test_a_step_more_takes_parameters_and_no_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    def grown(work: Callable[[Any], object], **changes: Any) -> float:
        """Return the bytes that a synthetic step more takes."""
        few, many = (
            started(METHOD, monkeypatch, syn_steps=steps, augment="none", **changes) for steps in (4, 24)
        )
        return (peak(lambda: work(many)) - peak(lambda: work(few))) / 20

    states = 2 * 8 * network(NAME, (1, 4, 4), 3).size  # parameters and velocity, in float64
    ours = grown(lambda run: run.step())
    assert states <= ours < 2 * states
    assert grown(plain) > 10 * ours
    assert grown(lambda run: run.step(), checkpoint_every=4) < ours / 2


# Settings


def test_it_resumes_exactly() -> None:
    resumes_exactly(METHOD(**METHOD.smoke), smoke_data())


def test_experts_are_those_of_every_seed_and_size() -> None:
    def run(ipc: int, seed: int) -> Any:
        return METHOD(**METHOD.smoke).start(smoke_data(), Budget(ipc), seed=seed)

    one, other = run(1, 0).experts, run(2, 5).experts
    assert all(torch.equal(a, b) for a, b in zip(one.trajectories, other.trajectories, strict=True))


def test_experts_train_as_the_paper_does() -> None:
    assert METHOD().training == Recipe("expert", "arXiv 2203.11932", "sgd", 0.01, "dsa", epochs=50, batch=256)
    assert METHOD().training.lr_schedule(512) == [0.01] * 100


def test_settings_are_the_papers() -> None:
    method = METHOD()
    assert (method.steps, method.syn_steps, method.expert_epochs, method.max_start_epoch) == (5000, 20, 3, 25)
    assert (method.image_lr, method.image_momentum, method.lr_lr, method.student_lr) == (
        1000,
        0.5,
        1e-5,
        0.01,
    )
    assert (method.experts, method.trained_epochs, method.batch) == (100, 50, None)


@pytest.mark.parametrize(
    ("key", "values"),
    [  # N, M, T+, image rate, rate of the rate, first rate, batch: as DC-Bench has them from the authors
        (("cifar10", 1), (50, 2, 2, 100, 1e-7, 0.01, None)),
        (("cifar10", 10), (30, 2, 20, 100, 1e-5, 0.001, None)),
        (("cifar10", 50), (30, 2, 40, 1000, 1e-5, 0.001, None)),
        (("cifar100", 1), (20, 3, 20, 1000, 1e-5, 0.01, None)),
        (("cifar100", 10), (20, 2, 20, 1000, 1e-5, 0.01, None)),
        (("cifar100", 50), (80, 2, 40, 1000, 1e-5, 0.01, 125)),
        (("tiny-imagenet", 1), (10, 2, 10, 10000, 1e-4, 0.01, None)),
        (("tiny-imagenet", 10), (20, 2, 40, 10000, 1e-4, 0.01, 200)),
        (("tiny-imagenet", 50), (20, 2, 40, 10000, 1e-4, 0.01, 300)),
        (("imagenette-128", 1), (20, 2, 10, 1000, 1e-6, 0.01, None)),  # from their readme and issue 1
        (("imagewoof-128", 10), (20, 2, 10, 1000, 1e-6, 0.01, 20)),
    ],
    ids=str,
)
def test_settings_for_a_size_are_the_papers(key: tuple[str, int], values: tuple[float | None, ...]) -> None:
    made: Any = configure(METHOD, METHOD.published[key], where="here")
    steps = (made.syn_steps, made.expert_epochs, made.max_start_epoch)
    assert (*steps, made.image_lr, made.lr_lr, made.student_lr, made.batch) == values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"syn_steps": 0}, "syn_steps 0 must be at least 1"),
        ({"batch": 0}, "batch 0 must be at least 1"),
        ({"image_lr": 0.0}, "image_lr 0.0 must be larger than 0"),
        (
            {"max_start_epoch": 49},
            "end at epoch 51 = max_start_epoch 49 - 1 .* have 50; raise trained_epochs",
        ),
        ({"clip": 0.0}, "clip 0.0 must be larger than 0"),
        ({"augment": "dsaa"}, "did you mean 'dsa'"),
    ],
    ids=str,
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)


def test_what_does_not_fit_the_task_is_refused() -> None:
    with pytest.raises(ValueError, match="ipc 5 is larger than the smallest class"):
        METHOD(network=NAME).check(double(), Budget(5))
    METHOD(network=NAME, initial="noise").check(double(), Budget(5))
    with pytest.raises(ValueError, match="images are too small"):
        METHOD(network="convnet-d3-w4-in").check(double(), Budget(1))
