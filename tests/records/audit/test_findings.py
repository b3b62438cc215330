"""Findings: one line each, with paths below the store."""

from pathlib import Path

from suite.records.audit.findings import Findings


def test_findings_are_counted_and_told_in_one_line() -> None:
    found = Findings(Path("runs/a"))
    found.error("set", Path("runs/a/artefacts/x"), "two\nlines")
    found.doubt("data", "", "unknown")
    assert [each.line for each in found.found] == ["error: artefacts/x: two lines", "doubt: unknown"]
    assert found.errors == 1 and found.fields["doubts"] == 1
    assert found.fields["findings"][0] == {
        "severity": "error",
        "kind": "set",
        "where": "artefacts/x",
        "what": "two lines",
    }
