"""FreD: its sizes, its step against plain matching and scipy's transform, the authors' settings."""

from importlib import import_module
from typing import Any

import pytest
import torch
from scipy.fft import idctn

from suite.core.limits import check_stored_bytes
from suite.core.sets.parametrisations import Frequencies
from suite.core.spec import UNPUBLISHED, Budget, Examples
from suite.plugins import registry
from suite.plugins.smoke import smoke_data
from tests.support.plain_trajectories import MTT, plain, resumes_exactly, same, started

METHOD = import_module("suite.plugins.methods.fred").METHOD


def shaped(channels: int, side: int) -> Examples:
    labels = torch.arange(2).repeat_interleave(900)
    return Examples(torch.zeros(1, channels, side, side).expand(len(labels), -1, -1, -1), labels, 2)


@pytest.mark.parametrize(
    ("channels", "side", "ipc", "per_image", "expected"),
    [
        (3, 32, 1, 16, (16, 63)),  # 12288 bytes less 128 of a mask: 12160 / (16 * 12) = 63.3
        (3, 32, 50, 16, (800, 63)),
        (1, 28, 1, 16, (16, 47)),  # 3136 less 98: 3038 / (16 * 4) = 47.5
        (3, 128, 1, 8, (8, 2026)),  # 196608 less 2048: 194560 / (8 * 12) = 2026.7
        (3, 32, 1, 1, (1, 1013)),
    ],
)
def test_coefficients_and_masks_fill_the_budget(
    channels: int, side: int, ipc: int, per_image: int, expected: tuple[int, int]
) -> None:
    train, budget = shaped(channels, side), Budget(ipc)
    images, frequencies = METHOD(per_image=per_image).sizes(train, budget)
    assert (images, frequencies) == expected
    mask = 2 * -(-side * side // 8)
    check_stored_bytes(4 * 2 * images * channels * frequencies + mask, train, budget)
    with pytest.raises(ValueError, match=f"ipc {ipc} allows"):
        check_stored_bytes(4 * 2 * images * channels * (frequencies + 1) + mask, train, budget)


def test_it_stores_and_decodes_the_frequencies_of_real_images() -> None:
    train = smoke_data()
    made = METHOD(**METHOD.smoke).start(train, Budget(2), seed=3).synthetic()
    code, real = made.parametrisation, MTT.METHOD(**MTT.METHOD.smoke).start(train, Budget(8), seed=3).images
    # 512 bytes a class less 8 for its mask, for 8 images: 504 / 32.
    assert isinstance(code, Frequencies) and code.coefficients.shape == (10, 8, 1, 15)
    assert torch.equal(code.coefficients, Frequencies.of(real, 15).coefficients)
    assert made.stored_bytes == 10 * (8 * 15 * 4 + 8) and made.hard and made.lr == pytest.approx(0.01)
    assert made.images.shape == (10, 8, 1, 8, 8)
    shared = [
        float((made.images[own] - real[own]).square().sum() / real[own].square().sum()) for own in (0, 9)
    ]
    assert max(shared) < 0.5  # a quarter of the frequencies have most of an image


def test_a_step_is_that_of_plain_matching_through_the_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each coefficient moves by the images' gradient times the image of that frequency alone."""
    run: Any = started(METHOD, monkeypatch, per_image=1, lr_lr=0.1)
    before, lr, mask = run.coefficients.detach().clone(), run.student_lr.clone(), run.mask.clone()
    assert before.shape == (3, 2, 1, 15)  # (128 - 2) // 8
    run.images = run.code.decode().detach()
    loss, to_images, _, to_lr = plain(run)
    del run.images
    metrics = run.step()
    same(torch.as_tensor(metrics["outer_loss"]), loss)
    same(lr - run.student_lr, 0.1 * to_lr)
    waves = torch.as_tensor(idctn(torch.eye(16).double().view(16, 4, 4).numpy(), axes=(1, 2)))
    moved = before - run.coefficients.detach()
    for label in range(3):
        (missing,) = [place for place in range(16) if not int(mask[label, place // 8]) >> place % 8 & 1]
        kept = torch.cat([waves[:missing], waves[missing + 1 :]])
        same(moved[label, :, 0], torch.einsum("nhw,khw->nk", to_images[label, :, 0], kept))
    assert torch.equal(run.mask, mask) and moved.abs().max() > 1e-6


def test_students_have_at_least_the_lowest_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    run = started(METHOD, monkeypatch, per_image=1, student_lr=1e-4, lr_lr=0.0)
    assert float(run.step()["student_lr"]) == run.synthetic().lr == pytest.approx(1e-3)


def test_it_resumes_exactly_with_the_masks() -> None:
    resumes_exactly(METHOD(**METHOD.smoke), smoke_data())


@pytest.mark.parametrize(
    ("key", "values"),
    [  # N, M, T+, rate of the rate, first rate, rate of the coefficients, images in the bytes of one, batch
        (("cifar10", 1), (50, 2, 5, 1e-7, 0.01, 1e8, 16, None)),
        (("cifar10", 50), (30, 2, 40, 1e-5, 0.001, 1e8, 16, None)),
        (("cifar100", 50), (80, 2, 40, 1e-5, 0.01, 1e8, 8, 125)),
        (("fashion-mnist", 10), (60, 2, 15, 1e-5, 0.01, 1e8, 16, None)),
        (("tiny-imagenet", 1), (30, 2, 30, 1e-4, 0.01, 1e8, 16, None)),
        (("imagenette-128", 1), (20, 2, 10, 1e-6, 0.01, 1e9, 8, None)),
    ],
    ids=str,
)
def test_settings_are_those_of_the_authors_code(
    key: tuple[str, int], values: tuple[float | None, ...]
) -> None:
    made = METHOD(**METHOD.published[key])
    trajectory = made.syn_steps, made.expert_epochs, made.max_start_epoch, made.lr_lr, made.student_lr
    assert (*trajectory, made.image_lr, made.per_image, made.batch) == values
    assert (made.steps, made.image_momentum, made.recipe) == (15_000, 0.5, "mtt-1000")
    assert made.training == MTT.METHOD().training and made.experts == 100


def test_no_settings_ask_for_more_images_than_a_class_has() -> None:
    """500 on CIFAR-100 and Tiny-ImageNet."""
    for family, ipc in METHOD.published:
        if family in ("cifar100", "tiny-imagenet"):
            made = METHOD(**METHOD.published[family, ipc])
            assert made.sizes(shaped(3, 32), Budget(ipc))[0] <= 500


def test_rates_and_frequencies_are_the_authors_for_one_size_alone() -> None:
    sources = {key: registry.source_of_settings(METHOD, *key) for key in METHOD.published}
    assert [key for key, source in sources.items() if not source] == [("cifar10", 1)]
    assert registry.source_of_settings(METHOD, "fashion-mnist", 50) == UNPUBLISHED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"per_image": 0}, "per_image 0 must be at least 1"),
        ({"initial": "noise"}, "FreD starts from real images"),
        ({"image_lr": 0.0}, "image_lr 0.0 must be larger than 0"),
    ],
    ids=str,
)
def test_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHOD(**changes)


def test_what_does_not_fit_is_refused() -> None:
    settings = {**METHOD.smoke, "network": "convnet-d1-w4-in"}
    with pytest.raises(ValueError, match=r"ipc 2 begins with 32 real .* lower ipc or per_image"):
        METHOD(**{**settings, "per_image": 16}).check(smoke_data(), Budget(2))
    with pytest.raises(ValueError, match="per_image 16 leaves no byte for a frequency; lower it"):
        METHOD(**{**settings, "per_image": 16}).check(shaped(1, 4), Budget(2))
