"""What a store says of itself."""

import json
from pathlib import Path

import pytest

from suite.core.files import atomic_write
from suite.records.store import Store
from suite.records.upkeep import facts, leftovers
from suite.records.upkeep.facts import check_room, recorded, stated
from tests.support import disks


def test_the_protocol_is_stated(store: Store) -> None:
    assert stated(store.path) == 2 and recorded(store.path) is None


@pytest.mark.parametrize("damage", disks.DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_statement_is_none_or_another(damage: disks.Damage, store: Store) -> None:
    damage(store.path / "store.json")
    assert stated(store.path) != 2


def test_the_first_readable_record_tells_it(copied: Path) -> None:
    first, second, *_ = sorted(copied.glob("records/*/*/*.json"))
    first.write_text("{")
    second.write_text(json.dumps({"protocol": 1}))
    assert recorded(copied) == 1


@disks.needs_mounts
def test_a_disk_with_few_inodes_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MIN_FREE_BYTES", 0)
    with disks.mounted(tmp_path / "disk", "nr_inodes=500") as disk:
        with pytest.raises(ValueError, match=r"^disk full: 49\d inodes are free at .*, 1000 are"):
            check_room(disk)
        with pytest.raises(ValueError, match="inodes are free"):
            Store.create(disk / "store")
    with disks.mounted(tmp_path / "disk", "nr_inodes=2000") as disk:
        check_room(disk)


def test_a_store_is_created_while_another_run_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run has the lock, and this one has not asked for it yet."""
    sync, swept = atomic_write._sync, list[int]()

    def swept_once(path: Path) -> None:
        sync(path)
        if not swept:
            swept.append(leftovers.sweep(tmp_path / "store"))

    monkeypatch.setattr(atomic_write, "_sync", swept_once)
    store = Store.create(tmp_path / "store")
    assert swept == [1] and (store.path / "store.json").is_file()
