"""The cache of tensors: built once, memory-mapped, and built again when damaged."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from suite.core.data import cache
from suite.core.data.cache import (
    Building,
    Facts,
    Tensors,
    _sha256,
    has_entry,
    open_or_build,
    remembered,
    usable_folder,
)
from suite.core.files.atomic_write import DiskFault
from tests.support import disks

VALUES = torch.arange(12.0).view(6, 2)


class Builds:
    """Counts how often an entry is built."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.count, self.seconds = 0, seconds

    def __call__(self) -> Building:
        self.count += 1
        time.sleep(self.seconds)
        return Building({"values": (torch.float32, (6, 2))}, self.fill)

    def fill(self, tensors: Tensors) -> Facts:
        tensors["values"].copy_(VALUES)
        return {"name": "thing"}


class Large(Builds):
    """Of ten megabytes."""

    ROWS = 10 * 2**18

    def __call__(self) -> Building:
        self.count += 1
        return Building({"values": (torch.float32, (self.ROWS,))}, self.fill)

    def fill(self, tensors: Tensors) -> Facts:
        tensors["values"].fill_(1)
        return {}


def large(tensors: Tensors, facts: Facts) -> Tensor:
    return tensors["values"]


def finish(tensors: Tensors, facts: Facts) -> Tensor:
    assert facts == {"name": "thing"}
    return tensors["values"]


def mapped_files() -> Iterator[tuple[int, int, str]]:
    """Yield the addresses and the path of each mapping of this process."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = line.split()[0].split("-")
        yield int(low, 16), int(high, 16), line.split()[-1]


def test_an_entry_is_built_once_and_mapped_by_whoever_opens_it(tmp_path: Path) -> None:
    build = Builds()
    assert not has_entry(tmp_path, "entry")
    found = [open_or_build(tmp_path, "entry", build, finish) for _ in range(2)]
    assert build.count == 1 and has_entry(tmp_path, "entry")
    assert all(torch.equal(each, VALUES) for each in found)
    path = str(tmp_path / "entry.safetensors")
    for each in found:
        assert any(low <= each.data_ptr() < high for low, high, name in mapped_files() if name == path)


def test_workers_build_an_entry_once(tmp_path: Path) -> None:
    build = Builds(seconds=0.2)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_or_build(tmp_path, "entry", build, finish), range(4)))
    assert build.count == 1 and all(torch.equal(each, VALUES) for each in found)


def test_without_a_folder_an_entry_is_built_in_memory() -> None:
    build = Builds()
    for _ in range(2):
        assert torch.equal(open_or_build(None, "entry", build, finish), VALUES)
    assert build.count == 2


def test_an_entry_that_finish_refuses_is_built_again(tmp_path: Path) -> None:
    build = Builds()
    refusals = iter([ValueError("it is not what it was")] * 2)  # before and under the lock

    def refused_at_first(tensors: Tensors, facts: Facts) -> Tensor:
        for error in refusals:
            raise error
        return finish(tensors, facts)

    open_or_build(tmp_path, "entry", build, finish)
    with pytest.warns(UserWarning, match="is damaged and built again: it is not what it was"):
        assert torch.equal(open_or_build(tmp_path, "entry", build, refused_at_first), VALUES)
    assert build.count == 2


class Fails(Builds):
    """After half of the values."""

    def fill(self, tensors: Tensors) -> Facts:
        tensors["values"][:3] = VALUES[:3]
        raise ValueError("row 3 is damaged")


def test_an_entry_that_is_not_filled_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 3 is damaged"):
        open_or_build(tmp_path, "entry", Fails(), finish)
    assert not has_entry(tmp_path, "entry")
    assert not list(tmp_path.glob(".partial-*")) and not list(tmp_path.glob("*.safetensors"))


def test_tensors_of_several_kinds_lie_in_one_file_of_safetensors(tmp_path: Path) -> None:
    made = {
        "bytes": torch.arange(7, dtype=torch.uint8),
        "none": torch.zeros(0, 3),
        "one": torch.tensor(2.5),
        "wholes": torch.tensor([[1, -2]]),
    }

    def fill(tensors: Tensors) -> Facts:
        for name, values in made.items():
            tensors[name].copy_(values)
        return {}

    layout = {name: (each.dtype, tuple(each.shape)) for name, each in made.items()}
    found = open_or_build(tmp_path, "entry", lambda: Building(layout, fill), lambda tensors, _: tensors)
    kept = load_file(tmp_path / "entry.safetensors")
    for name, each in made.items():
        assert found[name].equal(each) and kept[name].equal(each)
        assert found[name].dtype == kept[name].dtype == each.dtype


def test_a_large_file_is_read_whole_only_when_its_entry_in_the_folder_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LARGE", 100)
    open_or_build(tmp_path, "entry", build := Builds(), finish)
    path, read = tmp_path / "entry.safetensors", list[object]()
    monkeypatch.setattr(cache, "_checked", {})

    def counted(path: Path) -> str:
        read.append(path)
        return _sha256(path)

    monkeypatch.setattr(cache, "_sha256", counted)
    assert open_or_build(tmp_path, "entry", build, finish).equal(VALUES) and not read
    path.touch()
    assert open_or_build(tmp_path, "entry", build, finish).equal(VALUES) and len(read) == 1
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.warns(UserWarning, match="its bytes have changed"):
        assert open_or_build(tmp_path, "entry", build, finish).equal(VALUES)
    assert build.count == 2


def test_an_entry_is_checked_whole(tmp_path: Path) -> None:
    """Every bit of the file of tensors, and every fact; the rest of the entry is built again with a word."""
    build = Large()
    assert open_or_build(tmp_path, "entry", build, large).sum() == Large.ROWS
    path = tmp_path / "entry.safetensors"
    whole, size = path.read_bytes(), path.stat().st_size
    for count, place in enumerate(range(100, size, size // 7), 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.warns(UserWarning, match="is damaged and built again: its bytes have changed"):
            assert open_or_build(tmp_path, "entry", build, large).sum() == Large.ROWS
        assert build.count == count + 1 and path.read_bytes() == whole


@pytest.mark.parametrize("ending", ["safetensors", "json"])
@pytest.mark.parametrize("damage", disks.DAMAGES, ids=lambda damage: damage.__name__)
def test_each_damage_is_healed_or_said(damage: Callable[[Path], None], ending: str, tmp_path: Path) -> None:
    build = Builds()
    open_or_build(tmp_path, "entry", build, finish)
    damage(tmp_path / f"entry.{ending}")
    if damage in (disks.a_folder, disks.a_full_folder):
        with pytest.raises(DiskFault, match="move the folder of this name away"):
            open_or_build(tmp_path, "entry", build, finish)
        return
    assert torch.equal(open_or_build(tmp_path, "entry", build, finish), VALUES) and build.count == 2
    assert torch.equal(open_or_build(tmp_path, "entry", build, finish), VALUES) and build.count == 2


def test_a_process_reads_an_entry_once_and_again_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, digest = list[object](), hashlib.file_digest

    def counted(file: Any, name: str) -> Any:
        read.append(file)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    for _ in range(3):
        open_or_build(tmp_path, "entry", Builds(), finish)
    assert len(read) == 1
    (tmp_path / "entry.safetensors").touch()
    open_or_build(tmp_path, "entry", Builds(), finish)
    assert len(read) == 2


@disks.needs_mounts
def test_a_disk_without_room_is_a_fault_that_names_it(tmp_path: Path) -> None:
    with disks.full(tmp_path / "disk"), pytest.raises(DiskFault, match=r"disk/entry.* cannot be written"):
        open_or_build(tmp_path / "disk", "entry", Builds(), finish)


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".partial-entry.safetensors-x1y2").touch()
    (tmp_path / ".partial-entry-2.safetensors-x1y2").touch()  # of another entry
    open_or_build(tmp_path, "entry", Builds(), finish)
    assert [path.name for path in tmp_path.glob(".partial-*")] == [".partial-entry-2.safetensors-x1y2"]


def test_entries_of_earlier_releases_are_checked_by_their_users(tmp_path: Path) -> None:
    """Such as experts, which took hours."""
    build = Builds()
    open_or_build(tmp_path, "entry", build, finish)
    (tmp_path / "entry.json").write_text(json.dumps({"facts": {"name": "thing"}, "probe": "0" * 64}))
    assert torch.equal(open_or_build(tmp_path, "entry", build, finish), VALUES) and build.count == 1


def test_facts_are_found_once(tmp_path: Path) -> None:
    found = list[int]()

    def find() -> dict[str, int]:
        found.append(0)
        return {"found": len(found)}

    assert remembered(tmp_path, "facts", find) == remembered(tmp_path, "facts", find) == {"found": 1}
    path = tmp_path / "facts.json"
    for count, text in enumerate(("{", '{"found": 7}', path.read_text().replace(": 1", ": 7")), 2):
        path.write_text(text)
        assert remembered(tmp_path, "facts", find) == remembered(tmp_path, "facts", find) == {"found": count}
    assert remembered(None, "facts", find) == {"found": 5}


def test_the_folder_is_in_the_data_or_else_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert usable_folder(tmp_path / "data") == tmp_path / "data" / ".ratbench"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert usable_folder(tmp_path / "file") == tmp_path / "home" / "ratbench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="prepared in memory"):
        assert usable_folder(tmp_path / "file") is None
