"""The command `ratbench audit`: exit codes, forms, and wrong input."""

import json
from pathlib import Path

import pytest

from tests.support.audited import first, sound
from tests.support.command_line import ratbench, refused
from tests.support.stores import HOSTILE, change


def test_a_run_is_sound(copied: Path) -> None:
    result = ratbench("audit", copied)
    assert result.exit_code == 0, result.output
    assert "0 errors" in result.stdout and "compared fingerprints" in result.stdout


def test_json_is_one_object(copied: Path) -> None:
    change(first_of(copied), seconds=1e6, device_seconds=1.0)
    result = ratbench("audit", copied, "--format", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1 and not report["sound"]
    assert {each["kind"] for each in report["stores"][0]["findings"]} >= {"time"}


def first_of(store: Path) -> Path:
    return sorted((store / "records").glob("*/random_subset/*.json"))[0]


def test_a_hostile_store_commands_no_terminal(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    path = first(store)
    change(path, label=HOSTILE, test_reads=99)
    result = ratbench("audit", store.path)
    assert result.exit_code == 1 and "\x1b" not in result.output and "Traceback" not in result.output


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    refused(ratbench("audit", tmp_path / "none"), "does not exist")
    refused(ratbench("audit", tmp_path), "is not a store")
    store = sound(tmp_path / "store").path
    refused(ratbench("audit", store, "--dry-run"), "--rescore")
    refused(ratbench("audit", store, "--rescore", "1", "--time-limit", "soon"), "--time-limit 'soon'")
    refused(ratbench("audit", store, "--signers", tmp_path / "none"), "no file of signers")


@pytest.mark.parametrize("words", [("--rescore", "-1"), ("--seed", "-1"), ("--format", "xml")])
def test_values_that_are_none_are_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    assert ratbench("audit", sound(tmp_path / "store").path, *words).exit_code == 2
