"""AT-BPTT: where its windows lie, and when its stages end."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from suite.core.engine.truncation import Window
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Budget
from tests.support.plain_meta_learning import NAME, double

MODULE = import_module("suite.plugins.methods.at_bptt")
METHOD, place = MODULE.METHOD, MODULE.place
QUICK: dict[str, Any] = {
    "steps": 9,
    "unroll": 10,
    "window": 4,
    "change": 2,
    "redraw_every": 2,
    "real_batch": 16,
    "network": NAME,
    "augment": "none",
}
NORMS = [5.0, 4.0, 90.0, 88.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
"""With these, the softmax leaves no doubt that step 2 is drawn."""


def drawn(stage: int, norms: list[float], **changes: Any) -> Window:
    window: Window = place(METHOD(**QUICK | changes), stage, norms, generator(0, "window"))
    return window


def test_the_first_window_begins_at_the_drawn_step_and_is_long_where_the_norm_changes() -> None:
    # The changes are 0, 1, 86, 2, 87, 0, 0, …: that of step 2 has rank 8 of 10 from below.
    assert drawn(1, NORMS) == Window(2, int(2 + 4 * 8 / 10))
    late = [*NORMS[4:], *NORMS[:4]]  # step 8; its change, 86, is the second largest
    assert drawn(1, late) == Window(10 - 5, 5), "it ends with the unroll at the latest"
    first = [90.0, *[1.0] * 9]  # no change before the first step
    assert drawn(1, first) == Window(0, 2)


def test_steps_are_drawn_by_the_softmax_of_the_norms() -> None:
    rng, method = generator(0, "window"), METHOD(**QUICK)
    norms = torch.zeros(10)
    norms[3] = 1.0
    starts = [place(method, 3, norms.tolist(), rng).before for _ in range(4000)]
    share = starts.count(8 - 3) / len(starts)
    assert share == pytest.approx(float(norms.softmax(0)[3]), abs=0.02)


def test_the_second_stage_has_long_windows_anywhere() -> None:
    rng, method = generator(0, "window"), METHOD(**QUICK)
    found = [place(method, 2, [], rng) for _ in range(200)]
    assert {each.length for each in found} == {6} and {each.before for each in found} == set(range(5))


def test_the_third_stage_has_short_windows_counted_from_the_end() -> None:
    assert drawn(3, NORMS) == Window(10 - 2 - 2, 2)
    assert drawn(3, NORMS[::-1]) == Window(1, 2)
    assert drawn(3, [*[1.0] * 9, 90.0]) == Window(0, 2), "not before the first step"


def test_stages_end_when_the_accuracy_hardly_rises_for_long() -> None:
    run = METHOD(**QUICK | {"unroll": 20}).start(double(), Budget(1), seed=0)
    stages = []
    # 0.15 × 20 = 3 epochs below 1.5 points end the first stage, 2.5 below 1 point the second.
    for accuracy in (50, 51, 52, 54, 55, 55, 55, 56, 56, 56, 56, 56):
        run._end_epoch(float(accuracy))
        stages.append(run.stage)
    assert stages == [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]


def test_norms_are_those_of_a_fresh_network_trained_on_the_set() -> None:
    run = METHOD(**QUICK | {"inner_lr": 0.05}).start(double(), Budget(2), seed=0)
    images, net = run.synthetic().images.flatten(0, 1), network(NAME, (1, 4, 4), 3)
    leaf = net.initialise(generator(0, "networks")).double().requires_grad_()
    optimiser, expected = torch.optim.Adam([leaf], lr=0.05), []
    for _ in range(10):
        optimiser.zero_grad()
        cross_entropy(net.logits(leaf, images), torch.arange(6) // 2).backward()
        assert leaf.grad is not None
        expected.append(float(leaf.grad.norm()))
        optimiser.step()
    assert run._norms().tolist() == pytest.approx(expected, rel=1e-9)


def test_an_epoch_has_one_window_and_the_accuracy_of_its_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    run = METHOD(**QUICK).start(double(), Budget(1), seed=0)
    windows, accuracies = [], list[float]()
    monkeypatch.setattr(run, "_end_epoch", accuracies.append)
    for _ in range(6):
        metrics = run.step()
        windows.append((run.before, run.length))
        assert len(run.last.final) == 1 and float(metrics["stage"]) == 1
    assert windows[0::2] == windows[1::2] and len(accuracies) == 2
    assert all(0 <= accuracy <= 100 for accuracy in accuracies)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"change": 4}, "change 4 must be smaller than the window, 4"),
        ({"change": -1}, "change -1 must not be negative"),
        ({"window": 9}, "window 11 is longer than the unroll 10"),
        ({"window": 0}, "window 0 must be at least 1"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**QUICK | changes)
