"""Build a site: stores → files in a folder."""

from collections.abc import Iterator, Sequence
from importlib.resources import files as resources
from pathlib import Path

from suite.site import output
from suite.site.pages import PAGES
from suite.site.rendering import File
from suite.site.source import Aiding, Source, load, unaided


def build(
    stores: Sequence[Path], folder: Path, aiding: Aiding = unaided, signers: Path | None = None
) -> list[Path]:
    """Write the site of `stores` into `folder`; return the paths of its files.

    signers: a file of those whose signatures are shown. Equal records give equal bytes. Raises
    FileNotFoundError without a store, ValueError for records of another protocol or too many, and for a
    folder that holds other files or cannot be written.
    """
    output.check(folder)
    return output.write(made(load(stores, aiding, signers)), folder)


def made(source: Source) -> Iterator[File]:
    """Yield the files of a site."""
    yield from static()
    for maker in PAGES:
        yield from maker(source)


def static() -> Iterator[File]:
    """Yield the style sheets and scripts of all pages."""
    for each in sorted((resources("suite.site") / "static").iterdir(), key=lambda each: each.name):
        yield File(f"static/{each.name}", each.read_bytes())
