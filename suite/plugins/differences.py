"""Where a method differs from its paper, or from its authors' code: `papers/NAME.toml` beside its file."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from suite.plugins import registry


class Difference(BaseModel):
    """One point in which a method is not as its paper or its authors' code.

    point: what differs, in a few words; paper, ours: how each does it; why: the reason for the difference;
    effect: its measured size with n, "" if it was not measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    point: str
    paper: str
    ours: str
    why: str
    effect: str = ""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    difference: tuple[Difference, ...]


def differences(name: str) -> tuple[Difference, ...]:
    """Return the differences of a method, by name or path; none if it has no such file.

    Raises ValueError for an unknown method, or a file that does not have these fields.
    """
    module = Path(registry.file("method", name))
    path = module.parent / "papers" / f"{module.stem}.toml"
    if not path.is_file():
        return ()
    try:
        return _File.model_validate(tomllib.loads(path.read_text())).difference
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
