"""The makers of pages."""

from collections.abc import Callable, Iterator

from suite.site import index
from suite.site.rendering import File
from suite.site.source import Source
from suite.site.views import artefacts, figures, methods

PAGES: tuple[Callable[[Source], Iterator[File]], ...] = (
    index.pages,
    methods.pages,
    artefacts.pages,
    figures.pages,
)
"""Each yields the files of one kind of page."""
