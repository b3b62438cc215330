from pathlib import Path

from suite.board.atlas.rows import AtlasRow
from suite.board.atlas.targets import Printed
from suite.board.atlas.verdicts import Verdict
from suite.board.reported import Reported
from suite.board.statistics.intervals import interval
from suite.site.details import methods
from suite.site.details.papers import NO_AIDS, Aids, Differing, Facts
from suite.site.source import load
from tests.support.board_records import SMALL, evaluated, pair, save, trial
from tests.support.charts import words_of

ENTRY = Reported(
    task="digits", method="dm", figures=((10, 60.0, 0.5), (50, 70.0)), source="Table 2", recipe="theirs"
)
OURS = interval([(0.581, 0.585)])
FACTS = Facts(
    summary="Match means of features.",
    recipe="dc-300",
    settings={"The paper's settings for digits": "steps = 20_000"},
    differences=[Differing("image_lr", "10", "1", "nothing is stated")],
)


def text(store: Path, aids: Aids = NO_AIDS, label: str = "dm") -> str:
    pages = {page.path: page.content.decode() for page in methods.pages(load([store], lambda *_: aids), [])}
    return pages[f"methods/{label}.html"]


def test_a_method_has_its_rows_settings_and_paper(tmp_path: Path) -> None:
    save(
        [
            *SMALL,
            *pair("dm", (0.58, 0.585), method_title="DM: distribution matching", paper="arXiv 2110.04181"),
        ],
        tmp_path,
    )
    page = text(tmp_path, Aids(facts={"dm": FACTS}))
    told = words_of(page)
    for part in (
        "DM: distribution matching", "Match means of features.", "58.2 [58.0, 58.5]", "window 40", "2.0 min",
        "The paper's settings for digits steps = 20_000", "image_lr 10 1 nothing is stated not measured",
    ):  # fmt: skip
        assert part in told
    assert 'href="https://arxiv.org/abs/2110.04181"' in page


def test_printed_accuracies_stand_beside_ours(tmp_path: Path) -> None:
    save(pair("dm", (0.5, 0.6)), tmp_path)
    verdict = Verdict("off", -1.7, 0.6)
    rows = [
        AtlasRow(Printed(ENTRY, ENTRY.figures[0], "unused"), OURS, verdict),
        AtlasRow(Printed(ENTRY, ENTRY.figures[1], "no recipe here is that of the source")),
        AtlasRow(Printed(ENTRY.model_copy(update={"method": "mtt"}), ENTRY.figures[0], "of another method")),
    ]
    told = words_of(text(tmp_path, Aids(atlas=rows)))
    assert "60.0 ± 0.5 58.3 [58.1, 58.5] (1 × 2) off by −1.7 ± 0.6 Table 2" in told
    assert "not comparable: no recipe here is that of the source" in told
    assert "of another method" not in told


def test_a_method_of_which_nothing_is_known_says_so(tmp_path: Path) -> None:
    save([trial("mine", status="failed", error="<b>no memory</b>")], tmp_path)
    page = text(tmp_path, label="mine")
    told = words_of(page)
    assert "No printed accuracy of this method is known here." in told
    assert "No differences are recorded for mine." in told and "No sets." in told
    assert "<b>no memory</b>" in told and "<b>" not in page


def test_snapshots_of_a_method_are_curves_on_its_page(tmp_path: Path) -> None:
    curve = {"step": (100.0, 200.0), "seconds": (10.0, 20.0)}
    made = [trial(name, curve=curve) for name in ("dm", "dmx")]
    records = [*made, *(evaluated(of, 0.5, 0.6) for of in made)]
    for of in made:
        snapshot = evaluated(of, 0.3, 0.4)
        cell = snapshot.cell.model_copy(update={"step": 100})
        records.append(snapshot.model_copy(update={"cell": cell}))
    save(records, tmp_path)
    told = words_of(text(tmp_path))
    assert "Accuracy during distillation on digits" in told
    assert "dm 100 35.0 [30.0, 40.0] 1 × 2 dm 200 55.0 [50.0, 60.0] 1 × 2" in told and "dmx 100" not in told


def test_hostile_labels_have_pages_of_their_own(tmp_path: Path) -> None:
    labels = ("../up", "..", "A", "a", "a/b", "a b", "x" * 300)
    folder = tmp_path / "records" / "x" / "y"
    folder.mkdir(parents=True)
    for at, label in enumerate(labels):
        record = trial("dm", window=at).model_copy(update={"label": label})
        (folder / f"{record.cell.id}.json").write_text(record.to_json())
    found = [page.path for page in methods.pages(load([tmp_path]), [])]
    assert len({path.casefold() for path in found}) == len(labels)
    assert all(path.startswith("methods/") and path.count("/") == 1 and len(path) < 120 for path in found)
