"""DC: its distance by hand, its loops, and a whole step against a loop over classes."""

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from suite.core.networks.layers import Layer, dense
from suite.core.networks.named import Network, network
from suite.core.seeding import generator
from suite.core.spec import Budget, Examples
from suite.plugins.methods.dc import row_distance
from suite.plugins.registry import native_recipe
from tests.support.small_data import two_classes

METHOD = import_module("suite.plugins.methods.dc").METHOD
QUICK: dict[str, Any] = {"steps": 3, "real_batch": 6, "network": "convnet-d1-w4-in"}


def started(ipc: int = 1, **changes: Any) -> Any:
    return METHOD(**{**QUICK, **changes}).start(two_classes(), Budget(ipc), seed=0)


def linear() -> Network:
    return Network("linear", (1, 1, 2), 2, (Layer(lambda _, x: x.flatten(1)), dense(2, 2)))


def test_the_distance_by_hand() -> None:
    # Weights of 2 x 2 and two biases. Class 0: rows (1, 0) and (0, 2) are at right angles, cosine 0;
    # (3, 4) and (6, 8) are parallel, 1. Class 1: (1, 0) and (-5, 0) are opposed, -1; (3, 4) and (4, 3)
    # have (12 + 12) / 25. Together 1 + 0 + 2 + .04. The biases differ and do not count.
    ours = torch.tensor([[1.0, 0.0, 3.0, 4.0, 7.0, 8.0], [1.0, 0.0, 3.0, 4.0, 7.0, 8.0]])
    theirs = torch.tensor([[0.0, 2.0, 6.0, 8.0, -1.0, 0.0], [-5.0, 0.0, 4.0, 3.0, 0.0, 9.0]])
    assert float(row_distance(linear(), ours, theirs)) == pytest.approx(3.04, abs=1e-5)


def test_a_gradient_of_zero_is_one_away_and_has_a_derivative() -> None:
    ours = torch.zeros(1, 6, requires_grad=True)
    distance = row_distance(linear(), ours, torch.ones(1, 6))
    distance.backward()
    assert float(distance.detach()) == 2.0 and ours.grad is not None and ours.grad.isfinite().all()


def test_rows_of_a_convolution_are_its_filters_and_norms_do_not_count() -> None:
    net = network("convnet-d1-w3-in", (1, 4, 4), 2)
    ours, theirs = torch.randn(2, 2, net.size, generator=generator(0))
    expected = 0.0
    for label in range(2):
        # The filters (3, 1, 3, 3), a norm's scale and shift, the classifier (2, 3 * 2 * 2).
        for start, rows, long in ((0, 3, 9), (27 + 6, 2, 12)):
            one, other = (g[label, start : start + rows * long].view(rows, long) for g in (ours, theirs))
            expected += float((1 - cosine_similarity(one, other)).sum())
    assert float(row_distance(net, ours, theirs)) == pytest.approx(expected, rel=1e-5)


def test_an_update_against_gradients_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # At zero weights both classes have probability .5, so that the rows of a class's gradient are -.5 and
    # .5 times its mean image. Real means (1, 0) and (3, 4), synthetic (0, 1) and (3, 4): cosines 0 and 1.
    monkeypatch.setattr("suite.plugins.methods.dc.network", lambda *_: linear())
    monkeypatch.setattr(Network, "initialise", lambda self, *_: torch.zeros(self.size))
    real = torch.tensor([[1.0, 0.0], [3.0, 4.0]]).reshape(2, 1, 1, 2)
    run = METHOD(image_momentum=0.0).start(Examples(real, torch.arange(2), 2), Budget(1), seed=0)
    start = torch.tensor([[0.0, 1.0], [3.0, 4.0]]).reshape(2, 1, 1, 1, 2)
    run.load_state_dict({**run.state_dict(), "images": start})
    assert run.step()["outer_loss"] == pytest.approx(2 / 2, abs=1e-5)
    # -cos of (x, y) with (1, 0) is -x / |(x, y)|, whose derivative at (0, 1) is (-1, 0): for both rows of a
    # class together (-2, 0). The image moves by .1 * 2.
    expected = start + torch.tensor([[0.2, 0.0], [0.0, 0.0]]).reshape(2, 1, 1, 1, 2)
    torch.testing.assert_close(run.synthetic().images, expected, atol=1e-5, rtol=0)


def by_loops(net: Network, images: Tensor, *, outer: int, inner: int, batch: int) -> tuple[float, Tensor]:
    """Return the mean loss of a step, and the images after it, as a plain loop over classes finds them."""
    data, images = two_classes(), images.requires_grad_()
    leaf = net.initialise(generator(0, "networks")).requires_grad_()
    move_images = torch.optim.SGD([images], lr=0.1, momentum=0.5)
    move_network = torch.optim.SGD([leaf], lr=0.01)
    real_draw, order = generator(0, "real batches"), generator(0, "order")
    total = 0.0
    for loop in range(outer):
        loss = torch.zeros(())
        for label, rows in enumerate(data.by_class()):
            picks = rows[torch.randperm(len(rows), generator=real_draw)[:6]]
            grads = [
                torch.autograd.grad(
                    cross_entropy(net.logits(leaf, x), torch.full((len(x),), label)), leaf, create_graph=True
                )[0]
                for x in (data.images[picks], images[label])
            ]
            loss = loss + row_distance(net, grads[1][None], grads[0][None].detach())
        move_images.zero_grad()
        loss.backward()
        move_images.step()
        total += float(loss.detach())
        if loop == outer - 1:
            break
        for _ in range(inner):
            flat, labels = images.detach().flatten(0, 1), torch.arange(2).repeat_interleave(images.shape[1])
            for rows in torch.randperm(len(flat), generator=order).split(batch):
                move_network.zero_grad()
                cross_entropy(net.logits(leaf, flat[rows]), labels[rows]).backward()
                move_network.step()
    return total / (2 * outer), images.detach()


def test_a_step_is_the_authors_loop() -> None:
    run = started(3, outer_loop=3, inner_loop=2, network_batch=4)
    loss, images = by_loops(run.network, run.synthetic().images, outer=3, inner=2, batch=4)
    assert run.step()["outer_loss"] == pytest.approx(loss, rel=1e-4)
    torch.testing.assert_close(run.synthetic().images, images, atol=1e-5, rtol=1e-4)


def test_loops_are_the_papers() -> None:
    papers = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
    assert {ipc: METHOD().loops(ipc) for ipc in papers} == papers
    assert METHOD(outer_loop=2).loops(10) == (2, 50) and METHOD(inner_loop=3).loops(50) == (50, 3)
    assert METHOD(outer_loop=2, inner_loop=3).loops(5) == (2, 3)


def test_settings_are_the_papers() -> None:
    method = METHOD()
    assert (method.steps, method.image_lr, method.image_momentum) == (1000, 0.1, 0.5)
    assert (method.network_lr, method.network_batch, method.real_batch) == (0.01, 256, 256)
    assert (method.augment, method.initial, method.recipe) == ("none", "noise", "dc-300")
    assert method.network == "convnet-d3-w128-in" and not method.published
    for ipc in (1, 5, 10, 50):
        assert native_recipe(METHOD, "mnist", ipc) == "dc-mnist-1000"
        assert native_recipe(METHOD, "svhn", ipc) == "dc-300"


def test_a_size_without_loops_is_refused() -> None:
    with pytest.raises(ValueError, match="ipc 5: the paper gives loops for 1, 10, 20, 30, 40, 50 only"):
        METHOD(**QUICK).check(two_classes(), Budget(5))
    with pytest.raises(ValueError, match="set outer_loop and inner_loop"):
        METHOD(**QUICK, outer_loop=2).check(two_classes(), Budget(5))
    METHOD(**QUICK, outer_loop=2, inner_loop=1).check(two_classes(), Budget(5))


@pytest.mark.parametrize("name", ["steps", "outer_loop", "inner_loop", "network_batch", "real_batch"])
def test_settings_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} 0 must be at least 1"):
        METHOD(**{name: 0})


def test_too_few_real_images_are_refused() -> None:
    with pytest.raises(ValueError, match="ipc 30 is larger than the smallest class"):
        METHOD(**QUICK, initial="real").check(two_classes(), Budget(30))


def test_noise_becomes_its_class() -> None:
    run = started(steps=60)
    for _ in range(60):
        run.step()
    made = run.synthetic().images
    assert made[0].mean() < -0.15 and made[1].mean() > 0.15
