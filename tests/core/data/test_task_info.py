"""What variants of a task share, and whose published settings hold for it."""

from suite.core.data.catalogue import CATALOGUE
from suite.core.data.task_info import family


def test_variants_share_a_family() -> None:
    assert family("cifar10-zca") == family("cifar10-kornia") == family("cifar10") == "cifar10"
    assert CATALOGUE["cifar10-jpeg-zca"].family == "cifar10-jpeg"


def test_settings_are_published_for_a_family_or_for_images_like_it() -> None:
    assert CATALOGUE["cifar10-jpeg-zca"].published_as == "cifar10"
    assert {CATALOGUE[f"imagenet-{side}"].published_as for side in (128, 224)} == {"imagenet-1k"}
    assert CATALOGUE["imagenet-64"].published_as == "imagenet-64"
