"""Parts of sets: which images they hold, and a prefix as an artefact of its own."""

import json
from pathlib import Path

import pytest
import torch

from suite.core.data import tasks
from suite.core.sets.artefacts import load_artefact, load_set, save_set
from suite.core.sets.manifest import loader
from suite.core.sets.parametrisations import MultiFormation
from suite.core.sets.part import size_of
from suite.core.sets.subsets import cut, write_prefix
from suite.core.sets.synthetic_set import Minibatch, SyntheticSet
from suite.records.cells import Part
from tests.support import foreign_sets


def numbered() -> SyntheticSet:
    """Two classes of four images, whose pixels and labels say where they stood."""
    images = torch.arange(8.0).reshape(2, 4, 1, 1, 1)
    return SyntheticSet(images, torch.stack([images.flatten(2)[..., 0]] * 2, 2), Minibatch(3))


def places(part: Part, seed: int = 0) -> list[list[int]]:
    made = cut(numbered(), part, seed=seed)
    assert torch.equal(made.labels[..., 1], made.images.flatten(2)[..., 0])
    assert made.minibatch == Minibatch(min(3, part.ipc))  # a step takes all of a smaller part
    return (made.images.flatten(1).long() - torch.tensor([[0], [4]])).tolist()


def test_a_prefix_is_the_first_images_of_each_class() -> None:
    assert places(Part(how="prefix", ipc=3)) == [[0, 1, 2]] * 2


def test_a_set_without_an_image_has_the_others_in_their_order() -> None:
    assert places(Part(how="without", ipc=3, index=1)) == [[0, 2, 3]] * 2


def test_random_subsets_differ_by_draw_seed_and_class_and_smaller_ones_are_beginnings() -> None:
    draws = [places(Part(how="random", ipc=3, index=draw), seed) for draw in range(4) for seed in range(4)]
    assert len({str(drawn) for drawn in draws}) > 8 and any(first != second for first, second in draws)
    assert all(len(set(rows)) == 3 and set(rows) <= set(range(4)) for drawn in draws for rows in drawn)
    assert draws[0] == places(Part(how="random", ipc=3, index=0), 0)
    assert [rows[:2] for rows in draws[0]] == places(Part(how="random", ipc=2, index=0), 0)


@pytest.mark.parametrize(
    "part",
    [
        Part(how="prefix", ipc=5),
        Part(how="random", ipc=5),
        Part(how="without", ipc=2),
        Part(how="without", ipc=3, index=4),
    ],
)
def test_what_a_set_does_not_hold_is_refused(part: Part) -> None:
    with pytest.raises(ValueError, match=r"this set has 4|has no part"):
        cut(numbered(), part, seed=0)


def test_formations_are_taken_whole() -> None:
    """Formations of one value each: 0, 1 and 2, and 3, 4 and 5. A part stores and decodes the same ones."""
    values = torch.arange(6.0).reshape(2, 3, 1, 1, 1).expand(2, 3, 1, 4, 4)
    whole = SyntheticSet.from_parametrisation(MultiFormation(values, 2))
    for part, stored in (
        (Part(how="prefix", ipc=2), [[0, 1], [3, 4]]),
        (Part(how="without", ipc=2, index=1), [[0, 2], [3, 5]]),
    ):
        made = cut(whole, part, seed=0)
        assert made.parametrisation is not None and torch.equal(made.parametrisation.decode(), made.images)
        assert made.parametrisation.tensors["formations"][..., 0, 0, 0].tolist() == stored
        assert made.images[..., 0, 0, 0].tolist() == [
            [value for value in row for _ in range(4)] for row in stored
        ]
        assert made.stored_bytes == 2 * 2 * 16 * 4 and made.hard
    drawn = cut(whole, Part(how="random", ipc=2), seed=0)
    assert drawn.stored_ipc == 2 and all(len(set(row)) == 2 for row in drawn.images[..., 0, 0, 0].tolist())


def test_a_prefix_of_formations_is_an_artefact_of_its_own(tmp_path: Path) -> None:
    whole = SyntheticSet.from_parametrisation(MultiFormation(torch.rand(10, 3, 1, 8, 8), 2))
    save_set(whole, tmp_path / "whole.safetensors", tasks.load("digits"))
    write_prefix(tmp_path / "whole.safetensors", 2, tmp_path / "first.safetensors")
    found = load_set(tmp_path / "first.safetensors")
    assert torch.equal(found.images, whole.images[:, :8]) and found.stored_bytes == 10 * 2 * 64 * 4
    facts = json.loads((tmp_path / "first.json").read_text())
    assert facts["loader"] == loader("first.safetensors", found.parametrisation) and size_of(facts) == 2


def test_the_whole_is_the_set_itself() -> None:
    whole = numbered()
    assert cut(whole, None, seed=0) is whole


def test_a_written_prefix_says_what_it_is_of(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.safetensors", tmp_path / "part.safetensors"
    save_set(foreign_sets.digits(), whole, tasks.load("digits"))
    write_prefix(whole, 1, part)
    facts, before = load_artefact(part)[1], load_artefact(whole)[1]
    assert torch.equal(load_set(part).images, foreign_sets.digits().images[:, :1])
    assert facts["part"] == {"ipc": 1, "of": before["sha256"]} and 'name = "part"' in facts["loader"]
    assert facts["class_names"] == before["class_names"] and facts["sha256"] != before["sha256"]


def test_a_prefix_replaces_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_set(foreign_sets.digits(), whole, tasks.load("digits"))
    (tmp_path / "part.json").write_text("mine")
    with pytest.raises(ValueError, match="or its manifest exists"):
        write_prefix(whole, 1, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        write_prefix(whole, 1, tmp_path / "part.pt")
    with pytest.raises(ValueError, match="prefix of 3 images per class: this set has 2"):
        write_prefix(whole, 3, tmp_path / "other.safetensors")
    assert (tmp_path / "part.json").read_text() == "mine" and not (tmp_path / "other.safetensors").exists()
    assert json.loads(whole.with_suffix(".json").read_text())["class_names"][0] == "0"
