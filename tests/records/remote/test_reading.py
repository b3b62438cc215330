"""Commands that read get a copy: what they need, what changed since, and nothing else."""

import os
from pathlib import Path
from time import time

import pytest

from suite.records.remote import reading
from suite.records.remote.mirror import Mirror, Scope
from suite.records.remote.place import Place, copies
from suite.records.stores import heartbeat
from suite.records.stores.addresses import find
from suite.records.stores.heartbeat import Sign
from tests.support.s3_server import S3Server


@pytest.fixture
def filled(url: str, copied: Path) -> Path:
    """The URL of a finished store."""
    Mirror(Place(url), copied).push()
    return Path(url)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_read_where_it_is(tmp_path: Path) -> None:
    assert reading.here(tmp_path) == tmp_path == reading.here(Path(f"file://{tmp_path}"))


def test_only_what_is_needed_is_pulled(filled: Path, url: str) -> None:
    folder = reading.here(filled, reading.RECORDS)
    assert names(folder) == {"store.json", "records", "plan"} and copies[str(folder)] == url
    assert reading.here(filled) == folder and names(folder) > {"artefacts", "leaderboard.md"}


def test_nothing_is_read_twice(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading.here(filled)
    monkeypatch.setattr(Place, "read", lambda own, names: pytest.fail(f"{names}") if names else [])
    reading.here(filled)


def test_without_a_store_there_is_no_folder(url: str) -> None:
    assert not reading.here(Path(url)).exists()


def test_nobody_writes_there(filled: Path, s3: S3Server, url: str) -> None:
    """Credentials may only read."""
    before = s3.contents(url.removeprefix("s3://bucket/"))
    reading.here(filled, reading.ALL)
    assert s3.contents(url.removeprefix("s3://bucket/")) == before


def test_signs_of_life_have_their_age(filled: Path, s3: S3Server, url: str) -> None:
    sign = Sign(host="other", pid=1, since=1.0, moved=1.0, beat=1.0)
    s3.write(f"{url.removeprefix('s3://bucket/')}/running/driver.json", sign.model_dump_json().encode())
    folder = reading.here(filled, reading.LIVE)
    assert heartbeat.signs(folder) == {"driver": sign}
    path = folder / "running" / "driver.json"
    assert abs(path.stat().st_mtime - time()) < 60
    os.utime(path, (1, 1))
    assert heartbeat.signs(reading.here(filled, reading.LIVE)) == {"driver": sign}


def test_a_set_is_found_by_its_address_and_pulled_alone(filled: Path) -> None:
    path = find(Path(f"{filled}:rat_bptt/ipc1/seed0"))
    assert path.is_file() and {each.stem for each in path.parent.iterdir()} == {path.stem}


@pytest.mark.parametrize(
    ("rest", "why"),
    [(":nothing", "no set at s3:/bucket/.*:nothing"), ("/none:rat_bptt", "no store at s3://bucket/")],
)
def test_addresses_of_nothing(rest: str, why: str, filled: Path) -> None:
    with pytest.raises(ValueError, match=why):
        find(Path(f"{filled}{rest}"))


def test_a_url_without_a_set_is_no_address(filled: Path) -> None:
    assert reading.split(filled) is None and reading.split("results:dm") is None


def test_sets_of_a_folder_are_there(tmp_path: Path) -> None:
    reading.with_sets(tmp_path, ["a"])
    assert not list(tmp_path.iterdir()) and reading.ALL.has("checkpoints/a") and Scope(("a",)).has("a/b")
