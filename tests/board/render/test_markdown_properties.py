"""Whatever stands in records is shown as text: nothing is markup, and every table keeps its columns."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from suite.board.files import render, write
from suite.board.reported import Reported
from suite.board.tables import Board, board
from suite.core.scores import Score
from suite.records.cells import Evaluation, Reference, Trial
from suite.records.record import Record
from tests.support.board_records import CPU, SMALL, STANDARD, evaluated, full_data, trial

ATTACKS = (
    "|", "a | b", "`", "``x``", "\\|", "\\", "two\nlines", "\r\n\r\n# title", "<script>alert(1)</script>",
    "<img src=x onerror=y>", "</details>", "<!--", "&lt;b&gt;", "[x](javascript:y)", "![x](http://a.b/c.png)",
    "[x]: http://a.b", "http://evil.test", "www.evil.test", "**bold**", "_em_", "~~no~~", "$x$", "- [ ] todo",
    "x" * 3000, "שלום", "\u202etxt", "e" + "\u0301" * 50, "\u0301", "\x00\x1b[31m", "猫",
    " ", "a\tb", "\u2028",
)  # fmt: skip

TEXT = st.sampled_from(ATTACKS) | st.text(max_size=30)


def hostile(text: str) -> Board:
    """Return a board whose records say `text` wherever records, plans and `reported.toml` have free text."""
    # Names of methods and tasks are not empty: grids refuse that.
    said = text if text.strip() else "x" + text
    where = CPU.model_copy(update={"commit": said, "versions": {said: said}, "device": said})
    records: list[Record] = []
    for record in [*SMALL, trial("kip", status="failed", error=text), trial(said), full_data(0.95, 0.97)]:
        cell = record.cell
        if isinstance(cell, Trial):
            cell = cell.model_copy(update={"task": said, "hyperparameters": {said: text, "window": 3}})
        if isinstance(cell, Reference):
            cell = cell.model_copy(update={"task": said, "network": said})
        changes = {"cell": cell, "task": said, "provenance": where, "method_title": text, "paper": text}
        records.append(record.model_copy(update=changes | {"recipe": said} if record.recipe else changes))
    (of,) = [each for each in records if each.label == said and isinstance(each.cell, Trial)][:1]
    scored = evaluated(of, 0.5, network=said, recipe="dsa-1000")
    other = evaluated(of, 0.6, network=said, recipe=said)
    width = Evaluation(trial=of.cell.id, evaluator=said, settings={"network": said, said: text}, seed=0)
    described = (Score("width", text or "width", unit="number"),)
    fields = {"cell": width, "title": said, "described": described, "scores": {"width": (3.0,)}}
    measured = (scored, other, scored.model_copy(update=fields))
    more = [each.model_copy(update={"task": said}) for each in measured]
    printed = Reported(task=said, method=said, figures=((10, 50.0),), source=text or "a", network=STANDARD)
    made = board([*records, *more], reported=[printed, printed.model_copy(update={"network": said})])
    return replace(made, mixed=(f"{said}: records of 2 different data",))


class Tags(HTMLParser):
    """The tags and the text of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {"h1", "h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "a", "img"}
OURS |= {"strong", "details", "summary", "blockquote"}


def read(text: str) -> Tags:
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    found = Tags()
    found.feed(html)
    return found


@settings(deadline=None, max_examples=60)
@given(text=TEXT)
@example(text="a|b`c`\n<b>")
@example(text="__0__")
def test_no_text_is_markup(text: str) -> None:
    source = render(hostile(text), "md")
    found = read(source)
    assert found.tags <= OURS
    allowed = re.compile(r"#more|https://arxiv\.org/abs/[\w./-]+|https?://[\w.~:/?#@+,;=%&-]+")
    assert all(allowed.fullmatch(link) for link in found.links)
    assert source.isprintable() or all(each.isprintable() or each in "\n\u200e" for each in source)


@settings(deadline=None, max_examples=60)
@given(text=TEXT)
def test_tables_keep_their_columns_and_sections_their_ends(text: str) -> None:
    source = render(hostile(text), "md")
    for table in re.findall(r"(?:^\|.*\n)+", source, re.MULTILINE):
        assert len({len(line.split("|")) for line in table.splitlines()}) == 1
    assert source.count("<details") == source.count("</details>") == source.count("<summary>")
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(source)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == len(re.findall(r"(?:^\|.*\n)+", source, re.MULTILINE))


@pytest.mark.parametrize(
    "text", [each for each in ATTACKS if each.isascii() and each.strip() and each.isprintable()]
)
def test_what_is_plain_is_read_as_it_is(text: str) -> None:
    shown = " ".join(text.split())[:199]
    assert shown in " ".join(read(render(hostile(text), "md")).text.split())


@settings(deadline=None, max_examples=10)
@given(text=TEXT)
def test_it_is_written_with_its_plots(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder: Path = tmp_path_factory.mktemp("board")
    paths = write(hostile(text), folder / "leaderboard.md")
    assert {path.parent for path in paths} <= {folder, folder / "plots"}
    links = read((folder / "leaderboard.md").read_text()).links
    images = [link for link in links if link.startswith("plots/")]
    assert images and all((folder / link).is_file() for link in images)
