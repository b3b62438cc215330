"""What labels mean: learned labels of each kind, and classes by their names."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from suite.core.sets.parametrisations import MultiFormation
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.external.labels import Kind, as_targets, as_the_tasks, order_of, words_of
from tests.support import foreign_sets

TARGETS = torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.125, 0.875], [0.9, 0.1]])


def with_labels(targets: Tensor) -> SyntheticSet:
    classes = targets.shape[-1]
    return SyntheticSet(
        torch.zeros(classes, len(targets) // classes, 1, 2, 2), targets.view(classes, -1, classes)
    )


class TestKinds:
    def test_probabilities_are_targets(self) -> None:
        found, said = as_targets(with_labels(TARGETS), "probabilities")
        assert torch.equal(found.labels.flatten(0, 1), TARGETS) and said == [
            "labels: learned targets, used as they are"
        ]
        as_targets(with_labels(TARGETS.half().float()), "probabilities")

    def test_logits(self) -> None:
        found, _ = as_targets(with_labels(TARGETS.log() + 3), "logits")
        assert torch.allclose(found.labels.flatten(0, 1), TARGETS)

    def test_weights_have_any_sum(self) -> None:
        found, _ = as_targets(with_labels(TARGETS * 3), "weights")
        assert torch.equal(found.labels.flatten(0, 1), TARGETS * 3)

    def test_centred_ones_are_moved_back(self) -> None:
        found, _ = as_targets(with_labels(TARGETS - 0.5), "centred")
        assert torch.allclose(found.labels.flatten(0, 1), TARGETS)
        found, _ = as_targets(with_labels((TARGETS - 0.5) / (2 / 10) ** 0.5), "centred-scaled")
        assert torch.allclose(found.labels.flatten(0, 1), TARGETS)

    def test_centred_classes_are_classes_again(self) -> None:
        hard = SyntheticSet(torch.zeros(10, 2, 1, 2, 2), one_hot(10, 2) - 0.1)
        assert as_targets(hard, "centred")[0].hard

    def test_what_lies_below_0_is_said(self) -> None:
        found, said = as_targets(with_labels(TARGETS - 0.5 - torch.tensor([0.2, -0.2])), "centred")
        assert (found.labels >= 0).all() and "1 of 8 are below 0, down to -0.075, and become 0" in said[0]

    @pytest.mark.parametrize(
        ("targets", "kind", "reason"),
        [
            (
                TARGETS - 0.5,
                "probabilities",
                "negative entries, down to -0.4: they are no probabilities; say",
            ),
            (TARGETS - 0.5, "weights", "negative entries"),
            (TARGETS * 2, "probabilities", "rows sum to between 2 and 2 .* say --labels weights"),
            (TARGETS * 0, "weights", "4 labels have no entry above 0"),
            (TARGETS, "centred", "not centred: their rows sum to 1.00 on average"),
            (TARGETS, "logits", "are probabilities: their rows sum to 1; leave --labels logits out"),
            (torch.eye(2), "logits", "are classes, or one-hot: they are no logits; leave --labels out"),
            (
                TARGETS - 0.5 - torch.tensor([[2.0], [-2.0], [2.0], [-2.0]]),
                "centred",
                "no entry above 0 after",
            ),
        ],
    )
    def test_others_are_refused(self, targets: Tensor, kind: Kind, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            as_targets(with_labels(targets), kind)

    @pytest.mark.parametrize("kind", ["probabilities", "weights"])
    def test_classes_stay_classes(self, kind: Kind) -> None:
        assert as_targets(with_labels(torch.eye(2)), kind)[1] == []


class TestNames:
    @pytest.mark.parametrize(
        ("names", "known", "order"),
        [
            (["C", "C++", "C#"], ["C#", "C", "C++"], [1, 2, 0]),
            (["кот", "пёс"], ["пёс", "кот"], [1, 0]),
            (["猫", "犬"], ["犬", "猫"], [1, 0]),
            (["?", "!"], ["!", "?"], [1, 0]),
            (["Cat", "cat"], ["cat", "Cat"], [1, 0]),
            (["CAT", "dog"], ["Dog", "cat"], [1, 0]),
            (["t-shirt_top", "ankle boot"], ["Ankle boot", "T-shirt/top"], [1, 0]),
            (["1", "0"], ["boot", "shirt"], [1, 0]),
            (["0", "1"], ["1", "0"], [1, 0]),
            (["001", "000"], ["boot", "shirt"], [1, 0]),
            (["a", "a"], ["a", "a"], [0, 1]),
        ],
    )
    def test_that_are_the_tasks(self, names: list[str], known: list[str], order: list[int]) -> None:
        assert order_of(names, known) == order

    @pytest.mark.parametrize(
        ("names", "known"),
        [
            (["boot", "hat"], ["boot", "shirt"]),
            (["C", "C+"], ["C", "C++"]),
            (["CAT", "cat"], ["cat", "dog"]),
            (["Cat", "CAT"], ["cat", "cAT"]),  # without case they are one
            (["a_b", "a-b"], ["a b", "a/b"]),  # with signs alike they are one
            (["a", "b"], ["a", "a"]),
            (["1", "2"], ["boot", "shirt"]),
            (["0", "1"], ["1", "2"]),
            (["кот", "пёс"], ["cat", "dog"]),
        ],
    )
    def test_that_are_not(self, names: list[str], known: list[str]) -> None:
        assert order_of(names, known) is None

    def test_one_letter_has_two_forms_in_unicode(self) -> None:
        apart = [unicodedata.normalize("NFD", name) for name in ("café", "naïve")]
        assert apart[0] != "café" and order_of(apart, ["naïve", "café"]) == [1, 0]

    def test_wordnet_ids_are_looked_up(self, tmp_path: Path) -> None:
        """Two classes of one word have their ids in their names."""
        words, known = tmp_path / "words.txt", ["goldfish", "crane (n02)", "crane (n03)"]
        words.write_text("n02\tcrane\nn01\tgoldfish, Carassius\nn03\tcrane\nn09\tunused\n")
        assert order_of(["n03", "n01", "n02"], known, words) == [2, 0, 1]
        assert order_of(["n03", "n01", "n09"], known, words) is None

    def test_words_stand_in_the_tasks_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "tiny-imagenet-200").mkdir()
        (tmp_path / "tiny-imagenet-200" / "words.txt").touch()
        monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
        words = tmp_path / "tiny-imagenet-200" / "words.txt"
        assert words_of("tiny-imagenet-zca:holdout") == words_of("tiny-imagenet") == words
        assert words_of(f"folder:{tmp_path / 'tiny-imagenet-200'}?size=32") == words
        assert words_of("digits") is words_of("folder:/none") is None


class TestOrder:
    NAMES = tuple("9876543210")

    def test_images_and_targets_are_moved(self) -> None:
        own = foreign_sets.digits()
        soft = own.labels * 0.5 + torch.arange(10) / 90
        turned = replace(own, images=own.images.flip(0), labels=soft.flip(0).flip(2))
        found, said = as_the_tasks(turned, self.NAMES, foreign_sets.task())
        assert torch.equal(found.images, own.images) and torch.equal(found.labels, soft)
        assert said == [
            "classes: put into the task's order by their names ('9', '8', '7', '6', … in the set)"
        ]

    def test_names_may_be_in_order_or_missing(self) -> None:
        own = foreign_sets.digits()
        for names, said in ((self.NAMES[::-1], "in the task's order"), ((), "the set has no names")):
            found, lines = as_the_tasks(own, names, foreign_sets.task())
            assert torch.equal(found.images, own.images) and said in lines[0]

    def test_other_names_are_refused(self) -> None:
        names = ("цель\n", *"bcdefghij")
        with pytest.raises(
            ValueError, match="the set's 10 classes \\('цель', 'b', 'c', 'd', …\\) are not the"
        ) as caught:
            as_the_tasks(foreign_sets.digits(), names, foreign_sets.task())
        assert "--trust-labels to take class number 0 as '0'" in str(caught.value)

    def test_a_factorised_set_is_not_reordered(self) -> None:
        code = MultiFormation(torch.zeros(10, 1, 1, 8, 8), 1)
        with pytest.raises(ValueError, match="classes of this factorised set are in another order"):
            as_the_tasks(SyntheticSet.from_parametrisation(code), self.NAMES, foreign_sets.task())
