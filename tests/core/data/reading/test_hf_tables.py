"""Columns of Parquet and Arrow files: found, given, or refused with the columns that exist."""

from pathlib import Path
from typing import Any

import pyarrow as arrow  # type: ignore[import-untyped]
import pytest

from suite.core.data.reading.hf_tables import (
    class_names,
    image_column,
    indices,
    label_column,
    open_table,
)
from tests.support.hugging_face import PETS, classes, pictures, table, write, write_pets

IMAGE = {"_type": "Image"}


def test_columns_are_found_by_the_files_metadata(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    written = write_pets(path, [1, 0, 1], image="photo", label="pet")
    opened = open_table(path)
    assert (opened.rows, dict(opened.kinds)) == (3, {"photo": "Image", "pet": "ClassLabel"})
    assert (image_column(opened, None), label_column(opened, None)) == ("photo", "pet")
    assert opened.classes["pet"] == PETS and opened.labels("pet") == [1, 0, 1]
    assert [file.getvalue() for file, _ in opened.pictures("photo")] == written
    assert [called for _, called in opened.pictures("photo")][2] == f"image 2 of {path}"


def test_columns_are_found_by_their_types_without_metadata(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", {"id": [7, 8], "img": pictures(2), "label": ["b", "a"]})
    opened = open_table(tmp_path / "x.parquet")
    assert (image_column(opened, None), label_column(opened, None)) == ("img", "label")
    assert class_names(opened, "label", opened.labels("label")) == ("a", "b")


@pytest.mark.parametrize(
    "columns, features, asked, said",
    [
        (
            {"a": pictures(1), "b": pictures(1), "label": [0]},
            {},
            {},
            "a, b could each be it; append .image=NAME",
        ),
        (
            {"text": ["x"], "label": [0]},
            {},
            {},
            "which column is the image. none .* text .string., label .int64.",
        ),
        (
            {"image": pictures(1), "fine": [0], "coarse": [0]},
            {"image": IMAGE, "fine": classes(*PETS), "coarse": classes("animal")},
            {},
            "which column is the label. fine, coarse could each be it; append .label=NAME",
        ),
        (
            {"sample": [{"image": pictures(1)[0]}], "label": [0]},
            {},
            {},
            "which column is the image. none .* sample .struct<image",
        ),
        ({"image": pictures(1), "id": [0]}, {}, {}, "which column is the label. none is one for certain"),
        ({"image": pictures(1), "label": [0.5]}, {}, {}, "the column 'label' of .* is double, not labels"),
        ({"image": pictures(1), "label": [[0]]}, {}, {"label": "label"}, "is list.*, not labels"),
        (
            {"image": pictures(1), "label": [0]},
            {},
            {"image": "img"},
            "has no column 'img'; its columns: image",
        ),
        ({"image": pictures(1), "label": [0]}, {}, {"label": "fine"}, "has no column 'fine'"),
        (
            {"image": pictures(1), "label": [0]},
            {},
            {"image": "label"},
            "'label' of .* holds no encoded images",
        ),
        ({"image": pictures(1), "label": [0]}, {}, {"label": "image"}, "is Image, not labels"),
        (
            {"sound": pictures(1), "label": [0]},
            {"sound": {"_type": "Audio"}},
            {},
            "which column is the image. none",
        ),
    ],
)
def test_unclear_columns_are_refused(
    columns: dict[str, Any], features: dict[str, Any], asked: dict[str, str], said: str, tmp_path: Path
) -> None:
    write(tmp_path / "x.parquet", columns, features or None)
    opened = open_table(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=said):
        label_column(opened, asked.get("label")) and image_column(opened, asked.get("image"))
        image_column(opened, asked.get("image"))


def test_bytes_alone_are_images_if_that_is_asked_for(tmp_path: Path) -> None:
    encoded = pictures(2)
    write(tmp_path / "x.parquet", {"jpg": [each["bytes"] for each in encoded], "label": [0, 1]})
    opened = open_table(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="which column is the image"):
        image_column(opened, None)
    assert image_column(opened, "jpg") == "jpg"
    assert next(opened.pictures("jpg"))[0].getvalue() == encoded[0]["bytes"]


@pytest.mark.parametrize(
    "image, said",
    [
        (None, "image 1 of .* is empty; remove the row"),
        ({"bytes": None, "path": None}, "image 1 of .* is empty"),
        ({"bytes": b"", "path": None}, "image 1 of .* is empty"),
        (
            {"bytes": None, "path": "a/b.png"},
            "image 1 of .* is only a path, 'a/b.png'; write the images into",
        ),
    ],
)
def test_missing_images_are_named(image: Any, said: str, tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", {"image": [*pictures(1), image], "label": [0, 1]})
    with pytest.raises(ValueError, match=said):
        list(open_table(tmp_path / "x.parquet").pictures("image"))


def test_missing_labels_are_named(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", {"image": pictures(2), "label": [0, None]})
    with pytest.raises(ValueError, match=r"row 1 of .*x\.parquet has no label; remove the row"):
        open_table(tmp_path / "x.parquet").labels("label")


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("x.parquet", b"rubbish", "cannot be read as Parquet: "),
        ("x.parquet", b"", "cannot be read as Parquet: "),
        ("x.arrow", b"rubbish", "cannot be read as Arrow: "),
        (
            "x.parquet",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS; fetch the file itself",
        ),
    ],
)
def test_unreadable_files_are_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*{said}") as raised:
        open_table(tmp_path / name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_file_damaged_inside_is_named(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    if ending == "parquet":
        write_pets(path, [0, 1] * 50)
        content = bytearray(path.read_bytes())
        content[20:4000] = bytes(3980)
    else:
        made = table({"image": pictures(100), "label": [0, 1] * 50})
        with arrow.OSFile(str(path), "wb") as sink, arrow.ipc.new_stream(sink, made.schema) as writer:
            writer.write_table(made, max_chunksize=10)
        content = path.read_bytes()[:4000]  # type: ignore[assignment]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.{ending} cannot be read as"):
        list(open_table(path).pictures("image"))


def test_metadata_that_are_no_json_are_refused(tmp_path: Path) -> None:
    from pyarrow import parquet

    made = table({"label": [0]}).replace_schema_metadata({"huggingface": "{"})
    parquet.write_table(made, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"the metadata 'huggingface' of .* cannot be read"):
        open_table(tmp_path / "x.parquet")


def test_labels_become_indices() -> None:
    assert indices([1, 0], PETS, True, "it: test").tolist() == [1, 0]
    assert indices(["dog", "cat"], PETS, True, "it: test").tolist() == [1, 0]
    assert indices(["dog", "cat"], PETS, False, "it: test").tolist() == [1, 0]
    assert indices([10, 7], ("7", "10"), False, "it: test").tolist() == [1, 0]
    assert indices([True, False], ("False", "True"), False, "it: test").tolist() == [1, 0]
    assert indices([" dog", "cat "], PETS, True, "it: test").tolist() == [1, 0]
    assert indices([" dog", "cat "], PETS, False, "it: test").tolist() == [1, 0]
    with pytest.raises(
        ValueError, match=r"it: test has the label -1, by which labels are hidden; append .test=NAME"
    ):
        indices([0, -1], PETS, True, "it: test")
    with pytest.raises(ValueError, match="it: test has the label 2, which is none of the 2 classes"):
        indices([0, 2], PETS, True, "it: test")
    with pytest.raises(ValueError, match="the label 'bird', which is none"):
        indices(["bird"], PETS, False, "it: test")


def test_numbers_without_names_are_sorted_as_numbers(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", {"label": [10, 9, 9]})
    opened = open_table(tmp_path / "x.parquet")
    assert class_names(opened, "label", opened.labels("label")) == ("9", "10")
