from pathlib import Path

from suite.records.record import Record
from suite.site.details import figures
from suite.site.source import load
from tests.support.board_records import REDUCED, SMALL, evaluated, pair, save, trial
from tests.support.charts import words_of


def pages(records: list[Record], store: Path) -> dict[str, str]:
    save(records, store)
    return {page.path: page.content.decode() for page in figures.pages(load([store]))}


def test_each_task_and_network_has_a_page(tmp_path: Path) -> None:
    narrow = [evaluated(of, 0.3, network=REDUCED) for of in (trial("rat_bptt"), trial("rat_bptt", seed=1))]
    found = pages([*SMALL, *narrow], tmp_path)
    assert set(found) == {
        "figures/digits/convnet-d3-w128-in.html", "figures/digits/convnet-d3-w32-in.html", "overall.html",
    }  # fmt: skip
    page = found["figures/digits/convnet-d3-w128-in.html"]
    for title in (
        "Test accuracy on digits",
        "Accuracy against distillation time",
        "Differences between rows",
    ):
        assert title in page
    assert "style=" not in page and "<script>" not in page  # the policy of a page refuses both


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    told = words_of(pages(SMALL, tmp_path)["overall.html"])
    for text in (
        "No win rate",
        "No critical-difference diagram",
        "No snapshot of a set",
        "No part of a set",
        "at fewer bits.",
    ):
        assert text in told


def test_several_sizes_have_win_rates(tmp_path: Path) -> None:
    both = [record for ipc in (1, 10) for name, mean in (("a", 0.9), ("b", 0.2))
            for record in pair(name, (mean, mean + 0.01), (mean, mean + 0.02), ipc=ipc)]  # fmt: skip
    found = pages(both, tmp_path)
    assert "a 100% 2 0 0 b 0% 0 0 2" in words_of(found["overall.html"])
    assert "against images per class" in found["figures/digits/convnet-d3-w128-in.html"]


def test_a_store_that_is_only_planned_or_failed_has_pages(tmp_path: Path) -> None:
    found = pages([trial("dm", status="failed", error="no memory")], tmp_path)
    assert "overall.html" in found and all("<h1>" in page for page in found.values())
