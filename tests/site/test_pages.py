"""All pages of a site together."""

import re
from pathlib import Path

import pytest

from suite.site.build import build
from tests.support.board_records import SMALL, pair, save


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    save([*SMALL, *pair("dm", (0.5,), ipc=1)], folder / "store")
    build([folder / "store"], folder / "site")
    return folder / "site"


def links(page: Path) -> set[str]:
    return set(re.findall(r'(?:href|src)="([^"#]+)', page.read_text()))


def test_every_link_leads_somewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        inside = {link for link in links(page) if not re.match(r"https?:|data:", link)}
        assert inside and not [link for link in inside if not (page.parent / link).is_file()], page


def test_every_page_is_reached_from_the_index(site: Path) -> None:
    found, waiting = set[Path](), [site / "index.html"]
    while waiting:
        page = waiting.pop()
        if page in found or page.suffix != ".html":
            continue
        found.add(page)
        waiting += [(page.parent / link).resolve() for link in links(page) if ":" not in link]
    assert found == {page.resolve() for page in site.rglob("*.html")}


def test_no_page_has_a_script_or_a_style_of_its_own(site: Path) -> None:
    """Which its policy would refuse."""
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in text
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script>|<script (?!src=|type=\"application/json\")", text
        )
