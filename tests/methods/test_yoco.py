"""YOCO: its error and its order by hand, its network's training, and the set that it leaves."""

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Budget, Examples
from suite.core.training.augment import augment_each
from suite.plugins.methods import yoco
from suite.plugins.methods.idc import IDC
from suite.plugins.methods.yoco import YOCO, order, prediction_errors
from suite.plugins.registry import published
from tests.support.small_data import few_digits

QUICK: dict[str, Any] = {
    "steps": 3,
    "network_steps": 2,
    "real_batch": 4,
    "network_images": 16,
    "network": "convnet-d1-w4-in",
}


def train() -> Examples:
    return few_digits(12)


def finished(cls: Any, ipc: int, **changes: Any) -> Any:
    run = cls(**{**QUICK, **changes}).start(train(), Budget(ipc), seed=0)
    for _ in range(run.steps):
        run.step()
    return run


def test_an_error_is_the_distance_of_probabilities_from_the_label() -> None:
    logits = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.5, 0.5]]).log()
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    expected = [0.08**0.5, 1.28**0.5, 0.5**0.5]
    assert prediction_errors(logits, labels).tolist() == pytest.approx(expected)


def test_the_order_adds_the_errors_of_the_epochs_with_most_correct_images() -> None:
    # Two classes of three images. Epochs 1 and 3 count; epoch 0 alone would give another order.
    errors = torch.tensor(
        [
            [0.0, 0.5, 0.9, 0.9, 0.5, 0.0],
            [0.9, 0.1, 0.2, 0.3, 0.3, 0.8],
            [0.0, 0.9, 0.9, 0.9, 0.9, 0.0],
            [0.1, 0.3, 0.2, 0.6, 0.1, 0.1],
        ]
    )
    right = torch.tensor([1.0, 5.0, 2.0, 4.0])
    # Sums: 1.0, .4, .4 and .9, .4, .9. Equal images keep their order.
    assert order(errors, right, best=2, classes=2).tolist() == [[1, 2, 0], [1, 0, 2]]
    assert order(errors, right, best=1, classes=2).tolist() == [[1, 2, 0], [0, 1, 2]]


def test_only_the_order_of_idcs_set_changes() -> None:
    made, plain = (finished(cls, 3).synthetic() for cls in (YOCO, IDC))
    assert not torch.equal(made.images, plain.images) and made.stored_bytes == plain.stored_bytes
    for ours, theirs in zip(made.images.flatten(2), plain.images.flatten(2), strict=True):
        places = torch.cdist(ours, theirs).argmin(1)
        assert sorted(places.tolist()) == list(range(12)) and torch.equal(ours, theirs[places])


def test_prefixes_have_the_lowest_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are the images' brightness here: the set is sorted by it, the parts of formations, too."""
    monkeypatch.setattr(
        yoco.YOCODistiller,
        "_dynamics",
        lambda run: (run.synthetic().flat()[0].mean((1, 2, 3)).expand(10, -1), torch.ones(10)),
    )
    made: SyntheticSet = finished(YOCO, 3, factor=2).synthetic()
    brightness = made.images.mean((2, 3, 4))
    assert bool((brightness.diff(dim=1) >= 0).all()) and made.prefix(1).ipc == 4


def test_its_network_trains_as_the_recipe_says() -> None:
    """Against a plain loop: errors and correct images before each step, on what the network is shown."""
    run = finished(YOCO, 2, factor=1, epochs=3, best=1)
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def watched(augment: Any, images: torch.Tensor, targets: torch.Tensor, params: Any) -> Any:
        found = augment_each(augment, images, targets, params)
        seen.append((targets[0], found[0][0], found[1][0]))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(yoco, "augment_each", watched)
        rng = torch.Generator()
        rng.set_state(run.network_rng.get_state())
        errors, right = run._dynamics()
    parameters = run.network.initialise(rng)
    velocity = torch.zeros_like(parameters)
    assert [len(labels) for labels, *_ in seen] == [20, 20, 20]  # a batch takes the whole set
    for epoch, (labels, images, targets) in enumerate(seen):
        leaf = parameters.clone().requires_grad_()
        logits = run.network.logits(leaf, images)
        (gradient,) = torch.autograd.grad(cross_entropy(logits, targets.to(logits)), leaf)
        own = prediction_errors(logits.detach(), labels).sort().values
        torch.testing.assert_close(errors[epoch].sort().values, own, rtol=1e-4, atol=1e-5)
        assert right[epoch] == int((logits.argmax(1) == labels.argmax(1)).sum())
        velocity = 0.9 * velocity + gradient + 5e-4 * parameters
        parameters = parameters - 0.01 * velocity


def test_the_authors_settings() -> None:
    assert (YOCO().epochs, YOCO().best, YOCO().factor) == (100, 10, 2)
    assert published(YOCO, "cifar100", 10) == {"epochs": 200} and not published(YOCO, "cifar10", 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 5}, "best 10 and epochs 5 must be in this order"),
        ({"epochs": 1001}, "at most 1000"),
        ({"best": 0}, "best 0 must be at least 1"),
    ],
)
def test_epochs_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        YOCO(**changes)
