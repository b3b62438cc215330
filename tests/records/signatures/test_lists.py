"""Signed lists: of all files, then of those that were added, and as common tools read them."""

import subprocess
from pathlib import Path

import pytest

from suite.records.signatures import lists
from suite.records.stores.merge import Merge
from tests.support.audited import distilled, kinds, sound
from tests.support.keys import key, signers


def test_a_list_is_what_common_tools_check(tmp_path: Path) -> None:
    store, own = sound(tmp_path / "store"), key(tmp_path / "own")
    made = lists.sign(store.path, own)
    assert made is not None and made[1] == 9 + 2 * 4  # records, sets and manifests
    name = made[0].relative_to(store.path)
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", str(name)], cwd=store.path, check=True)
    command = ["ssh-keygen", "-Y", "verify", "-n", "ratbench", "-I", "ada", "-f"]
    command += [str(signers(tmp_path, {"ada": own})), "-s", f"{made[0]}.sig"]
    subprocess.run(command, stdin=made[0].open("rb"), check=True, capture_output=True)


def test_what_is_added_gets_another_signature(tmp_path: Path) -> None:
    store, ada, bob = sound(tmp_path / "store"), key(tmp_path / "ada"), key(tmp_path / "bob")
    assert lists.sign(store.path, ada) and lists.sign(store.path, ada) is None
    store.write(distilled(store, "dc", 3, 30))
    file = signers(tmp_path, {"ada": ada, "bob": bob})
    assert kinds(store, signers=file) == {"doubt signature"}
    added = lists.sign(store.path, bob)
    assert added is not None and added[1] == 3 and not kinds(store, signers=file)
    every = lists.sign(store.path, bob, everything=True)
    assert every is not None and every[1] == 9 + 8 + 3


def test_a_list_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    folder = store.path / lists.FOLDER
    folder.mkdir()
    (folder / "a.sums").write_bytes(b"\xff" * 100)
    (folder / "b.sums").symlink_to("/dev/zero")
    (folder / "c.sums").symlink_to(tmp_path / "store/store.json")
    assert [each.files for each in lists.read(store.path)] == [{}, {}]


@pytest.mark.usefixtures("elsewhere")
def test_a_union_keeps_the_signatures(tmp_path: Path) -> None:
    one, two = sound(tmp_path / "one"), sound(tmp_path / "two")
    ada = key(tmp_path / "ada")
    for path in (two.path / "records").rglob("*.json"):
        if "random_subset" in str(path):
            path.unlink()
    lists.sign(one.path, ada)
    with Merge([one.path, two.path], tmp_path / "all") as union:
        union.read()
        union.write()
    assert union.report.done["signature"] == 1
    assert not kinds(tmp_path / "all", signers=signers(tmp_path, {"ada": ada}))
