"""What recovery has in common: batches, the rate, the range of pixels, and its teachers."""

from math import cos, pi
from pathlib import Path
from typing import Any

import pytest
import torch

from suite.core.spec import Budget, Examples
from suite.core.training.cached import own_teacher
from suite.plugins.methods.sre2l import SRe2L
from tests.support.small_data import few_digits

TINY: dict[str, Any] = {"epochs": 1, "network": "convnet-d1-w4-in", "training": "dc-300"}


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))


def train() -> Examples:
    return few_digits(6)


def started(ipc: int = 2, seed: int = 0, **changes: Any) -> Any:
    return SRe2L(**{**TINY, "steps": 6, **changes}).start(train(), Budget(ipc), seed=seed)


def test_a_batch_has_one_image_of_each_of_its_classes() -> None:
    """Ten classes in batches of at most four: 0-3, 4-7 and 8-9, of the first images, then of the second."""
    rows = [each.tolist() for each in started(batch=4).batches()]
    assert rows == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18], [1, 3, 5, 7], [9, 11, 13, 15], [17, 19]]
    assert [len(each) for each in started().batches()] == [10, 10]


def test_the_rate_falls_along_half_a_cosine() -> None:
    run, rates = started(image_lr=0.2), []
    for _ in range(run.steps):
        run.step()
        rates.append(run.optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1 * (1 + cos(pi * step / 6)) for step in range(6)])
    assert run.optimiser.defaults["betas"] == (0.5, 0.9)


def test_images_keep_to_the_range_of_train() -> None:
    run = started(image_lr=10.0)
    low, high = train().images.amin(), train().images.amax()
    assert run.images.amax() > high  # noise
    run.step()
    assert run.images.amin() >= low and run.images.amax() <= high


def test_a_step_of_a_batch_does_not_depend_on_the_others() -> None:
    """With one batch at a time the images of a class are the same, but for the draws."""
    run, other = started(1, jitter=0), started(2, jitter=0)
    with torch.no_grad():
        run.images.copy_(other.images[:, :1])
    for _ in range(3):
        run.step()
        other.step()
    torch.testing.assert_close(run.images, other.images[:, :1])


def test_a_teacher_is_trained_once_and_charged_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the seed and the method, if network, recipe and epochs agree."""
    calls: list[str] = []
    fit = own_teacher.__globals__["fit_full"]

    def counted(net: Any, *rest: Any, **named: Any) -> Any:
        calls.append(net.name)
        return fit(net, *rest, **named)

    monkeypatch.setitem(own_teacher.__globals__, "fit_full", counted)
    first, second, third = started(), started(seed=1), started(image_lr=0.1)
    assert calls == ["convnet-d1-w4-bn"]
    teachers = [run.synthetic().teachers[0] for run in (first, second, third)]
    assert all(torch.equal(each.parameters, teachers[0].parameters) for each in teachers)
    assert second.cached_seconds > 0 and third.cached_seconds > 0
    started(epochs=2)
    assert calls == ["convnet-d1-w4-bn"] * 2


def test_the_set_brings_its_teacher() -> None:
    run = started()
    made = run.synthetic()
    assert made.hard and made.stored_bytes == 10 * 2 * 64 * 4
    assert made.teacher_bytes == 4 * (run.known.networks[0].size + 8)  # four channels' means and variances


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "mlp-w8"}, "teacher 'mlp-w8' has no batch norm, .* such as 'convnet-d3-w128-bn'"),
        ({"teacher": "convnet-d2-w8-in"}, "'convnet-d2-w8-in' has no .* such as 'convnet-d2-w8-bn'"),
        ({"teacher": "vgg11-w8-bn"}, "teacher 'vgg11-w8-bn': 8x8 images are too small for 5 blocks"),
    ],
)
def test_a_teacher_without_batch_norm_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SRe2L(**{**TINY, **changes}).check(train(), Budget(1))


def test_the_networks_norm_gives_way_to_batch_norm() -> None:
    for name in ("in", "ln", "none", "bn"):
        method = SRe2L(**{**TINY, "network": f"convnet-d1-w4-{name}"})
        method.check(train(), Budget(1))
        assert method.teacher_names(train()) == ["convnet-d1-w4-bn"]
    assert SRe2L(teacher="convnet-d2-w8-bn").teacher_names(train()) == ["convnet-d2-w8-bn"]


def test_wrong_settings_are_refused() -> None:
    for changes, message in (
        ({"training": "rded-300-v2"}, "has a teacher that labels"),
        ({"steps": 0}, "steps 0 must be at least 1"),
        ({"jitter": -1}, "jitter -1 must not be negative"),
    ):
        with pytest.raises(ValueError, match=message):
            SRe2L(**changes)
