"""Normalise and ZCA against NumPy, their inverses, and their way through a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from suite.core.data.preprocessing import ZCA, KorniaZCA, Normalise, Whitening, restore
from suite.core.seeding import generator
from tests.support.fake_device import GPU, fake_gpu


def _images(count: int = 300, channels: int = 3, side: int = 4) -> Tensor:
    smooth = torch.rand(count, channels, side, side, generator=generator(0, "images"))
    return (smooth.cumsum(3) / side).clamp(0, 1)


def test_normalise_is_worked_by_hand() -> None:
    images = torch.tensor([0.0, 0.5, 0.5, 1.0]).view(2, 1, 1, 2)
    fitted = Normalise.fit([images[:1], images[1:]])
    assert fitted == Normalise((0.5,), (0.3536,))  # sqrt(1/8), to four decimals
    assert fitted.apply(images).flatten().tolist() == pytest.approx([-1.41403, 0, 0, 1.41403], abs=1e-4)


def test_normalise_inverts_exactly_and_clips() -> None:
    images = _images()
    fitted = Normalise.fit(torch.split(images, 64))
    torch.testing.assert_close(fitted.invert(fitted.apply(images)), images, atol=1e-6, rtol=0)
    assert fitted.invert(torch.full((1, 3, 4, 4), 99.0)).max() == 1


def test_normalise_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="constant"):
        Normalise.fit([torch.ones(3, 1, 2, 2)])
    with pytest.raises(ValueError, match="images have 1 channels, but the fitted ones have 3"):
        Normalise.fit([_images()]).apply(torch.zeros(1, 1, 4, 4))


def test_zca_agrees_with_numpy() -> None:
    images = _images()
    rows = images.double().numpy().reshape(len(images), -1)
    rows = rows - rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    # Another route than the code's: the singular values of the data, not eigenvalues of the moment.
    _, singular, right = np.linalg.svd(rows / np.sqrt(len(rows)), full_matrices=True)
    eigenvalues = singular**2
    whitening = right.T @ np.diag((eigenvalues + 0.1 * eigenvalues.mean()) ** -0.5) @ right
    fitted = ZCA.fit(torch.split(images, 77))
    np.testing.assert_allclose(fitted.matrix.numpy(), whitening, atol=2e-4)
    np.testing.assert_allclose(fitted.apply(images).flatten(1).numpy(), rows @ whitening, atol=1e-4)


def test_zca_whitens_where_it_is_not_regularised() -> None:
    images = _images(2000)
    rows = ZCA.fit([images], regularisation=1e-9).apply(images).flatten(1).double()
    spectrum = torch.linalg.eigvalsh(rows.T @ rows / len(rows))
    # Removing each image's mean leaves one direction empty.
    assert spectrum[0].abs() < 1e-3
    torch.testing.assert_close(spectrum[1:], torch.ones_like(spectrum[1:]), atol=1e-2, rtol=0)


def test_zca_inverse_is_the_source_up_to_brightness_and_contrast() -> None:
    images = _images()
    fitted = ZCA.fit([images])
    pictures = fitted.invert(fitted.apply(images))
    assert pictures.amin((1, 2, 3)).allclose(torch.zeros(300), atol=1e-6)
    assert pictures.amax((1, 2, 3)).allclose(torch.ones(300), atol=1e-6)
    for picture, image in zip(pictures, images, strict=True):
        assert torch.corrcoef(torch.stack([picture.flatten(), image.flatten()]))[0, 1] > 0.9999


def test_zca_leaves_a_constant_image_at_zero() -> None:
    fitted = ZCA.fit([_images()])
    assert fitted.apply(torch.full((1, 3, 4, 4), 0.5)).abs().max() < 1e-4
    with pytest.raises(ValueError, match="not constant"):
        ZCA.fit([torch.ones(5, 1, 2, 2)])
    with pytest.raises(ValueError, match="fitted on 48"):
        fitted.apply(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("kind", [ZCA, KorniaZCA])
def test_descriptions_restore(kind: type[ZCA] | type[KorniaZCA], tmp_path: Path) -> None:
    images = _images()
    normalise = Normalise.fit([images])
    zca: Whitening = kind.fit([images])
    assert restore(normalise.describe()) == normalise
    path = zca.save(tmp_path)
    restored = restore(zca.describe(), tmp_path)
    assert restored.describe() == zca.describe()
    assert restored.apply(images).equal(zca.apply(images))
    other = kind.fit([images[:100]])
    assert other.describe() != zca.describe()
    with pytest.raises(ValueError, match="cannot be read"):
        restore(other.describe(), tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ValueError, match="damaged"):
        restore(zca.describe(), tmp_path)
    with pytest.raises(ValueError, match="unknown preprocessing 'pca'"):
        restore({"kind": "pca"})


def test_little_is_sent_to_a_gpu_to_preprocess_there() -> None:
    images = _images()
    normalise, zca = Normalise.fit([images]), ZCA.fit([images])
    with fake_gpu() as gpu:
        there = images.to(GPU)
        for fitted, pageable in ((normalise, 0), (zca, 1)):  # the matrix once, whatever the batches
            with gpu.counted() as traffic:
                found = torch.cat([fitted.apply(batch) for batch in there.split(100)])
            assert len(traffic.pageable) == pageable and not traffic.waits
            assert torch.equal(found.cpu(), torch.cat([fitted.apply(batch) for batch in images.split(100)]))


def test_kornias_whitening_agrees_with_numpy() -> None:
    images = _images()
    rows = images.double().numpy().reshape(len(images), -1)
    centred = rows - rows.mean(0)
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))  # over n - 1
    expected = centred @ vectors @ np.diag((values + 0.1) ** -0.5) @ vectors.T
    fitted = KorniaZCA.fit(torch.split(images, 77))
    np.testing.assert_allclose(fitted.apply(images).flatten(1).numpy(), expected, atol=1e-4)
    assert KorniaZCA.fit([images], eps=0.2).describe() != fitted.describe()


def test_kornias_whitening_inverts_exactly_and_clips() -> None:
    images = _images()
    fitted = KorniaZCA.fit([images])
    torch.testing.assert_close(fitted.invert(fitted.apply(images)), images, atol=1e-5, rtol=0)
    assert fitted.invert(torch.full((1, 3, 4, 4), 99.0)).max() == 1
    with pytest.raises(ValueError, match="images that differ; all 5 are equal"):
        KorniaZCA.fit([torch.ones(5, 1, 2, 2)])
    with pytest.raises(ValueError, match="needs two images or more, not 1"):
        KorniaZCA.fit([torch.ones(1, 1, 2, 2)])
    with pytest.raises(ValueError, match="fitted on 48"):
        fitted.apply(torch.zeros(1, 3, 2, 2))
