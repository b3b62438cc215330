"""The makers of pages."""

from collections.abc import Callable, Iterator

from suite.site import artefacts, index, methods
from suite.site.rendering import File
from suite.site.source import Source

PAGES: tuple[Callable[[Source], Iterator[File]], ...] = (index.pages, methods.pages, artefacts.pages)
"""Each yields the files of one kind of page."""
