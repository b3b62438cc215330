"""Submissions are copied whole, and two of one name are a conflict."""

from pathlib import Path

import pytest

from suite.records.store import Store
from suite.records.stores.reading import Report
from suite.records.stores.submissions import conflicts, copy


def submitted(store: Store, name: str, text: str = "a set") -> Path:
    path = store.path / "submissions" / name / "deep" / "set.bin"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "other")


def test_a_new_one_is_copied_once(store: Store, other: Store) -> None:
    report = Report()
    submitted(other, "mine")
    copy(other, store, report)
    copy(other, store, report)
    assert (store.path / "submissions" / "mine" / "deep" / "set.bin").read_text() == "a set"
    assert report.done == {"submission": 1} and report.present == {"submission": 1}
    assert [path.name for path in (store.path / "submissions").iterdir()] == ["mine"]


def test_two_of_one_name_are_a_conflict_unless_they_are_equal(store: Store, other: Store) -> None:
    for each in (store, other):
        submitted(each, "equal")
        submitted(each, "mine", str(each.path))
    assert list(conflicts(store, [other])) == [
        ("submission mine", str(store.path / "submissions/mine"), str(other.path / "submissions/mine"))
    ]


def test_a_link_is_not_followed(store: Store, other: Store, tmp_path: Path) -> None:
    report, secret = Report(), tmp_path / "secret"
    secret.write_text("secret")
    (submitted(other, "mine").parent / "link").symlink_to(secret)
    copy(other, store, report)
    assert "must not have links" in report.left[0] and not (store.path / "submissions" / "mine").exists()


def test_stores_without_submissions(store: Store, other: Store) -> None:
    copy(other, store, report := Report())
    assert not report.done and list(conflicts(store, [other])) == []
