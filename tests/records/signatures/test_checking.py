"""A forged, swapped, replayed or partly covering signature: each is told apart."""

import shutil
from pathlib import Path

import pytest

from suite.records.record import Record
from suite.records.signatures import lists
from suite.records.signatures.checking import signed
from suite.records.store import Store
from tests.support.audited import accuracies, audited, distilled, first, sound
from tests.support.keys import key, signers
from tests.support.stores import change


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that ada signed, and bob signed what was added."""
    made = sound(tmp_path / "store")
    ada, bob = key(tmp_path / "ada"), key(tmp_path / "bob")
    signers(tmp_path, {"ada": ada, "bob": bob})
    lists.sign(made.path, ada)
    made.write(distilled(made, "dc", 3, 30))
    lists.sign(made.path, bob)
    return made


@pytest.fixture
def file(tmp_path: Path, store: Store) -> Path:
    return tmp_path / "signers"


def told(store: Store, file: Path) -> str:
    return "\n".join(each.line for each in audited(store, signers=file).found if each.kind == "signature")


def of(store: Store) -> list[Path]:
    """Return the lists, ada's first."""
    return sorted((store.path / "signatures").glob("*.sums"), key=lambda path: -path.stat().st_size)


def test_signatures_that_count(store: Store, file: Path) -> None:
    found, warnings = signed([store.path], file)
    own = Record.model_validate_json(first(store).read_bytes()).sha256
    added = next(store.row("digits", 1, "dc")).sha256
    assert found[own] == {"ada"} and found[added] == {"bob"} and not warnings
    report = audited(store, signers=file)
    assert not report.found and "signed by ada: 17 of 20 files" in report.notes


def test_without_signers_nothing_is_checked(store: Store) -> None:
    assert "2 signatures not checked; give --signers FILE" in audited(store).notes


def test_a_changed_list_is_forged(store: Store, file: Path) -> None:
    path = first(store)
    old = lists.hashed(store.path)[path.relative_to(store.path).as_posix()]
    change(path, scores={"accuracy": accuracies(20)})
    new = lists.hashed(store.path)[path.relative_to(store.path).as_posix()]
    of(store)[0].write_text(of(store)[0].read_text().replace(old, new))
    assert "one of the two was forged, changed or damaged" in told(store, file)
    assert not {name for names in signed([store.path], file)[0].values() for name in names} - {"bob"}


def test_another_key_is_a_stranger(store: Store, file: Path, tmp_path: Path) -> None:
    signers(tmp_path, {"bob": tmp_path / "bob"})
    assert "which signers does not accept: it is unknown, expired, not for ratbench" in told(store, file)


def test_swapped_signatures(store: Store, file: Path) -> None:
    one, other = (Path(f"{path}.sig") for path in of(store))
    held = one.with_name("held")
    one.rename(held)
    other.rename(one)
    held.rename(other)
    assert told(store, file).count("they were swapped") == 2
    assert not signed([store.path], file)[0]


def test_a_signature_of_another_store(store: Store, file: Path, tmp_path: Path) -> None:
    other = Store.create(tmp_path / "other")
    other.write(distilled(other, "theirs", 9, 50))
    shutil.copytree(store.path / "signatures", other.path / "signatures")
    assert told(other, file).count("the signature is of another store") == 2
    assert not signed([other.path], file)[0]


def test_a_selection_of_signed_records(store: Store, file: Path) -> None:
    """Without the worst seed a row is better, and each record of it is still signed."""
    first(store).unlink()
    assert "the rest may be a selection" in told(store, file)
    found, warnings = signed([store.path], file)
    assert {name for names in found.values() for name in names} == {"bob"} and len(warnings) == 1


def test_a_changed_record_is_not_signed(store: Store, file: Path) -> None:
    change(first(store), scores={"accuracy": accuracies(20)})
    assert "changed or removed since" in told(store, file)
    assert signed([store.path], file)[0].keys() == {next(store.row("digits", 1, "dc")).sha256}


def test_a_manifest_that_changed_is_a_doubt(store: Store, file: Path) -> None:
    path = next((store.path / "artefacts").glob("*.json"))
    path.write_text(path.read_text() + "\n")
    assert "signed and that were changed or removed since: 1" in told(store, file)
    assert signed([store.path], file)[0]


def test_a_list_without_a_signature(store: Store, file: Path) -> None:
    Path(f"{of(store)[0]}.sig").unlink()
    assert "this list has no signature" in told(store, file)


@pytest.mark.parametrize("kept", [(), (".sig",)])
def test_a_store_whose_lists_were_removed_is_not_signed(
    kept: tuple[str, ...], store: Store, file: Path
) -> None:
    for path in (store.path / "signatures").iterdir():
        if path.suffix not in kept:
            path.unlink()
    assert "no signer that signers accepts signed it; records like it: " in told(store, file)
    assert ("this signature has no list" in told(store, file)) == bool(kept)
