"""List the pictures of train/ and test/, each with a folder per class, or in Tiny-ImageNet's layout.

Nothing is left out in silence: files that are skipped are noted, and whatever could be a picture or a class
that would be missed is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from suite.core.data.found import Notes, check_names, plain_name, printable
from suite.core.data.reading.decoding import FORMATS, PICTURES
from suite.core.data.reading.download import DataMissing

TEST_NAMES = ("test", "val", "valid", "validation")

INSIDE = "images"
"""A folder inside that of a class that may hold its pictures, as in Tiny-ImageNet."""

_WINDOWS = ("thumbs.db", "ehthumbs.db", "desktop.ini")
_WINDOWS_FOLDERS = ("$recycle.bin", "recycler", "system volume information")
_MACOS = ("__macosx", "icon\r", "network trash folder", "temporary items")
_OTHERS = ("lost+found", "@eadir", "@tmp", "#recycle", "#snapshot", "__pycache__")
_SYSTEM = frozenset((*_WINDOWS, *_WINDOWS_FOLDERS, *_MACOS, *_OTHERS))
"""Names of files and folders that systems leave, in lower case; names that begin with a dot are others."""

_CAMERA = (".heic", ".heif", ".hif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw")
_WEB = (".avif", ".avifs", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".svg", ".svgz", ".ico", ".pdf")
_TOOLS = (".psd", ".psb", ".xcf", ".tga", ".pcx", ".sgi", ".rgb", ".dds", ".xbm", ".xpm")
_PRINT = (".eps", ".ps", ".ai")
_SCIENCE = (".npy", ".npz", ".exr", ".hdr", ".pfm", ".dcm", ".dicom", ".nii", ".fit", ".fits")
_UNREAD = frozenset((*_CAMERA, *_WEB, *_TOOLS, *_PRINT, *_SCIENCE))
"""Endings of files that may be pictures, but are not read."""


@dataclass(frozen=True)
class Listing:
    """The image files of a task with their labels, the names of its classes, and what was skipped.

    class_ids: the names of the class folders, for which words.txt may have words.
    """

    train: tuple[tuple[Path, int], ...]
    test: tuple[tuple[Path, int], ...]
    class_names: tuple[str, ...]
    class_ids: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All image files, train first."""
        return tuple(path for path, _ in (*self.train, *self.test))

    def only(self, labels: Sequence[int]) -> "Listing":
        """Return the classes of these labels, in their order."""
        new = {label: number for number, label in enumerate(labels)}
        train, test = (
            tuple((path, new[label]) for path, label in rows if label in new)
            for rows in (self.train, self.test)
        )
        names, ids = (tuple(each[label] for label in labels) for each in (self.class_names, self.class_ids))
        return Listing(train, test, names, ids, self.notes)


def list_folder(folder: Path) -> Listing:
    """List the pictures of `folder`: train/ and test/, or val/ where test/ has no classes.

    Raises DataMissing without both, and ValueError if their classes differ, there are fewer than two, a class
    has no image or has folders of its own, or a file may be a picture that is not read.
    """
    notes = Notes()
    for entry in folder.iterdir() if folder.is_dir() else ():
        _refuse_broken(entry)
    if not (folder / "train").is_dir():
        raise DataMissing(f"{folder} needs a folder train/ with a folder per class{_hint(folder)}")
    train = _list_classes(folder / "train", notes)
    candidates = [folder / name for name in TEST_NAMES if (folder / name).is_dir()]
    if not candidates:
        raise DataMissing(f"{folder} needs a folder test/ or val/ with a folder per class")
    # A val/ with class folders is used if test/ has none.
    held = next((each for each in candidates if any((each / name).is_dir() for name in train)), candidates[0])
    annotations = folder / "val" / "val_annotations.txt"
    # Tiny-ImageNet's test labels are not published: the field tests on val/.
    held = annotations.parent if annotations.is_file() else held
    test = _list_annotated(annotations) if annotations.is_file() else _list_classes(held, notes)
    for other in candidates:
        if other != held:
            notes.add(f"not read, since {held.name}/ is the test split", other, noun="folder")
    if odd := sorted(set(train) ^ set(test)):
        where = "train" if odd[0] in train else "test"
        raise ValueError(f"{folder}: class {odd[0]!r} is only in {where}; both need the same classes")
    classes = sorted(train)
    if len(classes) < 2:
        raise ValueError(f"{folder} has one class, {classes[0]!r}; train/ and test/ need a folder per class")
    labelled = [
        tuple((path, label) for label, name in enumerate(classes) for path in split[name])
        for split in (train, test)
    ]
    names = named(classes, folder / "words.txt")
    check_names(names, folder)
    return Listing(labelled[0], labelled[1], names, tuple(classes), notes.lines())


def _hint(folder: Path) -> str:
    """Return where train/ may be instead: an archive is often unpacked into a folder of its own."""
    inner = sorted(folder.glob("*/train"))[:1] if folder.is_dir() else []
    return f"; there is one in {inner[0].parent}" if inner else ""


def _list_classes(folder: Path, notes: Notes) -> dict[str, list[Path]]:
    classes = dict[str, list[Path]]()
    for entry in _visible(folder, notes):
        if not entry.is_dir():
            notes.add(f"skipped in {folder.name}/, outside of the classes", entry, noun="file")
            continue
        # Names of one look may differ in their bytes, as between macOS and Linux.
        name = plain_name(entry.name)
        if printable(name) != name:
            raise ValueError(f"the name of the class folder {folder / printable(name)} is no text; rename it")
        if name in classes:
            raise ValueError(f"{folder} has two folders that both read {name!r}; rename or join them")
        pictures = list(_pictures(entry, notes, ()))
        if not pictures:
            raise ValueError(f"the class folder {entry} has no images")
        classes[name] = sorted(pictures)
        _refuse_nested(folder, entry, pictures)
    if not classes:
        raise ValueError(f"{folder} has no class folders")
    return classes


def _refuse_nested(split: Path, entry: Path, pictures: list[Path]) -> None:
    """Refuse folders inside a class: they may be the classes, below a folder too many."""
    inside = {path.parent.relative_to(entry).as_posix() for path in pictures}
    if inside not in ({"."}, {INSIDE}):
        example = max(inside, key=lambda each: (each != ".", each != INSIDE, each))
        raise ValueError(
            f"{entry} has a folder of pictures, {example}: if such folders are the classes, move them up "
            f"into {split}; if {entry.name} is a class, move the pictures up into {entry}"
        )


def _pictures(folder: Path, notes: Notes, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the pictures in and below a folder, through links."""
    real = folder.resolve()
    if real in above:
        raise ValueError(f"{folder} is a link to a folder above itself; remove it")
    for entry in _visible(folder, notes):
        if entry.is_dir():
            inside = list(_pictures(entry, notes, (*above, real)))
            if not inside:
                notes.add("skipped, without a picture", entry, noun="folder")
            yield from inside
        elif entry.suffix.lower() in PICTURES:
            yield entry
        else:
            _refuse_unread(entry)
            ending = entry.suffix if entry.suffix[1:].isalpha() else "other"
            notes.add("skipped, not a picture", entry, noun=f"{ending} file")


def _visible(folder: Path, notes: Notes) -> Iterator[Path]:
    """Yield the entries of a folder, sorted, without hidden ones and those that systems leave."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
            notes.add("skipped", entry, noun="hidden or system file")
        else:
            _refuse_broken(entry)
            yield entry


def _refuse_broken(path: Path) -> None:
    """Refuse a link to nothing: there may have been a class, a picture or a split."""
    if path.is_symlink() and not path.exists() and not path.name.startswith("."):
        raise ValueError(f"{path} is a link to {path.readlink()}, which does not exist; mend or remove it")


def _refuse_unread(path: Path) -> None:
    """Refuse a file without the ending of a picture that may be one."""
    if path.suffix.lower() in _UNREAD:
        raise ValueError(
            f"{path} may be a picture, but {path.suffix} is not read; convert it to PNG, or remove it"
        )
    if not path.is_file():  # a pipe would never end
        return
    try:
        with Image.open(path, formats=FORMATS) as image:
            found = image.format
    except Exception:  # Pillow raises errors of many kinds for what is no picture.
        return
    raise ValueError(f"{path} is a picture ({found}) without the ending of one; rename or remove it")


def _list_annotated(annotations: Path) -> dict[str, list[Path]]:
    classes: dict[str, list[Path]] = {}
    for line in _lines(annotations):
        file, tab, rest = line.partition("\t")
        if not tab:
            raise ValueError(
                f"{annotations} has the line {line!r}, not a file and its class with a tab between"
            )
        classes.setdefault(plain_name(rest.split("\t")[0]), []).append(annotations.parent / INSIDE / file)
    missing = [path for paths in classes.values() for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"{annotations} names {missing[0]}, which does not exist")
    return {wnid: sorted(paths) for wnid, paths in classes.items()}


def named(classes: list[str], words: Path) -> tuple[str, ...]:
    """Return the first word for each WordNet id, with the id if the word has two; else the folders' names."""
    rows = (line.split("\t", 1) for line in (_lines(words) if words.is_file() else ()) if "\t" in line)
    known = {wnid: plain_name(text.split(",")[0]) for wnid, text in rows}
    names = [known.get(name, name) for name in classes]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({wnid})"
        for wnid, name in zip(classes, names, strict=True)
    )


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not blank; raises ValueError with its name."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    return [line for line in text.splitlines() if line.strip()]
