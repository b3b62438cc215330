"""The board's page as a reader has it: in a real browser, from a folder and from a server."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Download, Page, expect

from suite.board import files
from suite.site import index
from suite.site.build import build
from tests.support.browser import Watched, launched, served

RESULTS = Path(__file__).parents[2] / "results"
ONE, TEN = "fashion-mnist-convnet-d3-w16-in-ipc1", "fashion-mnist-convnet-d3-w16-in-ipc10"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the committed results, in which the second table is a file of its own."""
    folder = tmp_path_factory.mktemp("board") / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "INLINE", 12_000)
        build([RESULTS], folder)
    assert (folder / f"data/{TEN}.js").is_file() and not (folder / f"data/{ONE}.js").exists()
    return folder


@pytest.fixture(params=["folder", "server"])
def address(request: pytest.FixtureRequest, site: Path) -> Iterator[str]:
    if request.param == "folder":
        yield site.as_uri()
        return
    with served(site) as found:
        yield found


@pytest.fixture
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """The index, opened from its folder; whatever it complains of fails the test."""
    made = browser.new_page(viewport={"width": 1280, "height": 900})
    watched = Watched(made)
    made.goto(f"{site.as_uri()}/index.html")
    yield made
    made.close()
    assert watched.complaints == []


def column(page: Page, key: str) -> list[str]:
    """Return the texts of a column, below its heading."""
    keys = page.locator("#table thead tr").first.locator("th").evaluate_all(
        "cells => cells.map(cell => cell.dataset.key)"
    )
    at = keys.index(key) + 1
    return page.locator(f"#table tbody tr:not(.group) > :nth-child({at})").all_inner_texts()


def names(page: Page) -> list[str]:
    return page.locator("#table tbody th code").all_inner_texts()


def head(page: Page, key: str) -> str:
    return f'#table th[data-key="{key}"]'


def test_it_asks_no_host_and_complains_of_nothing(browser: Browser, address: str) -> None:
    page = browser.new_page()
    watched = Watched(page)
    page.goto(f"{address}/index.html")
    page.select_option("#size", "10")
    expect(page.locator("#table caption")).to_contain_text("10 images per class")
    for link in ("tables", "methods"):
        page.goto(f"{address}/index.html")
        page.locator(f'a[href^="{link}/"]').first.click()
        expect(page.locator("h1")).not_to_be_empty()
    page.close()
    assert watched.complaints == []
    assert watched.requests and all(url.startswith((address, "data:")) for url in watched.requests)


def test_the_page_without_a_script_shows_the_same_rows(browser: Browser, site: Path, page: Page) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{site.as_uri()}/index.html")
    shown = plain.locator("#table tr").all_inner_texts()
    expect(plain.locator("#controls")).to_be_hidden()
    assert shown[1:] == [
        text for text in page.locator("#table tr:not(.filters)").all_inner_texts()[1:]
    ]
    assert len(shown) == 19
    plain.locator("noscript a").nth(1).click()
    expect(plain.locator("tbody tr")).to_have_count(17)
    context.close()


def test_headings_sort(page: Page) -> None:
    board = names(page)
    page.click(f"{head(page, 'accuracy')} button")
    expect(page.locator(head(page, "accuracy"))).to_have_attribute("aria-sort", "descending")
    assert names(page) == board
    page.click(f"{head(page, 'accuracy')} button")
    expect(page.locator(head(page, "accuracy"))).to_have_attribute("aria-sort", "ascending")
    assert page.locator("#table th[aria-sort]").count() == 1
    assert names(page)[0] == "forgetting" and "sorted by accuracy %, ascending" in page.inner_text("#status")


def test_costs_sort_each_device_by_itself(page: Page) -> None:
    page.click(f"{head(page, 'time')} button")
    groups = page.locator("#table tr.group").all_inner_texts()
    assert groups == ["CPU: AMD EPYC", "CPU: Intel Xeon Processor @ 2.80GHz"]
    assert [names(page)[at] for at in (0, -1)] == ["random_subset", "rtp"]
    page.select_option("#device", groups[1])
    expect(page.locator("#table tr.group")).to_have_count(0)
    assert names(page) == ["idc_i", "rtp"] and column(page, "rank") == ["=5", "1"]


FILTERS = [
    ("accuracy", "> 72", 3),
    ("accuracy", "66.5..70", 7),
    ("accuracy", "[67.5", 1),
    ("time", "<= 1 min", 4),
    ("memory", ">1.4 GB", 5),
    ("rank", "=5", 6),
    ("rank", "<3", 2),
    ("labels", "SOFT", 2),
    ("method", "random", 1),
    ("notes", "factorised", 3),
    ("bits", "> 25,1", 17),
]


def test_every_column_filters(page: Page) -> None:
    page.click("#filter")
    for key, text, count in FILTERS:
        box = page.locator(f'.filters input[data-key="{key}"]')
        box.fill(text)
        expect(page.locator("#table tbody tr"), f"{key} {text}").to_have_count(count)
        told = page.inner_text("#status")
        assert ("is not understood" in told) == (box.get_attribute("aria-invalid") == "true") == (key == "bits")
        box.fill("")
    box.fill("> 25000")
    page.click("#filter")
    expect(page.locator("#table tbody tr")).to_have_count(17)


def test_search_reads_all_words(page: Page) -> None:
    page.fill("#search", "matching gradient")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    assert names(page) == ["dc"] and page.inner_text("#status") == "1 of 17 rows"
    page.fill("#search", "nothing of the kind")
    expect(page.locator("#table tbody tr")).to_have_count(0)
    expect(page.locator("#table tfoot tr")).to_have_count(1)


def test_columns_hide_and_the_address_tells_all(page: Page, browser: Browser) -> None:
    page.click("#columns summary")
    page.uncheck('#columns [data-key="memory"]')
    page.check('#columns [data-key="native"]')
    expect(page.locator(head(page, "memory"))).to_have_count(0)
    expect(page.locator(head(page, "native"))).to_have_count(1)
    page.select_option("#size", "10")
    expect(page.locator("#table caption")).to_contain_text("10 images per class")
    page.click(f"{head(page, 'stored')} button")
    page.fill("#search", "a")
    before, address = page.locator("#table").inner_text(), page.url
    for part in (f"table={TEN}", "hide=memory", "show=native", "sort=stored.up", "search=a"):
        assert part in address
    other = browser.new_page()
    other.goto(address)
    expect(other.locator(head(other, "stored"))).to_have_attribute("aria-sort", "ascending")
    assert other.locator("#table").inner_text() == before and other.input_value("#search") == "a"
    other.close()


def test_the_back_button_takes_steps_back(page: Page) -> None:
    page.click(f"{head(page, 'method')} button")
    page.fill("#search", "dm")
    page.select_option("#size", "10")
    expect(page.locator("#table caption")).to_contain_text("10 images per class")
    page.go_back()
    expect(page.locator("#table caption")).to_contain_text("1 image per class")
    assert "dm" in names(page) and page.input_value("#search") == "dm"
    page.go_back()
    expect(page.locator("#table tbody tr")).to_have_count(17)
    expect(page.locator(head(page, "method"))).not_to_have_attribute("aria-sort", "ascending")


def test_an_address_that_means_nothing_shows_the_first_table(page: Page) -> None:
    wrong = ("table=none", "sort=none.up", "hide=none,&show=,,", "where.none=1", "%", "=&=", "table=%FF&sort")
    for fragment in wrong:
        page.goto(f"{page.url.partition('#')[0]}#{fragment}")
        page.reload()
        expect(page.locator(head(page, "rank"))).to_have_attribute("aria-sort", "ascending")
        expect(page.locator("#table tbody tr")).to_have_count(17)


def test_a_link_inside_the_page_is_no_state(page: Page) -> None:
    page.fill("#search", "dm")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main") and page.input_value("#search") == "dm"
    expect(page.locator("#table tbody tr")).not_to_have_count(17)
    page.click(f"{head(page, 'rank')} button")
    assert page.url.endswith("#sort=rank.up&search=dm")


def test_what_is_downloaded_are_the_boards_own_lines(page: Page) -> None:
    page.fill("#search", "matching")
    page.click(f"{head(page, 'accuracy')} button")
    shown = [*names(page), "full data (5 epochs)"]
    lines = list(csv.DictReader(io.StringIO(downloaded(page, "csv"))))
    assert [line["name"] for line in lines] == shown and len(lines) > 3
    board = csv.DictReader(io.StringIO(files.render(files.load([RESULTS]), "csv")))
    ours = {line["name"]: line for line in board if (line["ipc"], line["evaluator"]) == ("1", "retrain")}
    known = set(lines[0]) & set(ours["dm"])
    assert {"accuracy", "accuracy_low", "behind_high", "device_seconds", "bits_per_class"} <= known
    texts = {"evaluator", "task", "network", "conditions", "device_class", "label_kind", "copies"}
    for line in lines:
        for name in known:
            if name in texts or "" in (line[name], ours[line["name"]][name]):
                assert line[name] == ours[line["name"]][name]
            elif name != "name":
                assert float(line[name]) == float(ours[line["name"]][name])
    parsed = json.loads(downloaded(page, "json"))
    assert [each["name"] for each in parsed] == shown
    assert parsed[0]["accuracy"] == float(lines[0]["accuracy"]) and parsed[-1]["rank"] is None


def downloaded(page: Page, kind: str) -> str:
    with page.expect_download() as waiting:
        page.click(f"#{kind}")
    found: Download = waiting.value
    assert found.suggested_filename == f"{ONE}.{kind}"
    return Path(found.path()).read_text()


def test_dark_and_light(browser: Browser, site: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site.as_uri()}/index.html")

    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    dark = paper()
    page.click("#theme")
    light = paper()
    assert dark == "rgb(21, 24, 28)" and light == "rgb(255, 255, 255)"
    page.reload()
    assert paper() == light and page.inner_text("#theme") == "Dark"
    page.click("#theme")
    assert paper() == dark
    context.close()


@pytest.mark.parametrize(
    ("path", "scheme", "width"),
    [("index.html", "light", 1280), ("index.html", "dark", 360), (f"tables/{TEN}.html", "dark", 360)],
)
def test_axe_finds_nothing_serious(browser: Browser, site: Path, path: str, scheme: str, width: int) -> None:
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    page.goto(f"{site.as_uri()}/{path}")
    if path == "index.html":
        page.click("#filter")
        page.click("#columns summary")
        page.click(f"{head(page, 'time')} button")
    found = Axe().run(page).response["violations"]
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert wide <= width


def test_the_keyboard_is_enough(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.focus("#search")
    page.keyboard.type("subset")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "search"
    button = page.locator(f"{head(page, 'accuracy')} button")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(head(page, "accuracy"))).to_have_attribute("aria-sort", "descending")
    assert button.evaluate("each => each === document.activeElement")
    page.locator("#columns summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(head(page, "rank"))).to_have_count(0)
    assert page.evaluate("document.activeElement.dataset.key") == "rank"
    page.keyboard.press("Escape")
    expect(page.locator("#columns fieldset")).to_be_hidden()
    assert page.evaluate("document.activeElement.parentElement.id") == "columns"
