"""What of a folder is listed, what is skipped with a note, and what is refused."""

import os
from pathlib import Path
from unicodedata import normalize

import pytest
from PIL import Image

from suite.core.data.reading.decoding import FORMATS, PICTURES
from suite.core.data.reading.download import DataMissing
from suite.core.data.reading.folders import Listing, list_folder


def save(path: Path, content: bytes | None = None) -> Path:
    """Write a picture, or other content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        Image.new("L", (4, 4)).save(path, "PNG")
    else:
        path.write_bytes(content)
    return path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """train/ and test/ of cat and dog, with two pictures each."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for index in range(2):
                save(tmp_path / "pets" / split / name / f"{index}.png")
    return tmp_path / "pets"


def names(listing: Listing, root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path, _ in listing.train]


EIGHT = [
    f"{split}/{name}/{index}.png" for split in ("train",) for name in ("cat", "dog") for index in range(2)
]


def test_pictures_are_listed_by_class(pets: Path) -> None:
    listing = list_folder(pets)
    assert listing.class_names == ("cat", "dog") and listing.notes == ()
    assert names(listing, pets) == EIGHT and [label for _, label in listing.train] == [0, 0, 1, 1]
    assert listing.files == tuple(path for path, _ in (*listing.train, *listing.test))


# Endings


@pytest.mark.parametrize("ending", sorted(PICTURES))
def test_every_ending_of_a_picture_is_found(ending: str, pets: Path) -> None:
    for spelled in (ending, ending.upper(), ending.title()):
        path = save(pets / "train/cat" / f"x.y{spelled}")
        assert path in list_folder(pets).files
        path.unlink()


def test_endings_are_those_of_the_formats_that_are_read() -> None:
    """Pillow knows them by name; those of its formats that have no name of their own are JPEG."""
    Image.init()
    known = {ending for ending, format in Image.EXTENSION.items() if format in (*FORMATS, "MPO")}
    assert known - {".pfm"} <= PICTURES, ".pfm holds fractions, which are refused"
    assert {Image.EXTENSION.get(ending, "JPEG") for ending in PICTURES} <= {*FORMATS, "MPO"}


@pytest.mark.parametrize(
    "name",
    [".heic", ".HEIC", ".avif", ".svg", ".npy", ".npz", ".psd", ".jp2", ".jxl", ".CR2", ".dcm", ".tga"],
)
def test_what_may_be_a_picture_in_another_format_is_refused(name: str, pets: Path) -> None:
    save(pets / "test/dog" / f"new{name}", b"?")
    with pytest.raises(
        ValueError, match=rf"dog/new\{name} may be a picture, but \{name} is not read; convert"
    ):
        list_folder(pets)


@pytest.mark.parametrize("name", ["0001", "cat.png~", "cat.png.bak", "cat.data", "cat.txt"])
def test_a_picture_without_the_ending_of_one_is_refused(name: str, pets: Path) -> None:
    save(pets / "train/cat" / name)
    with pytest.raises(
        ValueError, match=rf"cat/{name} is a picture \(PNG\) without the ending of one; rename"
    ):
        list_folder(pets)


def test_other_files_are_skipped_with_a_note(pets: Path) -> None:
    for name in ("a.txt", "b.txt", "c.xml", "README"):
        save(pets / "train/cat" / name, b"P1 is how a portable bitmap begins")
    save(pets / "train/labels.csv", b"")
    save(pets / "train/odd.png")
    save(pets / "licence.txt", b"")
    listing = list_folder(pets)
    assert names(listing, pets) == EIGHT
    assert listing.notes == (
        f"1 other file skipped, not a picture ({pets}/train/cat/README)",
        f"2 .txt files skipped, not a picture (the first is {pets}/train/cat/a.txt)",
        f"1 .xml file skipped, not a picture ({pets}/train/cat/c.xml)",
        f"2 files skipped in train/, outside of the classes (the first is {pets}/train/labels.csv)",
    )


# Hidden and system files


@pytest.mark.parametrize(
    "name",
    [
        *(".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini", "Icon\r", "._0.png", ".hidden.png"),
        *(
            "__MACOSX/._0.png",
            "__MACOSX/0.png",
            ".ipynb_checkpoints/0-checkpoint.png",
            "@eaDir/0.png/thumb.jpg",
        ),
        *("lost+found/0.png", "#recycle/0.png", "$RECYCLE.BIN/0.png", "System Volume Information/0.png"),
        *(".Trashes/0.png", ".git/0.png", "__pycache__/0.png"),
    ],
)
@pytest.mark.parametrize("where", ["train", "test/dog"])
def test_hidden_and_system_files_are_left_out(name: str, where: str, pets: Path) -> None:
    save(pets / where / name)
    listing = list_folder(pets)
    assert len(listing.files) == 8 and listing.class_names == ("cat", "dog")
    (note,) = listing.notes
    assert note.startswith(f"1 hidden or system file skipped ({pets}/{where}/") and "\r" not in note


# Classes


def test_a_single_class_is_refused(pets: Path) -> None:
    for split in ("train", "test"):
        (pets / split / "dog").rename(pets / f"{split}-dogs")
    with pytest.raises(
        ValueError, match=r"pets has one class, 'cat'; train/ and test/ need a folder per class"
    ):
        list_folder(pets)


@pytest.mark.parametrize("wrapper", ["all", "images", "photos"])
def test_classes_below_a_folder_too_many_are_refused(wrapper: str, pets: Path) -> None:
    """They were one class once, which every method got right."""
    for split in ("train", "test"):
        inner = pets / "moved"
        (pets / split).rename(inner)
        (pets / split).mkdir()
        inner.rename(pets / split / wrapper)
    with pytest.raises(ValueError) as caught:
        list_folder(pets)
    assert (
        f"train/{wrapper} has a folder of pictures, dog: if such folders are the classes, move them up into"
        in str(caught.value)
    )


@pytest.mark.parametrize("inside", ["2024", "a/b", "images/more"])
def test_folders_inside_a_class_are_refused(inside: str, pets: Path) -> None:
    save(pets / "train/cat" / inside / "9.png")
    with pytest.raises(
        ValueError, match=rf"train/cat has a folder of pictures, {inside}: .* move the pictures up"
    ):
        list_folder(pets)


def test_domains_of_equal_classes_are_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for domain in ("photo", "sketch"):
            for name in ("cat", "dog"):
                save(tmp_path / split / domain / name / "0.png")
    with pytest.raises(ValueError, match=r"train/photo has a folder of pictures, dog"):
        list_folder(tmp_path)


def test_a_folder_called_images_may_hold_a_classs_pictures(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("n01", "n02"):
            save(tmp_path / split / name / "images" / "0.JPEG")
    assert len(list_folder(tmp_path).files) == 4
    save(tmp_path / "train/n01/1.png")
    with pytest.raises(ValueError, match="n01 has a folder of pictures, images"):
        list_folder(tmp_path)


def test_a_class_of_one_split_or_without_a_picture_is_refused(pets: Path) -> None:
    (pets / "train/owl").mkdir()
    with pytest.raises(ValueError, match=r"the class folder .*train/owl has no images"):
        list_folder(pets)
    save(pets / "train/owl/notes.txt", b"none yet")
    save(pets / "train/owl/.hidden.png")
    with pytest.raises(ValueError, match=r"the class folder .*train/owl has no images"):
        list_folder(pets)
    save(pets / "train/owl/0.png")
    with pytest.raises(ValueError, match="class 'owl' is only in train; both need the same classes"):
        list_folder(pets)


def test_names_of_one_look_are_one_class(pets: Path) -> None:
    """Letters with accents have two spellings, and an archive may change them."""
    one, other = normalize("NFC", "Bär"), normalize("NFD", "Bär")
    save(pets / "train" / one / "0.png")
    save(pets / "test" / other / "0.png")
    assert list_folder(pets).class_names == (one, "cat", "dog")
    save(pets / "train" / other / "0.png")
    with pytest.raises(
        ValueError, match=f"train has two folders that both read {one!r}; rename or join them"
    ):
        list_folder(pets)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", r"a\\nb"),
        ("caf\udce9", r"caf\\udce9"),
        ("\x1b[2J", r"\\x1b\[2J"),
        ("cat\u200b", r"cat\\u200b"),
        ("\u202etac", r"\\u202etac"),
    ],
)
def test_names_that_are_no_text_are_refused(name: str, shown: str, pets: Path) -> None:
    save(pets / "train" / name / "0.png")
    with pytest.raises(ValueError, match=f"the class folder .*{shown} is no text; rename it"):
        list_folder(pets)


@pytest.mark.parametrize(
    "name", ["猫", "C++", "ship, boat", "a b", "#1", "100%", "नमस्ते", "می\u200cخواهم", "[red]"]
)
def test_any_text_is_a_name(name: str, pets: Path) -> None:
    for split in ("train", "test"):
        save(pets / split / name / "0.png")
    assert name in list_folder(pets).class_names


def test_blanks_around_a_name_are_left_out(pets: Path) -> None:
    (pets / "train/cat").rename(pets / "train/cat ")
    assert list_folder(pets).class_names == ("cat", "dog")
    save(pets / "train/cat/0.png")
    with pytest.raises(ValueError, match="train has two folders that both read 'cat'; rename or join them"):
        list_folder(pets)


# Links


def test_links_are_followed(pets: Path, tmp_path: Path) -> None:
    save(tmp_path / "elsewhere/1.png")
    (pets / "train/cat/linked.png").symlink_to(tmp_path / "elsewhere/1.png")
    (pets / "train/owl").symlink_to(tmp_path / "elsewhere")
    (pets / "test/owl").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "shortcut").symlink_to(pets)
    listing = list_folder(tmp_path / "shortcut")
    assert listing.class_names == ("cat", "dog", "owl") and len(listing.train) == 6


def test_a_link_to_a_folder_above_is_refused(pets: Path) -> None:
    (pets / "train/cat/again").symlink_to(pets / "train/cat")
    with pytest.raises(ValueError, match=r"train/cat/again is a link to a folder above itself; remove it"):
        list_folder(pets)


def test_what_is_no_file_is_skipped(pets: Path) -> None:
    os.mkfifo(pets / "train/cat/pipe")
    (pets / "test/dog/z.png").mkdir()
    (pets / "test/dog/a/b").mkdir(parents=True)
    assert list_folder(pets).notes == (
        f"1 other file skipped, not a picture ({pets}/train/cat/pipe)",
        f"3 folders skipped, without a picture (the first is {pets}/test/dog/a/b)",
    )


@pytest.mark.parametrize("place", ["train/owl", "test/cat/9.png", "train/cat/more", "val", "words.txt"])
def test_a_link_to_nothing_is_refused(place: str, pets: Path) -> None:
    (pets / place).symlink_to("nowhere")
    with pytest.raises(ValueError, match=f"{place} is a link to nowhere, which does not exist; mend or rem"):
        list_folder(pets)


# Splits


def test_a_folder_above_train_is_named(pets: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataMissing, match=rf"needs a folder train/ with a folder per class; there is one in {pets}"
    ):
        list_folder(tmp_path)
    (pets / "test").rename(pets / "tests")
    with pytest.raises(DataMissing, match=r"pets needs a folder test/ or val/"):
        list_folder(pets)


def test_a_split_that_is_not_read_is_noted(pets: Path) -> None:
    save(pets / "val/cat/0.png")
    save(pets / "val/dog/0.png")
    assert list_folder(pets).notes == (f"1 folder not read, since test/ is the test split ({pets}/val)",)


# Tiny-ImageNet's files


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    for wnid in ("n01", "n02"):
        save(tmp_path / "train" / wnid / "images" / "0.JPEG")
        save(tmp_path / "val/images" / f"{wnid}.JPEG")
    (tmp_path / "val/val_annotations.txt").write_text("n02.JPEG\tn02\t0\t0\t1\t1\n\nn01.JPEG\tn01\n")
    return tmp_path


def test_annotations_are_read(tiny: Path) -> None:
    listing = list_folder(tiny)
    assert [path.name for path, _ in listing.test] == ["n01.JPEG", "n02.JPEG"]
    assert listing.class_names == ("n01", "n02")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"n01.JPEG n01\n", "has the line 'n01.JPEG n01', not a file and its class"),
        (b"n09.JPEG\tn01\n", r"names .*images/n09\.JPEG, which does not exist"),
        (b"\xff\xfe", r"val_annotations\.txt cannot be read: 'utf-8'"),
    ],
)
def test_wrong_annotations_are_refused(content: bytes, message: str, tiny: Path) -> None:
    (tiny / "val/val_annotations.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list_folder(tiny)


def test_two_classes_of_one_word_keep_their_ids(tiny: Path) -> None:
    """ImageNet has two cranes, the bird and the machine."""
    (tiny / "words.txt").write_text("n01\tcrane, hoist\nn02\tcrane\nn03\tnewt\n")
    assert list_folder(tiny).class_names == ("crane (n01)", "crane (n02)")
    (tiny / "words.txt").write_text("\ufeffn01\tcrane\nn02\tgoldfish, Carassius auratus\n")
    assert list_folder(tiny).class_names == ("crane", "goldfish")
    for words in ("n01\t\nn02\tcrane\n", "n01\t, hoist\nn02\tcrane\n"):
        (tiny / "words.txt").write_text(words)
        with pytest.raises(ValueError, match="class 0 has an empty name; give it one"):
            list_folder(tiny)
