"""What the evaluator quantised trains, and the bits that it counts."""

import pytest
import torch

from suite.core.sets.synthetic_set import SyntheticSet
from suite.core.spec import Task
from suite.plugins.evaluators.quantised import Quantised
from suite.plugins.evaluators.retrain import Retrain
from tests.support.real_sets import Trained, real, soft

NETWORK = "convnet-d1-w8-in"


def small(bits: tuple[int, ...] = (8, 4, 2)) -> Quantised:
    return Quantised(recipe="ncfm-40", network=NETWORK, bits=bits, copies=1)


def test_one_training_at_each_number_of_bits_and_one_read(task: Task, trained: Trained) -> None:
    scores = small().evaluate(real(task), task, seed=0).values
    assert [name for name in scores if name.startswith("accuracy")] == [
        f"accuracy/{bits}" for bits in (32, 8, 4, 2)
    ]
    assert len(trained) == len(scores["seconds"]) == 4 and len({seeds for _, _, seeds in trained}) == 1
    assert task.split.reads == 1


def test_bits_per_class_have_scales_offsets_and_soft_labels(task: Task, trained: Trained) -> None:
    """Two images of 64 values a class, each with two floats; two labels of ten floats."""
    hard = small((4, 2)).evaluate(real(task), task, seed=0).values
    assert hard["bits_per_class/32"] == (2 * 64 * 32,)
    assert hard["bits_per_class/4"] == (2 * (64 * 4 + 2 * 32),)
    assert hard["bits_per_class/2"] == (2 * (64 * 2 + 2 * 32),) and "bits_per_class/8" not in hard
    learned = small((4,)).evaluate(real(task, soft()), task, seed=0).values
    assert learned["bits_per_class/4"] == (2 * (64 * 4 + 2 * 32) + 2 * 10 * 32,)


def test_8_bits_are_nearly_as_good_as_floats_which_are_scored_as_by_retrain(task: Task) -> None:
    found = small((8,)).evaluate(real(task), task, seed=3).values
    plain = Retrain(recipe="ncfm-40", network=NETWORK, copies=1).evaluate(real(task), task, seed=3).values
    assert found["accuracy/32"] == plain["accuracy"]
    assert found["accuracy/8"][0] == pytest.approx(found["accuracy/32"][0], abs=0.03)


def test_the_rounded_images_are_trained_on(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SyntheticSet] = []

    def fit_copies(net: object, synthetic: SyntheticSet, *_: object, **__: object) -> list[torch.Tensor]:
        seen.append(synthetic)
        return []

    monkeypatch.setattr("suite.core.training.retrain_together.fit_copies", fit_copies)
    small((2,)).evaluate(real(task), task, seed=0)
    assert torch.equal(seen[0].images, real(task).images)
    assert torch.equal(seen[1].images, real(task).quantised(2).images)
    assert all(len(image.unique()) <= 4 for image in seen[1].images.flatten(0, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bits": (8, 3)}, "bits 3: choose 8, 4 or 2"),
        ({"bits": (32,)}, "bits 32: choose 8, 4 or 2"),
        ({"bits": ()}, "must not be empty or have duplicates"),
        ({"bits": (4, 4)}, "must not be empty or have duplicates"),
        ({"copies": 0}, "copies 0 must be at least 1"),
        ({"recipe": "dsa2"}, "unknown recipe 'dsa2'"),
    ],
)
def test_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Quantised(**settings)  # type: ignore[arg-type]
