"""The test split: what counts as a read, what needs none, and what is refused."""

import copy
import dataclasses
import hashlib
import pickle

import pytest
import torch

from suite.core.data.tasks import fingerprint, former_fingerprint, load
from suite.core.examples import Examples, TestSplit
from suite.core.seeding import generator
from suite.core.spec import Task

CPU = torch.device("cpu")


def examples(count: int = 4) -> Examples:
    return Examples(torch.arange(float(count)).reshape(count, 1, 1, 1), torch.arange(count) % 2, 2)


def test_rows_are_those_of_their_class_in_order() -> None:
    some = Examples(torch.zeros(5, 1, 1, 1), torch.tensor([2, 0, 2, 0, 2]), 4)
    for rows in (some.by_class(), some.rows_by_class()):
        assert [own.tolist() for own in rows] == [[1, 3], [], [0, 2, 4], []]
    assert some.counts() == [2, 0, 3, 0]


def test_rows_are_drawn_without_replacement_and_sent() -> None:
    drawn, sent = (draw(3, generator(0)) for draw in (examples(20).sample_rows, examples(20).sample_rows))
    assert torch.equal(drawn, sent) and len(drawn.unique()) == 3
    assert sorted(examples(4).sample_rows(9, generator(0)).tolist()) == [0, 1, 2, 3]


def test_only_opening_counts() -> None:
    split, digest = TestSplit(examples()), hashlib.sha256()
    split.hash_into(digest)
    moved = split.to(CPU)
    assert (split.reads, moved.reads) == (0, 0)
    assert split.read().labels.tolist() == [0, 1, 0, 1]
    assert (split.reads, moved.reads) == (1, 0)


def test_what_is_moved_counts_for_its_origin() -> None:
    """An evaluator that moves its task and reads there is counted where the record looks."""
    task = load("digits").to(CPU)
    assert len(task.to(CPU).to(CPU).test) == 296
    assert task.split.reads == 1


def test_every_read_in_the_process_is_counted_but_those_of_a_holdout() -> None:
    task, before = load("digits"), TestSplit.total_reads
    _ = task.holdout(0.5).to(CPU).test
    assert TestSplit.total_reads == before
    _ = (task.test, load("digits").to(CPU).test)
    assert TestSplit.total_reads == before + 2


def test_hashing_covers_shapes_labels_and_pixels() -> None:
    def digest(changed: Examples, *, pixels: bool) -> str:
        found = hashlib.sha256()
        TestSplit(changed).hash_into(found, pixels=pixels)
        return found.hexdigest()

    plain = examples()
    brighter = dataclasses.replace(plain, images=plain.images + 1)
    relabelled = dataclasses.replace(plain, labels=1 - plain.labels)
    assert digest(brighter, pixels=False) == digest(plain, pixels=False)
    assert len({digest(each, pixels=True) for each in (plain, brighter, relabelled)}) == 3
    assert digest(plain, pixels=False) != digest(relabelled, pixels=False)


def test_fingerprints_are_those_of_published_records() -> None:
    """Artefacts that exist stay usable: the split's inner life is not part of what is hashed."""
    task = mirrored(load("digits"))  # as they were before flips were left out on digits
    for known, expected in (
        (fingerprint, ["a1635e291bb5", "f24a07dfccbe"]),
        (former_fingerprint, ["050b3df8aee7", "138c8f1a6c15"]),
    ):
        assert [known(each)[:12] for each in (task, task.holdout())] == expected


def mirrored(task: Task) -> Task:
    train, test = (dataclasses.replace(each, mirrored=True) for each in (task.train, task.test))
    return dataclasses.replace(task, train=train, split=TestSplit(test))


def test_data_that_may_not_be_mirrored_are_others_and_stay_so() -> None:
    task = load("digits")
    assert fingerprint(task) != fingerprint(mirrored(task))
    for each in (task, task.holdout(), task.to(torch.device("cpu")), task.holdout().to(torch.device("cpu"))):
        assert not each.train.mirrored and not each.test.mirrored
    assert not task.train.take(torch.arange(3)).mirrored


class Listener:
    """Calls itself a digest and keeps what it is given."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def update(self, data: bytes) -> None:
        self.heard.append(bytes(data))


def test_what_would_leak_is_refused() -> None:
    task, listener = load("digits"), Listener()
    with pytest.raises(TypeError, match="not given to Listener"):
        task.split.hash_into(listener)
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            leak(task.split)
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        dataclasses.asdict(task)
    with pytest.raises(AttributeError):
        task.split.reads = 0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        _ = task.split.examples  # type: ignore[attr-defined]
    with pytest.raises(TypeError):
        vars(task.split)
    assert not listener.heard and task.split.reads == 0 and "tensor" not in repr(task.split)
