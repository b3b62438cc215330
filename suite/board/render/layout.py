"""Parts of the Markdown: tables, footnotes and names."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from suite.board.rows import BoardRow

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def markdown_table(
    headers: Sequence[str], lines: Sequence[Sequence[str]], left: Iterable[str] = ("method",)
) -> str:
    """Return a Markdown table. left: headers of left-aligned columns."""
    align = ["left" if name in set(left) else "right" for name in headers]
    return tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True, colalign=align)


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


def code(row: BoardRow) -> str:
    """Return the name of a row as Markdown."""
    text = escaped(row.name)
    return f"`{text}`" if row.method else text


def noted(text: str, marks: str) -> str:
    """Return `text` with its footnote marks."""
    return f"{text} {marks}" if marks else text


def escaped(text: str) -> str:
    """Escape characters that would break a table."""
    return text.replace("|", r"\|").replace("`", "'")
