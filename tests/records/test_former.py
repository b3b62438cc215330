"""Records of an earlier release get today's fingerprint of the same data, and nothing else changes."""

import json
from pathlib import Path

import pytest

from suite.core.data.tasks import fingerprint, former_fingerprint, load
from suite.core.sets.artefacts import load_artefact
from suite.records.former import bring_over, carried, carrying
from suite.records.record import Record
from suite.records.store import Store
from tests.support.command_line import ratbench

FORMER = "0" * 63 + "f"


def as_before(store: Path, former: str) -> dict[Path, bytes]:
    """Give the files of a store another fingerprint; return what they were."""
    before = {path: path.read_bytes() for path in store.glob("**/*.json")}
    now = fingerprint(load("digits"))
    assert bring_over(Store(store), now, former) == 4
    assert not carrying(Store(store), now)
    return {path: content for path, content in before.items() if path.parent.name != "plan"}


def test_records_and_manifests_are_renewed_and_sealed(copied: Path) -> None:
    store, now = Store(copied), fingerprint(load("digits"))
    before = as_before(copied, FORMER)
    record = next(iter(copied.glob("records/*/*/*.json")))
    assert Record.model_validate_json(record.read_bytes()).data == FORMER
    assert load_artefact(next(copied.glob("artefacts/*.safetensors")))[1]["data"] == FORMER
    assert bring_over(store, FORMER, now) == 4 and bring_over(store, FORMER, now) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_damaged_file_stays_for_its_reader(copied: Path) -> None:
    path = next(copied.glob("records/*/*/*.json"))
    content = json.loads(path.read_text()) | {"seconds": 7.0, "data": FORMER}
    path.write_text(json.dumps(content))
    assert bring_over(Store(copied), FORMER, "1" * 64) == 0 and json.loads(path.read_text()) == content


def test_a_run_brings_them_over(copied: Path, finished: tuple[Path, Path, object]) -> None:
    task = load("digits")
    as_before(copied, former_fingerprint(task))
    told = ratbench("run", finished[0], "--store", copied, "--inline", "--dry-run").stdout
    assert "`ratbench run` renews them" in told
    ran = ratbench("run", finished[0], "--store", copied, "--inline")
    assert ran.exit_code == 0, ran.output
    assert "4 records of earlier releases converted: data" in ran.stdout
    assert "4 cells, 4 done, 0 to do" in ran.stdout and "recorded on" not in ran.stdout


@pytest.mark.parametrize("name", ["digits", "digits:holdout"])
def test_the_former_fingerprint_is_another(name: str) -> None:
    assert former_fingerprint(load(name)) != fingerprint(load(name))


def test_fingerprints_that_are_carried_are_found_in_one_pass(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, seen = fingerprint(load("digits")), list[Path]()

    def noted(path: Path) -> bytes:
        seen.append(path)
        return path.read_bytes()

    monkeypatch.setattr("suite.records.former.document", noted)
    assert carried(Store(copied), [FORMER, now, "1" * 64]) == {now}
    assert len(seen) == len(set(seen)) and carried(Store(copied), []) == set()
