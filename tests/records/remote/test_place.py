"""Objects below a URL, on a real server: what is read and written, and what each error tells."""

from pathlib import Path
from typing import NoReturn

import pytest

from suite.records.remote import place as module
from suite.records.remote.place import Place, RemoteFault, plain, url_of
from tests.support.s3_server import KEY, SECRET, S3Server


@pytest.fixture
def place(url: str) -> Place:
    return Place(url)


def put(place: Place, **contents: bytes) -> None:
    place.write(dict.fromkeys(contents, 1), contents.__getitem__)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3:/bucket/a/", "s3://bucket/a"),
        ("gs:/bucket", "gs://bucket"),
        ("runs/a", None),
        ("/runs/a", None),
        ("s3:", "s3://"),
        ("s3://", "s3://"),
        ("results:", None),
        ("file:/runs/a", None),
        ("results:rat_bptt/ipc10", None),
        ("C:/runs", None),
    ],
)
def test_what_is_a_url(text: str, url: str | None) -> None:
    """Paths of pathlib have one slash."""
    assert url_of(text) == url and url_of(Path(text)) == url


def test_a_url_of_a_file_is_its_path() -> None:
    assert plain(Path("file:///a/b")) == Path("/a/b") and plain(Path("a/b")) == Path("a/b")


def test_objects_are_written_listed_read_and_removed(place: Place, s3: S3Server) -> None:
    put(place, one=b"1", two=b"22")
    place.create("folder/one", b"3")
    assert set(place.listed()) == {"one", "two", "folder/one"}
    assert set(place.listed("o")) == {"one"} and set(place.listed("folder/o")) == {"folder/one"}
    assert place.listed("folder/x") == {} == place.listed("none/")
    assert dict(place.read({"one": 1, "gone": 1, "two": 2})) == {"one": b"1", "two": b"22"}
    assert dict(place.read({"gone": 1})) == {} and place.content("gone") is None
    before = place.mark("one")
    put(place, one=b"other")
    assert before != place.mark("one") == place.listed()["one"] and place.mark("gone") is None
    place.remove(["one", "gone"])
    assert place.mark("one") is None and place.modified("one") == 0


def test_an_object_is_created_once(place: Place) -> None:
    place.create("one", b"first")
    with pytest.raises(FileExistsError):
        place.create("one", b"second")
    assert place.content("one") == b"first"


def test_a_name_is_no_pattern(place: Place) -> None:
    """As that of the row `[method."dm [a]"]` of a grid."""
    place.put("dm [a]/one", b"1")
    place.put("dm a/one", b"2")
    assert dict(place.read(dict.fromkeys(place.listed(), 1))) == {"dm [a]/one": b"1", "dm a/one": b"2"}
    assert place.content("dm [a]/one") == b"1"


@pytest.mark.parametrize("name", ["../up", "a/../../up", "a//b", "/root", f"long/{'x' * 256}", "."])
def test_names_that_lead_elsewhere_are_no_files(name: str, place: Place, s3: S3Server) -> None:
    put(place, own=b"1")
    s3.write(f"{place.url.removeprefix('s3://bucket/')}/{name}", b"hostile")
    assert set(place.listed()) == {"own"}


def test_a_check_leaves_nothing(place: Place) -> None:
    assert place.check() > 1e9 and place.listed() == {}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://", "names no bucket"),
        ("s3://key:secret@bucket/x", "s3://… has a name or a password in it"),
        ("nothing://bucket/x", "fsspec knows no nothing://"),
        ("zip::s3://bucket/x", "fsspec knows no"),
    ],
)
def test_urls_that_cannot_be_used(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        Place(url)
    assert "secret" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.usefixtures("without_s3fs")
def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(ValueError, match=r"s3://bucket/x cannot be opened: .*pip install 'rat-bench\[s3\]'"):
        Place("s3://bucket/x")


def test_a_missing_bucket(s3: S3Server) -> None:
    with pytest.raises(RemoteFault, match=r"s3://missing/x cannot be written: .*bucket"):
        Place("s3://missing/x").check()


def test_without_credentials(s3: S3Server, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/none")
    with pytest.raises(RemoteFault, match=r"refuses access .* give this machine credentials"):
        Place(url).check()


def fail(error: Exception) -> NoReturn:
    raise error


@pytest.mark.parametrize("error", [PermissionError("Access Denied"), OSError(5, "Input/output error")])
def test_no_error_tells_credentials(error: Exception, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    error.args = (f"{error} of {KEY} with {SECRET} at http://me:word@host/x?X-Amz-Signature=abc\nmore",)
    monkeypatch.setattr(place.fs, "pipe", lambda *_: fail(error))
    with pytest.raises(RemoteFault) as raised:
        put(place.impatient(), one=b"")
    told = str(raised.value)
    assert not any(each in told for each in (KEY, SECRET, "word", "abc", "\n"))
    assert told.endswith("and run the same command again")


def test_it_waits_for_a_server_that_is_away_for_a_while(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    write = place.fs.pipe
    monkeypatch.setattr(module, "sleep", waits.append)
    monkeypatch.setattr(
        place.fs, "pipe", lambda values: fail(OSError("away")) if len(waits) < 6 else write(values)
    )
    put(place, one=b"1")
    assert waits == [0.5, 1, 2, 4, 8, 10] and dict(place.read({"one": 1})) == {"one": b"1"}


def test_it_does_not_wait_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.6)
    monkeypatch.setattr(place.fs, "pipe", lambda values: fail(OSError("away")))
    with pytest.raises(RemoteFault, match=r"does not answer as it should \(away\)"):
        put(place, one=b"1")


def test_an_object_store_that_creates_nothing_exclusively_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.fs, "pipe_file", lambda path, value, mode: place.fs.pipe({path: value}))
    with pytest.raises(RemoteFault, match="overwrites objects that should be new"):
        place.check()
    assert place.listed() == {}
