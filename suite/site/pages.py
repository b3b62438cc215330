"""The makers of pages."""

from collections.abc import Callable, Iterator

from suite.site import index
from suite.site.details import artefacts, figures, methods
from suite.site.details.sets import sets
from suite.site.rendering import File
from suite.site.source import Source


def details(source: Source) -> Iterator[File]:
    """Yield the pages of sets with their files, the gallery, and the pages of methods."""
    cards, grids = [], artefacts.planned(source.stores)
    for each in sets(source):
        yield from artefacts.files(each, grids)
        cards.append(artefacts.card(each))
    yield artefacts.gallery(cards)
    yield from methods.pages(source, cards)


PAGES: tuple[Callable[[Source], Iterator[File]], ...] = (details, figures.pages, index.pages)
"""Each yields the files of one kind of page; the index comes last."""
