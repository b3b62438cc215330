"""What matching methods share: real batches, pairs under one augmentation, gradients by class."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from suite.core.distilling.matching import class_gradients, class_means, draw_pairing, real_batches
from suite.core.networks.named import network
from suite.core.seeding import generator
from suite.core.spec import Examples


def train(count: int = 12) -> Examples:
    """Image i is i everywhere; its class is i mod 3."""
    images = torch.arange(float(count))[:, None, None, None].expand(count, 1, 4, 4)
    return Examples(images.contiguous(), torch.arange(count) % 3, 3)


def test_real_batches_are_of_their_class_and_drawn_anew() -> None:
    batches, rng = real_batches(train(60), 15), generator(0)
    first, second = (batches.images[batches.draw(rng)] for _ in range(2))
    assert first.shape == (3, 15, 1, 4, 4) and not torch.equal(first, second)
    assert torch.equal(first[:, :, 0, 0, 0] % 3, torch.arange(3.0)[:, None].expand(3, 15))
    assert [len(values.unique()) for values in first] == [15, 15, 15] and batches.weights is None


@pytest.mark.parametrize("count", [4, 5, 256])
def test_a_class_that_a_batch_can_hold_is_taken_whole(count: int) -> None:
    batches = real_batches(train(), count)
    assert torch.equal(batches.draw(generator(0)).sort(1)[0], torch.arange(12).view(4, 3).mT)
    assert batches.weights is None


def uneven() -> Examples:
    """Classes of 2, 5 and 3 images; image i is i everywhere."""
    labels = torch.tensor([0, 1, 1, 2, 1, 0, 2, 1, 2, 1])
    return Examples(torch.arange(10.0)[:, None, None, None].expand(10, 1, 4, 4).contiguous(), labels, 3)


@pytest.mark.parametrize(
    ("count", "sizes"), [(256, (2, 5, 3)), (4, (2, 4, 3)), (3, (2, 3, 3)), (2, (2, 2, 2))]
)
def test_smaller_classes_are_filled_up_without_weight(count: int, sizes: tuple[int, ...]) -> None:
    batches = real_batches(uneven(), count)
    rows = batches.draw(generator(0))
    assert rows.shape == (3, max(sizes)) and torch.equal(
        uneven().labels[rows], torch.arange(3)[:, None] + 0 * rows
    )
    for own, size, weights in zip(
        rows, sizes, batches.weights if batches.weights is not None else rows, strict=True
    ):
        assert len(own[:size].unique()) == size
        if batches.weights is not None:
            assert weights.tolist() == pytest.approx([1 / size] * size + [0] * (max(sizes) - size))
    assert (batches.weights is None) == (len(set(sizes)) == 1)


def test_means_and_gradients_of_filled_classes_are_those_of_their_images() -> None:
    data = uneven()
    noise = torch.randn(10, 1, 8, 8, generator=generator(1))
    batches, net = real_batches(data, 4), network("convnet-d1-w4-in", (1, 8, 8), 3)
    rows, parameters = batches.draw(generator(0)), net.initialise(generator(2))
    (means,) = class_means(lambda images: [images], noise[rows], batches.weights)
    gradients = class_gradients(net, parameters, noise[rows], batches.weights)
    for label, size in enumerate((2, 4, 3)):
        own = noise[rows[label, :size]]
        torch.testing.assert_close(means[label], own.mean(0))
        leaf = parameters.clone().requires_grad_()
        cross_entropy(net.logits(leaf, own), torch.full((size,), label)).backward()
        torch.testing.assert_close(gradients[label], leaf.grad, atol=1e-6, rtol=1e-4)


def test_distinct_rows_are_of_every_class_and_at_most_all() -> None:
    batches, rng = real_batches(train(), 3), generator(0)
    drawn = [batches.draw_distinct(rng).view(3, 3) for _ in range(2)]
    assert not torch.equal(*drawn)
    for rows in drawn:
        assert torch.equal(rows % 3, torch.arange(3)[:, None].expand(3, 3))
        assert all(len(own.unique()) == 3 for own in rows)
    assert sorted(real_batches(train(), 50).draw_distinct(rng).tolist()) == list(range(12))


def test_pairs_share_what_is_done_to_them_and_classes_do_not() -> None:
    images = torch.randn(3, 2, 1, 8, 8, generator=generator(0))
    for seed in range(5):
        real, synthetic = draw_pairing("dsa", 3, generator(seed)).apply(images, images[:, :1])
        assert torch.equal(real[:, :1], synthetic) and not torch.equal(real, images)
    same = images[:1].expand(3, 2, 1, 8, 8)
    real, _ = draw_pairing("dsa", 3, generator(0)).apply(same, same)
    assert not torch.equal(real[0], real[1])


def test_without_augmentation_pairs_stay_what_they_are() -> None:
    ones, zeros = torch.ones(2, 3, 1, 4, 4), torch.zeros(2, 1, 1, 4, 4)
    real, synthetic = draw_pairing("none", 2, generator(0)).apply(ones, zeros)
    assert torch.equal(real, torch.ones(2, 3, 1, 4, 4)) and torch.equal(synthetic, torch.zeros(2, 1, 1, 4, 4))


def test_a_class_has_one_draw_for_all_its_images() -> None:
    picture = torch.rand(3, 8, 8, generator=generator(1))
    real, synthetic = (picture.expand(5, count, 3, 8, 8) for count in (3, 2))
    ours, theirs = draw_pairing("dsa", 5, generator(0)).apply(real, synthetic)
    for label in range(5):
        everywhere = torch.cat([ours[label], theirs[label]])
        assert torch.allclose(everywhere, everywhere[:1].expand(5, 3, 8, 8))
    assert len({tuple(picture.flatten().tolist()) for picture in ours[:, 0]}) == 5


@pytest.mark.parametrize("name", ["convnet-d2-w4-in", "convnet-d1-w4-none", "mlp-w5"])
@pytest.mark.parametrize("images_at_once", [1, 8, 100])
def test_class_gradients_are_those_of_a_loop_over_classes(
    name: str, images_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "suite.core.distilling.matching.CHUNK", {"cpu": images_at_once}
    )  # one, two, all classes
    net = network(name, (1, 8, 8), 3)
    parameters = net.initialise(generator(0)).double()
    images = torch.randn(3, 4, 1, 8, 8, generator=generator(1), dtype=torch.float64).requires_grad_()
    found = class_gradients(net, parameters, images)
    weights = torch.randn(found.shape, generator=generator(2), dtype=torch.float64)
    (to_images,) = torch.autograd.grad((found * weights).sum(), images)
    leaf, expected = parameters.clone().requires_grad_(), []
    for label in range(3):
        loss = cross_entropy(net.logits(leaf, images[label]), torch.full((4,), label))
        expected.append(torch.autograd.grad(loss, leaf, create_graph=True)[0])
    torch.testing.assert_close(found, torch.stack(expected))
    (to_same,) = torch.autograd.grad((torch.stack(expected) * weights).sum(), images)
    torch.testing.assert_close(to_images, to_same)


def test_class_gradients_of_a_network_with_batch_norm_are_refused() -> None:
    net = network("convnet-d1-w4-bn", (1, 8, 8), 3)
    with pytest.raises(ValueError, match=r"has batch norm, .* use another norm, such as `in`"):
        class_gradients(net, net.initialise(generator(0)), torch.zeros(3, 2, 1, 8, 8))


@pytest.mark.parametrize("images_at_once", [1, 4, 100])
def test_means_are_of_each_class_whatever_the_pieces(
    images_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.core.distilling.matching.CHUNK", {"cpu": images_at_once})
    images = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]).reshape(2, 3, 1, 1, 1)
    sizes: list[int] = []

    def both(piece: Tensor) -> list[Tensor]:
        sizes.append(len(piece))
        return [piece.flatten(1), -piece]

    values, negative = class_means(both, images)
    assert values.tolist() == [[3.0], [1.0]] and torch.equal(negative.flatten(), -values.flatten())
    assert sizes == {1: [1] * 6, 4: [4, 2], 100: [6]}[images_at_once]
