"""Folders of classes: every name on every file system, in the classes' order, and back again."""

import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from suite.external.labels import order_of
from suite.external.writers.class_folders import class_folders, write_folders

ODD = [
    *("..", ".", "", " ", "a/b", "a_b", "a b", "a\\b", "%2F", "/", "a%2Fb", "CON", "con.png", "nul", "COM¹"),
    *(
        "README.md",
        "exact.json",
        "x.",
        "x ",
        ".x",
        "_x",
        "é",
        "e\u0301",
        "\u200b",
        "a\nb",
        "猫",
        "A",
        "a",
        "\ud800",
    ),
    *('<>:"|?*', "0 a", "1 b", "é" * 300, "n" * 300, "n" * 301),
]


def test_plain_names_in_order_stay_as_they_are() -> None:
    assert class_folders(["airplane", "bird", "猫"]) == ["airplane", "bird", "猫"]
    assert class_folders(list("0123456789")) == list("0123456789")


def test_names_out_of_order_get_their_numbers() -> None:
    """Software that numbers classes by sorting their folders would permute the labels else."""
    assert class_folders(["T-shirt/top", "Trouser", "Pullover"]) == [
        "0 T-shirt%2Ftop",
        "1 Trouser",
        "2 Pullover",
    ]
    assert class_folders(["b", *"abcdefghij"])[-1] == "10 j"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(ODD) | st.text(max_size=4), min_size=1, max_size=12))
@example(ODD)
@example(["a", "a"])
@example(["Cat", "cat"])
@example(["", ""])
@example(["1 0 x", "0 1 x"])
@example(["é", "e\u0301"])
def test_any_names_give_folders_that_are_told_apart_and_map_back(names: list[str]) -> None:
    folders = class_folders(names)
    assert folders == sorted(folders)
    alike = {unicodedata.normalize("NFC", folder).casefold() for folder in folders}
    assert len(alike) == len(folders)
    for folder in folders:
        assert 0 < len(folder.encode()) < 256 and folder.isprintable() and folder == folder.strip(" ")
        assert not set(folder) & set('/\\:*?"<>|') and folder[0] not in "._" and folder[-1] != "."
        assert folder.partition(".")[0].casefold() not in {"con", "nul", "com¹", "readme", "exact"}
    shuffled = sorted(folders, key=lambda folder: folder[::-1])
    assert order_of(shuffled, names) == [folders.index(folder) for folder in shuffled]


def test_other_software_can_read_the_names_too() -> None:
    names = [
        name
        for name in ODD
        if name.isprintable() and len(name) < 100 and name.strip() and name == name.strip()
    ]
    told = [folder.partition(" ")[2] for folder in class_folders(names)]
    assert [unquote(each) for each in told] == names


def test_they_can_be_written(tmp_path: Path) -> None:
    names = [name for name in ODD if name.isascii()]
    pixels = torch.arange(len(names) * 16, dtype=torch.uint8).view(len(names), 1, 1, 4, 4)
    write_folders(pixels, names, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == class_folders(names)
    assert {path.name for path in tmp_path.glob("*/*")} == {"0000.png"}


@pytest.mark.parametrize("names", [["a", "c", "d"], ["0 a", "1 c"], ["0 a", "1 b"], ["0", "1", "2"]])
def test_other_folders_are_not_taken_for_the_classes(names: list[str]) -> None:
    assert order_of(names, ["b", "a"]) is None
