"""Documents of strangers, in the place of records, plans, jobs, manifests and the rest of a store."""

import os
from collections.abc import Callable
from pathlib import Path

DEEP = 100_000


def _text(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _sparse(path: Path) -> None:
    """A file of five gigabytes that takes no room."""
    with path.open("wb") as file:
        file.truncate(5 * 2**30)


DOCUMENTS: dict[str, Callable[[Path], object]] = {
    "empty": _text(b""),
    "null": _text(b"null"),
    "a list": _text(b"[]"),
    "a text": _text(b'"text"'),
    "deep": _text(b"[" * DEEP),
    "deep objects": _text(b'{"a":' * DEEP),
    "no number": _text(b'{"protocol": NaN}'),
    "an endless number": _text(b'{"protocol": 1e999}'),
    "a number of 100,000 digits": _text(b'{"protocol": ' + b"9" * DEEP + b"}"),
    "half a character": _text(b'{"protocol": 2, "label": "\\ud800"}'),
    "a name twice": _text(b'{"protocol": 2, "protocol": 2}'),
    "UTF-16": _text('{"protocol": 2}'.encode("utf-16")),
    "no text": _text(bytes(range(256))),
    "five million values": _text(b"[" + b"0," * 5_000_000 + b"0]"),
    "five gigabytes": _sparse,
    "a pipe": os.mkfifo,
    "a link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
}
"""By name, how each is made at a path."""
