"""Parts of the Markdown: text as it is, tables, footnotes and folded sections."""

import re
from collections.abc import Iterable, Sequence
from unicodedata import bidirectional, category

from suite.board.rows import BoardRow

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_MARKUP = re.compile(
    r"[\\`*{}<>&|~$#]|(?<!\w)_+|_+(?!\w)"
    r"|\[(?!−?\d)|(?<!\d)\]|\](?=[(\[:])"  # not those of intervals
    r"|(?<=\w):(?=//)|(?<=\bwww)\.",  # what GitHub would make a link of
    re.IGNORECASE,
)
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # among them characters that turn text around
_LETTERS = 200  # of a name; the rest is cut

LEFT = frozenset({"method", "sets", "network", "source", "rank in each table"})
"""The headers of columns of text."""


def markdown_table(headers: Sequence[str], lines: Sequence[Sequence[str]], left: Iterable[str] = LEFT) -> str:
    """Return a Markdown table. left: headers of left-aligned columns."""
    texts = frozenset(left)
    rule = ["---" if name in texts else "--:" for name in headers]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headers, rule, *lines))


def folded(summary: str, parts: Iterable[str]) -> list[str]:
    """Return Markdown that shows `parts` when its summary is clicked; nothing without parts."""
    found = [part for part in parts if part]
    # `markdown` is for Python-Markdown; GitHub needs only the blank lines.
    head = f'<details markdown="1"><summary>{summary}</summary>'
    return [head, *found, "</details>"] if found else []


class Notes:
    """The footnotes of one table; equal texts share a mark."""

    def __init__(self) -> None:
        """Start without footnotes."""
        self._texts: list[str] = []

    def mark(self, texts: Iterable[str]) -> str:
        """Return the marks of `texts` in order; "" without texts."""
        marks = []
        for text in texts:
            if text not in self._texts:
                self._texts.append(text)
            marks.append(str(self._texts.index(text) + 1).translate(_SUPERSCRIPTS))
        return " ".join(marks)

    def lines(self) -> list[str]:
        """Return the notes as a Markdown list."""
        numbered = enumerate(self._texts, start=1)
        return [f"- {str(number).translate(_SUPERSCRIPTS)} {escaped(text)}" for number, text in numbered]


def noted(text: str, marks: str) -> str:
    """Return `text` with its footnote marks."""
    return f"{text} {marks}" if marks else text


def listed(names: Iterable[str]) -> str:
    """Return names as code, in a list."""
    return ", ".join(map(code, names))


def row_name(row: BoardRow) -> str:
    """Return the name of a row as Markdown: as code, unless it is full data."""
    return code(row.name) if row.method else escaped(row.name)


def code(text: str, *, letters: int = _LETTERS) -> str:
    """Return Markdown that shows any text as it is, on one line, as code. letters: at most so many."""
    shown = _one_line(text, letters) or "(no name)"
    return f"<code>{_as_entities(shown)}</code>" if {"`", "|", "<"} & set(shown) else f"`{shown}`"


def escaped(text: str, *, letters: int = 2 * _LETTERS) -> str:
    """Return Markdown that shows any text as it is, on one line, also in a table; letters: as in `code`."""
    return _as_entities(_one_line(text, letters))


def link(shown: str, address: str) -> str:
    """Return Markdown, linked unless the address is empty; paths of ours and `words.address` are safe."""
    return f"[{shown}]({address})" if address else shown


def _as_entities(text: str) -> str:
    return _MARKUP.sub(lambda found: "".join(f"&#{ord(each)};" for each in found[0]), text)


def _one_line(text: str, letters: int) -> str:
    """Return text on one line, cut if it is long, with characters that are not seen as `\\u202e`."""
    shown = " ".join(text.split())
    shown = shown if len(shown) <= letters else f"{shown[: letters - 1]}…"
    shown = "".join(ascii(each)[1:-1] if category(each) in _UNSEEN else each for each in shown)
    # A mark at the beginning would sit on what stands before it.
    alone = "◌" if shown and category(shown[0]).startswith("M") else ""
    turned = any(bidirectional(each) in ("R", "AL") for each in shown)
    return f"{alone}{shown}" + "\u200e" * turned  # what follows stands at its right
