"""The board's page as a reader has it: in a real browser, from a folder and from a server."""

import csv
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Download, Page, expect

from suite.board import files
from suite.board.render import words
from suite.board.rows import BoardRow
from suite.board.statistics import differences, intervals, resampling
from suite.board.tables import board
from suite.records.record import Record
from suite.site import index
from suite.site.build import build, static
from suite.site.source import Source
from tests.support.board_records import CPU, evaluated, pair, trial
from tests.support.browser import Watched, serious, served
from tests.support.many_records import many
from tests.support.stores import change

RESULTS = Path(__file__).parents[2] / "results"
ONE, TEN = "fashion-mnist-convnet-d3-w16-in-ipc1", "fashion-mnist-convnet-d3-w16-in-ipc10"


XEON = "CPU: Intel Xeon Processor @ 2.80GHz"
ELSEWHERE = ("idc_i", "rtp")
"""Rows at one image per class that are made to be of a second device."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed results, with a second device."""
    made = tmp_path_factory.mktemp("board") / "store"
    for name in ("records", "plan"):
        shutil.copytree(RESULTS / name, made / name)
    for name in ("store.json", "artefacts", "pictures"):
        (made / name).symlink_to(RESULTS / name)
    for path in (path for row in ELSEWHERE for path in made.glob(f"records/fashion-mnist-ipc1/{row}/*.json")):
        found = Record.model_validate_json(path.read_bytes()).provenance
        change(path, provenance=found.model_copy(update={"device": XEON}))
    return made


@pytest.fixture(scope="module")
def rows(store: Path) -> list[BoardRow]:
    """The rows of the first table."""
    return list(files.load([store]).tables[0].rows)


@pytest.fixture(scope="module")
def site(store: Path) -> Path:
    """Its site, in which the second table is a file of its own."""
    folder = store.with_name("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_fitting", lambda rows: [*rows][:1])
        build([store], folder)
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
    keys = (
        page.locator("#table thead tr")
        .first.locator("th")
        .evaluate_all("cells => cells.map(cell => cell.dataset.key)")
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


def count(page: Page, rows: int) -> None:
    expect(page.locator("#table tbody tr")).to_have_count(rows)


def test_the_page_without_a_script_shows_the_same_rows(
    browser: Browser, site: Path, page: Page, rows: list[BoardRow]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{site.as_uri()}/index.html")
    shown = plain.locator("#table tr").all_inner_texts()
    expect(plain.locator("#controls")).to_be_hidden()
    assert shown[1:] == page.locator("#table tr:not(.filters)").all_inner_texts()[1:]
    assert len(shown) == 1 + len(rows) + 1  # the heading, and full data
    plain.locator("noscript a").nth(1).click()
    expect(plain.locator("tbody tr")).to_have_count(len(rows))
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


def test_costs_sort_each_device_by_itself(page: Page, rows: list[BoardRow]) -> None:
    page.click(f"{head(page, 'time')} button")
    groups = page.locator("#table tr.group").all_inner_texts()
    assert groups == ["CPU: AMD EPYC", XEON]
    there = sorted((row for row in rows if row.name in ELSEWHERE), key=lambda row: row.costs.device_seconds)
    assert [names(page)[at] for at in (0, -1)] == ["random_subset", there[-1].name]
    page.select_option("#device", XEON)
    expect(page.locator("#table tr.group")).to_have_count(0)
    assert names(page) == [row.name for row in there]
    assert column(page, "rank") == [f"={row.rank}" for row in there]


def percent(row: BoardRow) -> float:
    assert row.accuracy is not None
    return 100 * row.accuracy.mean


FILTERS: list[tuple[str, str, Callable[[BoardRow], bool]]] = [
    ("accuracy", "> 70", lambda row: percent(row) > 70),
    ("accuracy", "66.5..70", lambda row: 66.5 <= percent(row) <= 70),
    ("accuracy", "[69.", lambda row: "[69." in words.accuracy(row)),
    ("time", "<= 1 min", lambda row: row.costs.device_seconds <= 60),
    ("memory", ">1.2 GB", lambda row: row.costs.peak_memory_bytes > 1.2e9),
    ("rank", "=7", lambda row: row.rank == 7),
    ("rank", "<3", lambda row: (row.rank or 99) < 3),
    ("labels", "SOFT", lambda row: row.costs.label_kind == "soft"),
    ("method", "random", lambda row: "random" in row.name),
    ("notes", "factorised", lambda row: row.label in ("idc", "rtp")),
    ("bits", "> 25,1", lambda row: True),
]


def test_every_column_filters(page: Page, rows: list[BoardRow]) -> None:
    page.click("#filter")
    for key, text, holds in FILTERS:
        box = page.locator(f'.filters input[data-key="{key}"]')
        box.fill(text)
        found = [row for row in rows if holds(row)]
        assert found and (len(found) < len(rows) or key == "bits")
        expect(page.locator("#table tbody tr"), f"{key} {text}").to_have_count(len(found))
        told = page.inner_text("#status")
        assert (
            ("cannot read the filter" in told)
            == (box.get_attribute("aria-invalid") == "true")
            == (key == "bits")
        )
        box.fill("")
    box.fill("> 25.2 kbit")
    count(page, len([row for row in rows if (row.costs.bits_per_class or 0) > 25_200]))
    page.click("#filter")
    count(page, len(rows))


def test_search_reads_all_words(page: Page, rows: list[BoardRow]) -> None:
    page.fill("#search", "matching gradient")
    count(page, 1)
    assert names(page) == ["dc"] and page.inner_text("#status") == f"1 of {len(rows)} rows"
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


def test_the_back_button_takes_steps_back(page: Page, rows: list[BoardRow]) -> None:
    page.click(f"{head(page, 'method')} button")
    page.fill("#search", "dm")
    page.select_option("#size", "10")
    expect(page.locator("#table caption")).to_contain_text("10 images per class")
    page.go_back()
    expect(page.locator("#table caption")).to_contain_text("1 image per class")
    assert "dm" in names(page) and page.input_value("#search") == "dm"
    page.go_back()
    count(page, len(rows))
    expect(page.locator(head(page, "method"))).not_to_have_attribute("aria-sort", "ascending")


def test_an_address_that_means_nothing_shows_the_first_table(page: Page, rows: list[BoardRow]) -> None:
    wrong = ("table=none", "sort=none.up", "hide=none,&show=,,", "where.none=1", "%", "=&=", "table=%FF&sort")
    for fragment in wrong:
        page.goto(f"{page.url.partition('#')[0]}#{fragment}")
        page.reload()
        expect(page.locator(head(page, "rank"))).to_have_attribute("aria-sort", "ascending")
        count(page, len(rows))


def test_a_link_inside_the_page_is_no_state(page: Page, rows: list[BoardRow]) -> None:
    page.fill("#search", "dm")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main") and page.input_value("#search") == "dm"
    expect(page.locator("#table tbody tr")).not_to_have_count(len(rows))
    page.click(f"{head(page, 'rank')} button")
    assert page.url.endswith("#sort=rank.up&search=dm")


def test_what_is_downloaded_are_the_boards_own_lines(page: Page, store: Path) -> None:
    page.fill("#search", "matching")
    page.click(f"{head(page, 'accuracy')} button")
    shown = [*names(page), "full data (5 epochs)"]
    lines = list(csv.DictReader(io.StringIO(downloaded(page, "csv"))))
    assert [line["name"] for line in lines] == shown and len(lines) > 3
    board = csv.DictReader(io.StringIO(files.render(files.load([store]), "csv")))
    ours = {line["name"]: line for line in board if (line["ipc"], line["evaluator"]) == ("1", "retrain")}
    known = set(lines[0]) & set(ours["dm"])
    assert {"accuracy", "accuracy_low", "behind_high", "device_seconds", "bits_per_class"} <= known
    texts = {"evaluator", "task", "network", "conditions", "device_class", "label_kind", "copies", "standing"}
    for line in lines:
        for name in known - {"name"}:
            found, wanted = line[name], ours[line["name"]][name]
            if found == "":  # nothing was measured
                assert wanted in ("", "0", "0.0")
            else:
                assert found == wanted if name in texts else float(found) == float(wanted)
    parsed = json.loads(downloaded(page, "json"))
    assert [each["name"] for each in parsed] == shown
    assert parsed[0]["accuracy"] == float(lines[0]["accuracy"]) and parsed[-1]["rank"] is None


def downloaded(page: Page, kind: str) -> str:
    with page.expect_download() as waiting:
        page.click(f"#{kind}")
    found: Download = waiting.value
    assert found.suggested_filename.endswith(f".{kind}")
    return Path(found.path()).read_text()


def test_scores_of_other_evaluators(page: Page) -> None:
    page.select_option("#evaluator", "Under corruptions")
    expect(page.locator("#table caption")).to_contain_text("Under corruptions, fashion-mnist")
    page.click(f"{head(page, 'corruptions/accuracy/noise')} button")
    noise = [float(each.split()[0]) for each in column(page, "corruptions/accuracy/noise")]
    assert noise == sorted(noise, reverse=True) and "sort=corruptions%2Faccuracy%2Fnoise.down" in page.url
    page.click("#columns summary")
    page.uncheck('#columns [data-key="corruptions/mean"]')
    expect(page.locator(head(page, "corruptions/mean"))).to_have_count(0)
    expect(page.locator("#figures")).to_be_hidden()
    assert "The score corruptions/accuracy/noise" in (page.locator("#meanings").text_content() or "")
    page.select_option("#evaluator", "Accuracy")
    expect(page.locator(head(page, "rank"))).to_have_attribute("aria-sort", "ascending")


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
    found = serious(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert found == [] and wide <= width


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


MARKUP = '</script></title>"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}'
LINKS = (
    "javascript:alert(3)",
    "data:text/html,<script>alert(4)</script>",
    'https://a.example/"onclick="alert(5)',
)


def hostile() -> list[Record]:
    """Return records with markup in every text that comes from users."""
    device = CPU.model_copy(update={"device": MARKUP, "commit": MARKUP, "versions": {MARKUP: MARKUP}})
    facts: dict[str, Any] = {"method_title": f"Evil {MARKUP}: {MARKUP}", "provenance": device}
    made = [
        renamed(trial(f"{name}{MARKUP}", paper=link, **facts), MARKUP)
        for name, link in zip(("=cmd|' /C calc'!A0", "+1", "c"), LINKS, strict=True)
    ]
    scored = [renamed(evaluated(of, 0.5 + at / 10, 0.51 + at / 10), MARKUP) for at, of in enumerate(made)]
    return [*made, *scored, renamed(trial("d", status="failed", error=MARKUP, **facts), MARKUP)]


def renamed(record: Record, task: str) -> Record:
    return record.model_copy(update={"task": f"folder:{task}"})


def test_markup_in_records_is_shown_and_never_run(browser: Browser, tmp_path: Path) -> None:
    store, folder = tmp_path / "store", tmp_path / "site"
    for record in hostile():
        row = store / ("failures" if record.status == "failed" else "records") / "x" / "y"
        row.mkdir(parents=True, exist_ok=True)
        (row / f"{record.cell.id}.json").write_text(record.to_json())
    build([store], folder)
    page = browser.new_page()
    watched = Watched(page)
    page.goto(f"{folder.as_uri()}/index.html")
    expect(page.locator("#table tbody tr")).to_have_count(4)
    page.click(f"{head(page, 'time')} button")
    page.click("#filter")
    assert MARKUP in page.inner_text("#table caption") and MARKUP in page.inner_text("#table tbody")
    assert page.locator("main img, main script:not([type])").count() == 0
    lines = list(csv.DictReader(io.StringIO(downloaded(page, "csv"))))
    assert sorted(line["name"][:2] for line in lines) == ["'+", "'=", "c<", "d"]
    links = page.locator("main a[href]").evaluate_all("links => links.map(link => link.protocol)")
    assert {*links} <= {"file:"} and page.locator("main .paper").count() == 0
    for path in folder.rglob("*.html"):
        page.goto(f"{folder.as_uri()}/{path.relative_to(folder).as_posix()}")
        assert page.locator("[onerror], [onclick]").count() == 0
    page.close()
    assert watched.complaints == []


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make boards quickly: their intervals are wrong, their size is not."""
    kept = (intervals._interval, differences._combination)
    monkeypatch.setattr(resampling, "RESAMPLES", 50)
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()


@pytest.mark.usefixtures("few_resamples")
def test_the_first_table_of_ten_thousand_records_is_there_within_a_second(
    browser: Browser, tmp_path: Path
) -> None:
    records = tuple(many(93))
    assert len(records) > 10_000
    page = shown_of(records, browser, tmp_path)
    page.select_option("#task", "svhn")
    page.select_option("#network", index=1)
    expect(page.locator("#table caption")).to_contain_text("svhn")
    expect(page.locator("#table tbody tr")).to_have_count(93)
    assert (tmp_path / "data").is_dir()
    page.close()


@pytest.mark.usefixtures("few_resamples")
def test_a_table_of_thousands_of_rows_is_there_within_a_second(browser: Browser, tmp_path: Path) -> None:
    page = shown_of(
        tuple(record for at in range(1500) for record in pair(f"m{at}", (0.5,))), browser, tmp_path
    )
    expect(page.locator("#more")).to_have_text("Show all 1500 rows")
    page.click("#more")
    expect(page.locator("#table tbody tr")).to_have_count(1500)
    page.fill("#search", "m1499")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    page.close()


def shown_of(records: tuple[Record, ...], browser: Browser, folder: Path) -> Page:
    """Open the index of `records` in a warm browser; fail if its first table takes a second."""
    for file in (*static(), *index.pages(Source((), board(records)))):
        (folder / file.path).parent.mkdir(exist_ok=True)
        (folder / file.path).write_bytes(file.content)
        assert len(file.content) < 1_000_000 or not file.path.endswith(".html")
    page = browser.new_page()
    page.goto("about:blank")
    start = time.perf_counter()
    page.goto(f"{folder.as_uri()}/index.html", wait_until="commit")
    page.locator("#table tbody tr").first.wait_for()
    assert time.perf_counter() - start < 1
    page.locator("#controls").wait_for()
    return page
