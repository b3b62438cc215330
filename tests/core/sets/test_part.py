"""Parts of sets: their titles, and what is none."""

import pytest
from pydantic import ValidationError

from suite.core.sets.part import Part, size_of


def test_titles_are_words() -> None:
    assert Part(how="prefix", ipc=3).title == "first 3"
    assert Part(how="random", ipc=3, index=2).title == "random 3, draw 2"
    assert Part(how="without", ipc=3, index=2).title == "without image 2"


def test_the_size_of_a_part_is_its_own() -> None:
    whole = {"trial": {"ipc": 10}}
    assert [size_of(each) for each in (whole, {**whole, "part": {"ipc": 2}}, {"trial": 3}, {})] == [
        *(10, 2, None, None)
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"how": "prefix", "ipc": 0},
        {"how": "random", "ipc": 1, "index": -1},
        {"how": "suffix", "ipc": 1},
        {"how": "prefix", "ipc": 1, "of": 3},
        {"how": "prefix"},
    ],
)
def test_what_is_no_part_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Part.model_validate(content)


def test_a_part_does_not_change() -> None:
    part = Part(how="prefix", ipc=3)
    with pytest.raises(ValidationError):
        part.ipc = 4
    assert part == Part.model_validate_json(part.model_dump_json())
