"""Large grids and stores: what a cell takes does not grow with their number, and what is read fast is right.

Calls of the file system are counted, since times say more of a machine. The times of ten thousand cells and
of a hundred thousand records are measured by `pytest -m benchmark`.
"""

import json
import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from suite.board import files
from suite.board.tables import board
from suite.cli.stores.status import Watched
from suite.core.data.reading.folders import list_folder
from suite.records import record as record_module
from suite.records.cells import Evaluation, Trial
from suite.records.jobs import Job, Plan
from suite.records.record import Record
from suite.records.store import Store
from suite.records.stores import layout, reading
from tests.support import trivial_grids
from tests.support.command_line import ratbench
from tests.support.counted_calls import counted
from tests.support.large_store import fill, varied
from tests.support.usage import measured

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of six hundred records, of which eleven diverged or failed."""
    path = tmp_path_factory.mktemp("large") / "store"
    fill(path, varied(600))
    return path


def rows_of_a_store(path: Path, rows: int) -> list[Record]:
    """Fill a store with a trial in each of so many rows; return their records."""
    first = next(record for record in varied(20) if isinstance(record.cell, Trial))
    made = []
    for row in range(rows):
        cell = first.cell.model_copy(update={"method": f"row{row}"})
        made.append(first.model_copy(update={"cell": cell, "label": f"row{row}"}))
    fill(path, iter(made))
    return made


def calls_for_a_cell(path: Path, rows: int) -> Counter[str]:
    """Return the calls for a new cell of a store with so many rows, after its first cell."""
    first, second, *_ = rows_of_a_store(path, rows)
    store, new = Store(path), second.model_copy(update={"cell": second.cell.model_copy(update={"seed": 77})})
    assert isinstance(new.cell, Trial) and isinstance(first.cell, Trial)
    job = Job(label=new.label, cell=new.cell, data=new.data)
    store.write(first)
    assert store.record_of(job, job.cell) is None and store.failure_of(job, job.cell) is None
    with counted() as calls:
        assert store.record_of(job, job.cell) is None and store.failure_of(job, job.cell) is None
        store.write(new.model_copy(update={"status": "failed", "error": "no"}), "a traceback")
        assert store.failure_of(job, job.cell)
        assert store.earlier(new) is None
        store.write(new)
        assert store.record_of(job, job.cell) == new.sealed() and store.failure_of(job, job.cell) is None
    return calls


def test_a_cell_asks_for_as_many_files_in_a_store_of_many_rows(tmp_path: Path) -> None:
    few, many = (calls_for_a_cell(tmp_path / str(rows), rows) for rows in (2, 60))
    assert few == many and not {"os.scandir", "os.listdir"} & many.keys()


def test_a_run_asks_for_as_many_files_for_each_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six more rows take as many more calls, however many there are already."""
    totals = []
    for rows in (1, 2, 8, 14):  # the first loads modules
        folder = tmp_path / str(rows)
        folder.mkdir()
        grid = trivial_grids.write(folder, 2 * rows, rows=rows, evaluated=True)
        monkeypatch.chdir(folder)
        with counted() as calls:
            assert ratbench("run", grid, "--store", folder / "store", "--inline").exit_code == 0
        with counted() as again:
            said = ratbench("run", grid, "--store", folder / "store", "--inline")
        assert said.exit_code == 0 and f"{2 * rows} cells, {2 * rows} done, 0 to do" in said.output
        totals.append((calls, again))
    for run in (0, 1):
        _, few, more, most = (sum(total[run].values()) for total in totals)
        assert most - more <= 1.1 * (more - few), (run, few, more, most)


def test_nothing_to_do_reads_each_record_once(
    finished: tuple[Path, Path, object], copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, once = Record.read, Counter[bytes]()

    def noted(content: bytes) -> Record:
        once[content] += 1
        return read(content)

    monkeypatch.setattr(Record, "read", noted)
    assert ratbench("run", finished[0], "--store", copied, "--inline").exit_code == 0
    assert len(once) == 4 and set(once.values()) == {1}


@pytest.mark.parametrize("rows", [1, 4])
def test_the_files_of_a_folder_are_looked_at_once_for_all_rows(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of rows and sizes."""
    for split, name, number in product(("train", "test"), "ab", range(4)):
        (folder := tmp_path / "data" / split / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (60 * number, 20 * number, 250 * (name == "a"))).save(
            folder / f"{number}.png"
        )
    looked = list[Path]()

    def noted(folder: Path) -> Any:
        looked.append(folder)
        return list_folder(folder)

    monkeypatch.setattr("suite.core.data.reading.image_files.list_folder", noted)
    head = f"title = 'x'\ntasks = ['folder:{tmp_path / 'data'}']\nseeds = [0]\nipc = {[1, 2, 3][:rows]}\n"
    tables = (f"[method.row{row}]\nbase = 'dm'\nsteps = {row + 1}\n" for row in range(rows))
    (tmp_path / "grid.toml").write_text(f"{head}network = 'convnet-d1-w8-in'\n{''.join(tables)}")
    ran = ratbench("run", tmp_path / "grid.toml", "--dry-run", "--store", tmp_path / "none")
    assert ran.exit_code == 0, ran.output
    assert len(looked) == 1


# What is read fast is what is read slowly


def damaged(store: Path) -> None:
    """Damage records in many ways; those of two cells come in a second version, or on other data."""
    paths = list(layout.files(store / "records"))
    texts = {path: path.read_text() for path in paths[:30]}
    changes: list[Callable[[str], str]] = [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"status": "done"', '"status": "diverged"'),
        lambda text: text.replace('"protocol": 2', '"protocol": 3'),
        lambda text: text.replace('"sha256"', '"sha265"'),
        lambda text: text.replace("\n ", "\n   "),  # only white space
        lambda text: json.dumps(json.loads(text)),  # in one line
        lambda text: json.dumps(dict(reversed(json.loads(text).items())), indent=1),
        lambda text: text.replace("0.", "0.1", 1),
        lambda text: text.replace('"label": "method', '"label": "methoé'),
        lambda text: "[]",
        lambda text: "",
        lambda text: "\x00" * len(text),
    ]
    for path, change in zip(paths, changes, strict=False):
        path.write_text(change(texts[path]))
    resealed = Record.read(texts[paths[20]].encode()).model_copy(update={"sha256": "", "seconds": 12.5})
    (paths[20].with_name("copy") / paths[20].name).parent.mkdir()
    (paths[20].with_name("copy") / paths[20].name).write_text(resealed.to_json())
    other = Record.read(texts[paths[21]].encode()).model_copy(update={"sha256": "", "data": "f" * 64})
    paths[21].with_stem(f"{other.cell.id}-{'f' * 16}").write_text(other.to_json())


def seen(store: Path) -> tuple[object, ...]:
    """Return all that a board, a status and a list of records tell of a store."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = files.read([store])
        made = files.joined(found, [store])
        status = Watched(store).status()
        listed = [each.sha256 for each in reading.records(Store(store))]
    said = sorted(str(each.message) for each in warned)
    counts = [plan.counts for plan in status.plans]
    return found.records, found.warnings, files.render(made, "md"), counts, listed, said


def test_a_damaged_store_tells_the_same_whether_seals_are_checked_fast_or_slowly(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(shutil.copytree(filled, tmp_path / "store"))
    whole = seen(store)
    damaged(store)
    fast = seen(store)
    monkeypatch.setattr(record_module, "_seal_that_holds", lambda content: None)
    assert seen(store) == fast != whole


def test_planned_cells_with_a_record_change_nothing(filled: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(filled, tmp_path / "store"))
    damaged(store)
    found = files.read([store])
    every = Plan.model_validate_json((store / "plan" / "large.json").read_bytes()).cells
    assert 0 < len(found.planned) < len(every)
    boards = [board(found.records, planned=planned) for planned in (found.planned, every)]
    assert files.render(boards[0], "json") == files.render(boards[1], "json")
    assert files.render(boards[0], "md") == files.render(boards[1], "md")


def test_a_board_of_what_was_read_already_is_the_same(filled: Path) -> None:
    store = Store(filled, read_only=True)
    for path in layout.files(filled / "records"):
        assert list(store.records(path.stem[:64]))
    assert len(store.memory) == len(list(layout.files(filled / "records")))
    made, again = files.load([filled]), files.load([filled], memory=store.memory)
    assert files.render(made, "csv") == files.render(again, "csv")
    assert files.render(made, "md") == files.render(again, "md")


def test_records_of_a_store_share_what_is_equal(filled: Path) -> None:
    found = [each for each in files.read([filled]).records if isinstance(each.cell, Evaluation)]
    assert len({id(each.provenance) for each in found}) == 1
    assert len({id(each.described) for each in found}) <= len({each.described for each in found})


# Times, on demand


@pytest.fixture(scope="module")
def hundred_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hundred-thousand") / "store"
    fill(path, varied(100_000))
    return path


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("leaderboard",),
        ("list", "artefacts"),
        ("compare", "--method", "method_000", "--method", "method_001"),
    ],
)
def test_commands_on_a_hundred_thousand_records(words: tuple[str, ...], hundred_thousand: Path) -> None:
    command, *rest = words
    subject = [command, *(rest[:1] if command == "list" else []), hundred_thousand]
    found = measured([*subject, *(rest[1:] if command == "list" else rest)])
    assert found["processor_seconds"] < 20 and found["peak_bytes"] < 2 * 10**9


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("rows", [1, 5000])
def test_ten_thousand_trivial_cells(rows: int, tmp_path: Path) -> None:
    grid = trivial_grids.write(tmp_path, 10_000, rows=rows, evaluated=True)
    words = ["run", grid, "--store", tmp_path / "store"]
    assert measured([*words, "--dry-run"])["processor_seconds"] < 10
    assert measured([*words, "--inline"])["processor_seconds"] < 0.02 * 10_000
    assert measured([*words, "--inline"])["processor_seconds"] < 20, "nothing to do"
