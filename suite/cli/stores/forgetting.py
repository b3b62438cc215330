"""Why cells of a store are forgotten: by name, or since the file of their method has changed."""

from collections.abc import Iterator, Sequence
from functools import cache

from suite.core.names import counted, did_you_mean
from suite.plugins import registry
from suite.records.cells import EXTERNAL, Evaluation, Study, Trial
from suite.records.store import Store
from suite.records.stores.addresses import Address, readings
from suite.records.stores.forget import Document, Forgetting

_WORDS = {"distillation": "trial"}  # for kinds of cells


class Stale:
    """Trials whose source is no longer that of their method's file. unknown: by method, where that is why."""

    def __init__(self) -> None:
        self.unknown = dict[str, str]()
        self._source = cache(registry.source)

    def __call__(self, document: Document) -> str:
        """Return the reason for a trial of an old source, "" for any other cell."""
        cell = document.cell
        if not isinstance(cell, Trial) or not cell.source or cell.method.startswith(EXTERNAL):
            return ""
        try:
            now = self._source(cell.method)
        except (OSError, ValueError) as error:
            self.unknown[cell.method] = str(error)
            return ""
        if now == cell.source:
            return ""
        return f"source {cell.source[:12]}, and {cell.method} has {now[:12]} now"


class Named:
    """Cells by what a user names: a row, a method, an address, or the beginning of an id."""

    def __init__(self, words: Sequence[str]) -> None:
        self._wanted = {word: tuple(readings(word.strip("/"))) for word in words}
        self._missing, self._known = set(words), set[str]()

    def __call__(self, document: Document) -> str:
        """Return the word that names a cell, "" without one."""
        self._known |= {document.label, _method(document)}
        for word, wanted in self._wanted.items():
            if any(_means(each, document) for each in wanted):
                self._missing.discard(word)
                return f"named by {word}"
        return ""

    def check(self, store: Store) -> None:
        """Raise ValueError if a word named nothing."""
        for word in sorted(self._missing):
            near = did_you_mean(word, self._known - {""})
            raise ValueError(f"nothing in {store.path} is called {word}; {near}")


def told(found: Forgetting) -> Iterator[str]:
    """Yield a line for each row of which cells are forgotten."""
    for row in found.rows:
        size = f" ipc {row.ipc}" if row.ipc else ""
        kinds = sorted(row.cells.items())
        cells = ", ".join(counted(number, _WORDS.get(kind, kind)) for kind, number in kinds)
        yield f"{row.label} on {row.task}{size}: {cells}; {row.reason}"


def _means(wanted: Address, document: Document) -> bool:
    cell = document.cell
    if isinstance(cell, Evaluation):
        whole = bool(wanted.digits) and wanted == Address(digits=wanted.digits)
        return whole and cell.id.startswith(wanted.digits)
    return (
        wanted.step is None
        and wanted.label in ("", document.label, _method(document))
        and wanted.fits(document.task, document.ipc, cell.seed)
        and cell.id.startswith(wanted.digits)
    )


def _method(document: Document) -> str:
    cell = document.cell
    if isinstance(cell, Trial):
        return cell.method
    return cell.study if isinstance(cell, Study) else ""
