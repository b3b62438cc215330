"""Audits of several stores, and the data on this machine."""

from pathlib import Path

import pytest

from suite.cli.trust.auditing import ask, audited, lines, unsaid
from suite.cli.trust.rescoring import Wanted
from suite.records.audit.findings import Findings
from suite.records.audit.known import TaskFacts
from tests.support.audited import TEST, sound


@pytest.mark.usefixtures("no_network")
def test_the_data_on_this_machine_are_asked() -> None:
    found = ask("digits")
    assert isinstance(found, TaskFacts) and found.test == TEST and found.shape == (1, 8, 8)
    assert len(set(found.data)) == 2  # with and without class names
    held = ask("digits:holdout")
    assert isinstance(held, TaskFacts) and held.test == 0
    for name in ("cifar10", "no-such-task", "folder:/no/such/folder", "folder:\0", "hf:" + "x" * 5000):
        assert isinstance(ask(name), str)


def test_a_store_is_audited_once_and_other_data_are_errors(tmp_path: Path) -> None:
    store, said = sound(tmp_path / "store").path, list[str]()
    report = audited([store, store], Wanted(), None, said.append)
    assert len(report.stores) == 1 and not report.sound  # its fingerprint is invented
    assert "records of digits with data dadadadadada: 9, including this one" in said[0]
    assert report.fields["stores"][0]["errors"] == 1 and "rescoring" not in report.fields


def test_signers_are_looked_for_first(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file of signers"):
        audited([tmp_path], Wanted(), tmp_path / "none", unsaid)


def test_what_was_checked_is_counted(tmp_path: Path) -> None:
    found = Findings(tmp_path)
    found.checked.update(record=2, set=0)
    found.notes.append("something was not compared")
    found.doubt("data", "", "unknown")
    told = [line.removeprefix(f"{tmp_path}: ") for line in lines(found)]
    assert told == ["doubt: unknown", "something was not compared", "0 errors, 1 doubt; checked: 2 records"]
