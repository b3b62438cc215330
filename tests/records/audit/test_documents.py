"""The files of a store are read only if they are plain and of a bounded size."""

import os
from pathlib import Path

import pytest

from suite.records.audit import documents
from suite.records.audit.findings import Findings
from suite.records.stores.heartbeat import Heartbeat
from tests.support.audited import kinds, sound


def test_links_pipes_and_large_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"x" * 101)
    monkeypatch.setattr("suite.core.files.documents.LARGEST", 100)
    for name in ("pipe", "link", "large", "none"):
        with pytest.raises((ValueError, OSError)):
            documents.content(tmp_path / name)
    (tmp_path / "list").write_text("[]")
    with pytest.raises(ValueError, match="not a JSON object"):
        documents.parsed(tmp_path / "list")


def test_a_partial_file_is_no_finding_while_somebody_writes(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    partial = store.path / "artefacts/.partial-1"
    partial.touch()
    with Heartbeat(store.path, "driver", "run"):
        assert not kinds(store)
        os.utime(partial, (0, 0))
        assert kinds(store) == {"doubt partial"}


def test_a_record_that_a_run_removed_meanwhile_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sound(tmp_path / "store")
    found, gone = Findings(store.path), store.path / "failures" / "gone.json"
    monkeypatch.setattr("suite.records.stores.layout.files", lambda folder: iter([gone]))
    assert not list(documents.records(store, "failures", found)) and not found.found


def test_a_store_of_another_protocol_is_told(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    (store.path / "store.json").write_text('{"protocol": 1}')
    found = Findings(store.path)
    documents.protocol(store, found)
    assert "ratbench migrate" in found.found[0].what
