"""Figures, methods, sets and the gallery as a reader has them: in a real browser."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from suite.board import files
from suite.cli.publishing import aids
from suite.site.build import build
from suite.site.details.papers import Look
from tests.support.browser import Watched, serious

RESULTS = Path(__file__).parents[2] / "results"
STUDIES = [RESULTS / "studies" / name for name in ("budget-curve", "saturation", "equal-seconds")]
FIGURES = "figures/fashion-mnist/convnet-d3-w16-in.html"
METHOD, SET = "methods/rtp.html", "artefacts/fashion-mnist/rtp-ipc10-seed1.html"
PAGES = (FIGURES, METHOD, SET, "gallery.html", "overall.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site in which all sets look the same, since drawing each takes long."""
    folder = tmp_path_factory.mktemp("details") / "site"
    look = Look("code", (RESULTS / "pictures/fashion-mnist/dm-ipc10-seed0.png").read_bytes(), "All images.")
    build([RESULTS, *STUDIES], folder, lambda *given: replace(aids(*given), look=lambda *_: look))
    return folder


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page; whatever it complains of fails the test."""
    made = browser.new_page(viewport={"width": 1280, "height": 900})
    watched = Watched(made)
    yield made
    made.close()
    assert watched.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in watched.requests)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    browser: Browser, site: Path, path: str, width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if width < 1000 else "light"
    )
    page = context.new_page()
    watched = Watched(page)
    page.goto(f"{site.as_uri()}/{path}")
    complaints = list(watched.complaints)  # without those about axe, which asks for the style sheets
    found = serious(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    outside = page.evaluate(
        "() => [...document.querySelectorAll('.chart svg text')].filter(each => { const box ="
        " each.getBoundingClientRect(); return box.width && (box.left < -1 || box.right > innerWidth + 1); })"
        ".map(each => each.textContent)"
    )
    context.close()
    assert found == [] == outside
    assert complaints == [] and wide <= width


@pytest.mark.parametrize("width", [360, 500, 800, 1280, 1600])
def test_names_of_points_and_lines_do_not_overlap(browser: Browser, site: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{site.as_uri()}/{FIGURES}")
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('figure.chart svg')].flatMap(svg => {
          const texts = [...svg.querySelectorAll('text.point, text.label')].map(each => [each.textContent,
            each.getBoundingClientRect()]).filter(([, box]) => box.width);
          const found = [];
          texts.forEach(([one, a], at) => texts.slice(at + 1).forEach(([other, b]) => {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 2 && down > 4) found.push([one, other]);
          }));
          return found;
        })"""
    )
    page.close()
    assert overlaps == []


def test_a_reader_chooses_lines(page: Page, site: Path) -> None:
    page.goto(f"{site.as_uri()}/{FIGURES}")
    chart = page.locator("figure.sizes")
    boxes = chart.locator(".choice input")
    assert chart.locator(".choice input:checked").count() == 5
    assert boxes.count() == chart.locator("g.series").count() > 10
    free = chart.locator(".choice input:not(:checked)")
    assert all(each.is_disabled() for each in free.all())
    chart.locator(".choice input:checked").first.uncheck()
    other = free.last
    name = other.locator("xpath=..").inner_text().strip()
    assert chart.locator("g.series:not(.slot0)").count() == 4
    other.check()
    shown = chart.locator("g.series:not(.slot0)")
    assert shown.count() == 5 and name in shown.locator("text").evaluate_all(
        "texts => texts.map(each => each.querySelector('title')?.textContent ?? each.textContent)"
    )
    slots = shown.evaluate_all("each => each.map(one => one.getAttribute('class'))")
    assert len(set(slots)) == 5
    ys = sorted(
        shown.locator(".label").evaluate_all("each => each.map(one => Number(one.getAttribute('y')))")
    )
    assert all(after - before >= 14.9 for before, after in itertools.pairwise(ys))


def test_without_a_script_the_best_lines_are_shown_and_nothing_can_be_chosen(
    browser: Browser, site: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/{FIGURES}")
    chart = page.locator("figure.sizes")
    expect(chart.locator(".choice")).to_be_hidden()
    assert chart.locator("g.series:not(.slot0)").count() == 5
    context.close()


def test_values_of_a_chart_are_a_table(page: Page, site: Path) -> None:
    page.goto(f"{site.as_uri()}/{FIGURES}")
    chart = page.locator("figure.dots").first
    chart.locator("summary").click()
    first = files.load([RESULTS]).tables[0].rows[0]
    expect(chart.locator("tbody tr").first).to_contain_text(first.name)
    assert chart.locator("svg[role=img]").get_attribute("aria-labelledby")


def test_a_click_enlarges_a_picture(page: Page, site: Path) -> None:
    page.goto(f"{site.as_uri()}/gallery.html")
    assert page.locator(".card").count() > 60
    first = page.locator("a.zoom").first
    before = first.locator("img").bounding_box()
    first.click()
    image = page.locator("dialog img")
    expect(image).to_be_visible()
    large = image.bounding_box()
    assert before and large and large["width"] > 2 * before["width"]
    page.check("dialog input")
    assert image.evaluate("each => getComputedStyle(each).filter") == "contrast(2)"
    assert image.evaluate("each => getComputedStyle(each).imageRendering") == "pixelated"
    page.keyboard.press("Escape")
    expect(image).to_be_hidden()


def test_links_of_a_method_and_a_set_lead_somewhere(page: Page, site: Path) -> None:
    for path in (METHOD, SET, "gallery.html", FIGURES, "overall.html"):
        page.goto(f"{site.as_uri()}/{path}")
        for link in page.locator("main a[href]").evaluate_all("links => links.map(link => link.href)"):
            if link.startswith("file:"):
                target = Path(re.sub(r"[#?].*", "", link.removeprefix("file://")))
                assert target.is_file(), (path, link)
        broken = page.locator("main img").evaluate_all(
            "each => each.filter(one => one.complete && !one.naturalWidth).length"
        )
        assert broken == 0


def test_pages_are_small(site: Path) -> None:
    assert max(path.stat().st_size for path in site.rglob("*.html")) < 1_000_000
