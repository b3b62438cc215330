"""Sets that were handed in: the signed facts and the claim in `submissions/<name>/submission.toml`."""

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

import tomli_w
from pydantic import AfterValidator, Field, ValidationError, model_validator

from suite.core.files.documents import document
from suite.core.names import is_device
from suite.records.cells import SUBMITTED, Frozen, Trial, sha256_of
from suite.records.record import Record

FOLDER = "submissions"
"""The folder of a store in which submissions are."""

SET, MANIFEST, ABOUT, README = "set.safetensors", "set.json", "submission.toml", "README.md"
HANDED_IN = (SET, MANIFEST, ABOUT, README)
"""The files of a submission."""

VERIFICATION = "verification"
"""The folder of the records and the report that `ratbench verify` adds to a submission."""

_OPTIONS = {"name": "method"}  # fields whose options have another name
_LARGEST = 64 * 2**10  # bytes of submission.toml
_LONGEST = 200  # characters of a line of text
_MARKUP = "<>[]|`\\"  # which Markdown or HTML would take as more than text


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", text) or len(text) > 60:
        raise ValueError(
            f"{text!r} is not a name; use at most 60 small letters and digits, with single - _ . between them"
        )
    if is_device(text):
        raise ValueError(f"{text!r} is the name of a device on Windows, where it cannot be a folder")
    return text


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST or set(text) & set(_MARKUP):
        raise ValueError(
            f"{text!r} must be one line of plain text, 1 to {_LONGEST} printable characters without {_MARKUP}"
        )
    return text


def _word(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*", text) or len(text) > _LONGEST:
        raise ValueError(f"{text!r} is not the name of a task, a network, a recipe or a licence")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(
        r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?([/?#][\w./~%?#=&+,:;@!$-]*)?", text, re.A
    ):
        raise ValueError(
            f"{text!r} is not a URL; give one such as https://arxiv.org/abs/2311.07025, without spaces, "
            "quotes or brackets"
        )
    return text


def _person(text: str) -> str:
    found = re.fullmatch(r"([^<>@]*[^<>@\s]) <([^<>@\s]+@[^<>@\s]+)>", text)
    if not found:
        raise ValueError(f"{text!r} must be a name and an email address: 'Ada Lovelace <ada@example.org>'")
    for part in found.groups():
        _line(part)
    return text


Line = Annotated[str, AfterValidator(_line)]
Word = Annotated[str, AfterValidator(_word)]
Address = Annotated[str, AfterValidator(_address), Field(max_length=500)]
Share = Annotated[float, Field(ge=0, le=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Claim(Frozen):
    """The claimed accuracy in [0, 1], a mean over retrained networks.

    copies: their number. low, high: the 95% interval over `accuracies`, those of each copy, if `ratbench
    submit` measured them; a claim that was only stated has none of these.
    """

    accuracy: Share
    low: Share | None = None
    high: Share | None = None
    copies: Annotated[int, Field(ge=1, le=1000)]
    accuracies: tuple[Share, ...] = ()
    recipe: Word
    network: Word

    @property
    def measured(self) -> bool:
        """Whether `ratbench submit` measured it."""
        return bool(self.accuracies)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        values = self.accuracies
        if {self.low is None, self.high is None} != {not values}:
            raise ValueError(
                "a measured claim needs accuracies, low and high; a stated claim has none of them"
            )
        if values and (len(values) != self.copies or abs(sum(values) / len(values) - self.accuracy) > 1e-6):
            raise ValueError("the claimed accuracy is not the mean of the claim's accuracies")
        return self


class Facts(Frozen):
    """What is told of a set that is handed in.

    device_seconds, device: of the distillation, as its authors say; trust_labels: see `ratbench evaluate`.
    """

    name: Annotated[str, AfterValidator(_name)]
    title: Line
    paper: Address
    code: Address
    licence: Word
    signed_off_by: Annotated[str, AfterValidator(_person)]
    task: Word
    ipc: Annotated[int, Field(ge=1)]
    trust_labels: bool = False
    device_seconds: Annotated[float, Field(ge=0)] | None = None
    device: Line | None = None


class Submission(Facts):
    """What is handed in with a set. sha256: of the other fields.

    data: the fingerprint of the task's data on which it was made; versions: of what measured the claim, or
    packed the set; files: the sha256 of each other file.
    """

    claim: Claim
    data: Digest
    versions: dict[Word, Line]
    files: dict[str, Digest] = {}
    sha256: str = ""

    @property
    def label(self) -> str:
        """Its name on the board."""
        return SUBMITTED + self.name

    def sealed(self, files: dict[str, str]) -> Self:
        """Return it with the sha256 of its files, and with its own."""
        made = self.model_copy(update={"files": files})
        return made.model_copy(update={"sha256": made._content()})

    def to_toml(self) -> str:
        """Return the text of `submission.toml`."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def read(cls, folder: Path) -> "Submission":
        """Read the submission in a folder; raises ValueError if it is damaged, edited or of another name."""
        path = folder / ABOUT
        try:
            if path.stat().st_size > _LARGEST:
                raise ValueError(f"it is larger than {_LARGEST >> 10} KiB")
            made = cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except ValidationError as error:
            raise ValueError(f"{path}: {mistake(error)}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        if made.sha256 != made._content():
            raise ValueError(
                f"{path} was edited after it was signed; pack the set again by `ratbench submit`"
            )
        if made.name != folder.resolve().name:
            raise ValueError(f"{folder} has the submission {made.name!r}; rename the folder to this name")
        return made

    def _content(self) -> str:
        return sha256_of(self.model_dump(mode="json", exclude={"sha256"}))


def mistake(error: ValidationError, *, option: bool = False) -> str:
    """Return the first mistake in one sentence. option: whether fields were given as options."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    where = "--" + _OPTIONS.get(where, where.replace("_", "-")) if option and where else where
    return ": ".join(filter(None, [where, first["msg"].removeprefix("Value error, ")]))


def reason(error: Exception) -> str:
    """Return the first line of an error that a damaged file caused."""
    if isinstance(error, ValidationError):
        return mistake(error)
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def folders(store: Path) -> Iterator[Path]:
    """Yield the folders of a store's submissions, by name."""
    found = store / FOLDER
    yield from (
        (path for path in sorted(found.iterdir()) if (path / ABOUT).is_file()) if found.is_dir() else ()
    )


def alike(folder: Path) -> list[Path]:
    """Return what stands beside a folder under its name in any case, itself included if it exists."""
    beside = sorted(folder.parent.iterdir()) if folder.parent.is_dir() else []
    return [each for each in beside if each.name.casefold() == folder.name.casefold()]


def check_files(folder: Path, own: Submission) -> None:
    """Raise ValueError if a file of a submission is not the one that was signed."""
    for name in HANDED_IN:
        if name != ABOUT and sha256(folder / name) != own.files.get(name):
            raise ValueError(
                f"{folder / name} is not the file that was signed: its sha256 differs; pack the set again "
                "by `ratbench submit`"
            )


def verification(folder: Path, own: Submission) -> list[Record]:
    """Return the records of a submission's verification, whose files are those that were signed.

    None without one. Raises ValueError for damaged records, and for those of another submission.
    """
    place = folder / VERIFICATION
    paths = sorted(place.glob("*.json"))
    if place.is_symlink() or not all(map(is_plain, paths)):
        raise ValueError(f"{folder}: its verification has links or special files; put the files there")
    try:
        records = [Record.read(document(path)) for path in paths]
    except ValidationError as error:
        raise ValueError(f"{folder}: its verification is damaged: {mistake(error)}") from None
    trials = {record.cell.id for record in records if _is_of(record.cell, own)}
    others = [record for record in records if getattr(record.cell, "trial", record.cell.id) not in trials]
    if others or not all(record.sha256 for record in records):
        raise ValueError(f"{folder}: its verification is of another submission; run `ratbench verify` again")
    return records


def _is_of(cell: object, own: Submission) -> bool:
    """Return whether a cell is the trial that stands for a submission as it was signed."""
    if not isinstance(cell, Trial):
        return False
    return (cell.method, cell.source, cell.task, cell.ipc) == (own.label, own.sha256, own.task, own.ipc)


def is_plain(path: Path) -> bool:
    """Return whether a path is a file, and no link, pipe or device, which may lead away or never end."""
    return path.is_file() and not path.is_symlink()


def sha256(path: Path) -> str:
    """Return the sha256 of a file; raises ValueError if it cannot be read."""
    if path.exists() and not is_plain(path):
        raise ValueError(f"{path} is a link or not a plain file; put the file there")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
