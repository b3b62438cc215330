"""What is told of a task's files."""

from pathlib import Path

import pytest
import torch

from suite.core.data import tasks
from suite.core.data.found import Notes, check_names, find, lines, plain_name, printable
from suite.core.data.reading.readers import Raw, Splits
from suite.core.spec import Examples, Task, TestSplit
from tests.support.published_files import random_pixels


def splits(train: list[int], test: list[int], classes: int = 3) -> Splits:
    """Return random images with these labels."""
    raws = [
        Raw(torch.from_numpy(random_pixels(len(each), 1, 4, 4)), torch.tensor(each)) for each in (train, test)
    ]
    return Splits(raws[0], raws[1], tuple("abcdefghij"[:classes]), ("a note",))


def test_notes_count_and_name_the_first() -> None:
    notes = Notes()
    assert notes.lines() == ()
    for index in range(3):
        notes.add("turned", f"{index}.png")
    notes.add("skipped", Path("x\ny"), noun=".txt file")
    for size in ((5, 9), (7, 2)):
        notes.add("resized", "r.png", size=size)
    assert notes.lines() == (
        "3 images turned (the first is 0.png)",
        r"1 .txt file skipped (x\ny)",
        "2 images resized (of 5×2 to 7×9 pixels)",
    )


def test_one_size_is_told_once() -> None:
    notes = Notes()
    for _ in range(2):
        notes.add("resized", "r.png", size=(6, 4))
    assert notes.lines() == ("2 images resized (of 6×4 pixels)",)


def test_names_are_printable() -> None:
    assert printable("a\tb\udcff\x1b 猫 é") == r"a\tb\udcff\x1b 猫 é"


def test_images_are_counted_by_class() -> None:
    found = find(splits([2, 0, 0, 1, 0], [1, 0, 2]))
    assert found.train == [3, 1, 1] and found.test == [1, 1, 1]
    assert list(found.notes) == ["a note"] and not found.warnings


def test_doubles_are_warned_of() -> None:
    contents = splits([0, 0, 1, 1], [0, 1, 2])
    train, test = contents.train.images, contents.test.images
    test[0], test[2] = train[1], train[1]  # of class 0 and of class 2
    train[3] = train[2]
    assert find(contents).warnings == [
        "2 test images equal to an image of train, pixel for pixel",
        "1 image of train equal to an earlier one, pixel for pixel",
        "1 image found in more than one class, pixel for pixel",
    ]


def told(train: list[int], names: tuple[str, ...], *, every_class: bool = False) -> list[str]:
    """Return what is told of a task with these training labels and one test image a class."""
    test = list(range(len(names)))
    contents = splits(train, test, len(names))
    examples = [
        Examples(raw.images.float(), raw.labels, len(names)) for raw in (contents.train, contents.test)
    ]
    preprocessing = tasks.load("digits").preprocessing
    task = Task("mine", examples[0], TestSplit(examples[1]), preprocessing, names)
    return list(lines(task, find(contents), "0123456789abcdef0123", every_class=every_class))


def test_a_task_is_told() -> None:
    assert told([0, 0, 0, 1], ("cat", "[red]猫")) == [
        "mine: 2 classes, images of 1×4×4",
        "  train: 4 images, 1 ([red]猫) to 3 (cat) per class",
        "  test: 2 images, 1 per class",
        "  classes: 0 cat, 1 [red]猫",
        "  preprocessing: normalise (mean 0.3051, std 0.3762)",
        "  fingerprint: 0123456789abcdef",
        "  note: a note",
    ]


def test_many_classes_and_long_names_are_shortened() -> None:
    names = tuple(f"class {index}" for index in range(30))
    labels = list(range(30))
    line = told(labels, names)[3]
    assert line.startswith("  classes: 0 class 0, 1 class 1, ") and line.endswith(
        ", 18 class 18, …, 29 class 29"
    )
    assert told(labels, names, every_class=True)[3].count("class ") == 30
    assert told([0, 1], ("x" * 99, "y"))[3] == f"  classes: 0 {'x' * 37}…, 1 y"
    assert told([0, 1], ("0", "1"))[3] == "  classes: 0, 1"


def test_a_holdout_is_told_with_its_own_sizes() -> None:
    held = tasks.load("digits:holdout")
    first, train, test, *_ = tasks.told(held)
    assert first == "digits:holdout: 10 classes, images of 1×8×8"
    assert train == "  train: 1352 images, 131 (8) to 138 (3) per class"
    assert test == "  test: 149 images, 14 (8) to 15 (0) per class, held out of train"


def test_telling_reads_no_test_image() -> None:
    task = tasks.load("digits")
    assert "  test: 296 images, 29 (0) to 30 (1) per class" in tasks.told(task)
    assert task.split.reads == 0


def test_a_plain_name_has_one_spelling() -> None:
    assert plain_name(" Ba\u0308r\u00a0") == "B\u00e4r"
    assert plain_name("a  b") == "a  b"


@pytest.mark.parametrize(
    "names, said",
    [
        (["a", ""], "it: class 1 has an empty name"),
        (["\u200d", "a"], "it: class 0 has an empty name"),
        (["a", "b", "a"], "it has two classes that both read 'a'"),
        (["a b", "a  b"], "it has two classes that both read 'a  b'"),
        (["a b", "a\u00a0b"], "it has two classes that both read"),
        (["\u2764", "\u2764\ufe0f"], "it has two classes that both read"),
        (["a", "b\u200d", "b"], "it has two classes that both read 'b'"),
        (["a", "b\u200b"], r"it: the class name b\\u200b has characters that are not seen"),
        (["a", "\u202eb"], r"it: the class name \\u202eb has"),
        (["a", "b\u00ad"], r"it: the class name b\\xad has"),
        (["a", "b\tc"], r"it: the class name b\\tc has"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_names(names, "it")


def test_names_of_any_script_are_taken() -> None:
    check_names(
        ["\u0645\u06cc\u200c\u062e", "\U0001f469\u200d\U0001f52c", "a", "A", "猫", "1", "2\u00b2"], "it"
    )
