"""Trainings that are kept: what is found again, what is built anew, and who pays."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from suite.core.networks.named import network
from suite.core.seeding import derive, generator
from suite.core.spec import Examples
from suite.core.training import cached
from suite.core.training.cached import (
    cached_training,
    cached_trainings,
    labeller,
    trained_network,
    trained_networks,
)
from suite.core.training.recipes import RECIPES

TRAIN = Examples(torch.randn(6, 1, 2, 2, generator=generator(0)), torch.arange(6) % 2, 2)


class Clock:
    """Builds tensors of 3 numbers, each in ten seconds of a clock that stands still otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.groups = 0.0, list[list[int]]()
        monkeypatch.setattr(cached, "perf_counter", lambda: self.now)

    def one(self) -> Tensor:
        return self.build([0])[0]

    def build(self, indices: Sequence[int]) -> list[Tensor]:
        self.groups.append(sorted(indices))
        self.now += 10.0 * len(indices)
        return [torch.full((3,), float(index)) for index in indices]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_training_is_kept_and_charged_to_whoever_finds_it(clock: Clock) -> None:
    first, again = (cached_training("thing", TRAIN, ["how"], clock.one) for _ in range(2))
    assert first[1] == 0 and again[1] == 10
    assert torch.equal(first[0], again[0]) and clock.groups == [[0]]


@pytest.mark.parametrize("change", ["kind", "how", "images", "labels"])
def test_whatever_it_depends_on_has_an_entry_of_its_own(change: str, clock: Clock) -> None:
    cached_training("thing", TRAIN, ["how"], clock.one)
    train = Examples(TRAIN.images + (change == "images"), (TRAIN.labels + (change == "labels")) % 2, 2)
    kind, how = ("other" if change == "kind" else "thing"), ["other" if change == "how" else "how"]
    cached_training(kind, train, how, clock.one)
    assert len(clock.groups) == 2


def test_fewer_are_the_first_of_more_and_groups_share_their_seconds(clock: Clock) -> None:
    few = cached_trainings("thing", TRAIN, [], 3, clock.build, at_once=2)
    more = cached_trainings("thing", TRAIN, [], 5, clock.build, at_once=2)
    assert sorted(len(group) for group in clock.groups) == [1, 2, 2]
    assert sorted(index for group in clock.groups for index in group) == list(range(5))
    assert [float(result[0]) for result, _ in more] == [0, 1, 2, 3, 4]
    assert [seconds for _, seconds in few + more] == [10.0] * 8


def test_a_result_of_its_own_can_be_changed(clock: Clock) -> None:
    found, _ = cached_training("thing", TRAIN, [], clock.one)
    found += 1
    assert torch.equal(cached_training("thing", TRAIN, [], clock.one)[0], torch.zeros(3))


def test_whole_numbers_stay_whole(clock: Clock) -> None:
    for _ in range(2):
        found, _ = cached_training("counts", TRAIN, [], lambda: torch.arange(4))
        assert found.dtype == torch.int64 and found.tolist() == [0, 1, 2, 3]


def test_an_earlier_releases_entry_with_a_wrong_checksum_is_built_again(clock: Clock, tmp_path: Path) -> None:
    cached_training("thing", TRAIN, [], clock.one)
    (facts,) = (tmp_path / "data" / ".ratbench").glob("thing-*.json")
    sha256 = hashlib.sha256(torch.zeros(3).numpy().tobytes()).hexdigest()
    own = json.loads(facts.read_text())["facts"]
    facts.write_text(json.dumps({"facts": own, "probe": ""}))
    assert torch.equal(cached_training("thing", TRAIN, [], clock.one)[0], torch.zeros(3))
    assert len(clock.groups) == 1
    assert own["sha256"] == sha256
    facts.write_text(json.dumps({"facts": own | {"sha256": hashlib.sha256(b"").hexdigest()}, "probe": ""}))
    with pytest.warns(UserWarning, match="do not match their sha256"):
        found, paid = cached_training("thing", TRAIN, [], clock.one)
    assert torch.equal(found, torch.zeros(3)) and paid == 0 and len(clock.groups) == 2


def test_networks_have_seeds_of_their_own_and_are_kept_one_by_one() -> None:
    train = Examples(torch.randn(40, 1, 4, 4, generator=generator(0)), torch.arange(40) % 2, 2)
    two, paid = trained_networks(train, "mlp-w4", "dc-300", 2, 2, seed=1)
    three, charged = trained_networks(train, "mlp-w4", "dc-300", 2, 3, seed=1)
    assert paid == 0 <= charged
    assert len(three) == 3 and all(torch.equal(*pair) for pair in zip(two, three, strict=False))
    for index, found in enumerate(three):
        alone, _ = trained_network(train, "mlp-w4", "dc-300", 2, seed=derive(1, "network", index))
        assert torch.equal(alone, found)
    (other,), _ = trained_networks(train, "mlp-w4", "dc-300", 2, 1, seed=2)
    assert not torch.equal(other, two[0])


def test_a_teacher_has_batch_norm_and_softens_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One teacher for all sets; a network without a norm, or of another family, teaches as it is."""
    monkeypatch.setenv("RATBENCH_DATA", str(tmp_path))
    train = Examples(torch.randn(40, 1, 4, 4, generator=generator(0)), torch.arange(40) % 2, 2)
    how = replace(RECIPES["rded-300-v2"], teacher_epochs=2)
    assert labeller(replace(how, teacher_epochs=0), "convnet-d1-w4-in", train) is None
    for name, teacher in (("convnet-d1-w4-in", "convnet-d1-w4-bn"), ("mlp-w4", "mlp-w4")):
        label, seed = labeller(how, name, train), derive(0, "teacher")
        values, _ = trained_network(train, teacher, "dc-300", 2, seed=seed)
        logits = network(teacher, train.shape, 2).logits(values, train.images)
        assert label is not None
        torch.testing.assert_close(label(train.images), (logits / 20).softmax(1))
