"""Everything that a method or an evaluator may do wrong, by the command line, here and on Ray."""

import json
from pathlib import Path

import pytest

from suite.board import files
from suite.records.record import Record
from suite.records.store import Store
from tests.support import misbehaving
from tests.support.command_line import ratbench

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("jobs_apart")]

KINDS = ("FAILS", "DIES", "HANGS", "CHANGES", "HARMLESS")
IMAGES_OF_THEIR_OWN = {"dtype", "device"}
"""Deeds that make the method's own set wrong."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("plugin", ["method", "evaluator"])
@pytest.mark.parametrize("flags", [["--inline"], []], ids=["inline", "ray"])
def test_only_its_own_cell_fails(plugin: str, flags: list[str], tiny: Path, tmp_path: Path) -> None:
    kinds = {deed: kind for kind in KINDS for deed in misbehaving.deeds(kind)}
    jobs = misbehaving.jobs(tiny, kinds, kind=plugin)
    ran = ratbench("run", tiny, "--store", tmp_path / "store", "--step-timeout", "30s", *flags)
    assert ran.exit_code == 1, ran.output
    store = Store(tmp_path / "store")
    figures = set[tuple[str, tuple[float, ...]]]()
    for job in jobs:
        for cell in job.cells:
            settings = json.loads(cell.model_dump_json())
            deed = (settings.get("hyperparameters") or settings.get("settings") or {}).get("deed")
            record = store.record(cell.id) or store.last_failure(cell.id)
            if deed is not None and kinds[deed] in ("FAILS", "DIES", "HANGS"):
                expected = misbehaving.deeds(kinds[deed])[deed]
                assert deed == "closes files" or (record and expected in record.error), deed
            elif record is not None and deed not in IMAGES_OF_THEIR_OWN:
                assert record.status == "done", (deed, record.error)
                if deed is not None and kinds[deed] == "CHANGES" and misbehaving.deeds("CHANGES")[deed]:
                    assert misbehaving.deeds("CHANGES")[deed] in record.provenance.changed, deed
            if record is not None and record.scores.get("accuracy"):
                figures.add((job.label, record.scores["accuracy"]))
    labels = [label for label, _ in figures]
    assert sorted(set(labels)) == sorted(labels), "nothing changes the figures of other cells"
    assert files.load([store.path]).tables and isinstance(record, Record)
