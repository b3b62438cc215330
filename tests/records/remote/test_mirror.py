"""A local copy and its objects: what goes where, in which order, and who wins."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from suite.experiments import grid
from suite.records.cells import Trial
from suite.records.remote.mirror import Mirror, Scope, of_job
from suite.records.remote.place import Place, RemoteFault
from tests.support.s3_server import S3Server
from tests.support.stores import change, content, record_of

_OWN = ("driver.lock", "checked.json")


@pytest.fixture
def place() -> Place:
    return Place(f"memory://{uuid4().hex}")


@pytest.fixture
def mirror(place: Place, copied: Path) -> Mirror:
    """That of a finished store, of which nothing is sent yet."""
    return Mirror(place, copied)


@pytest.fixture
def other(place: Place, tmp_path: Path) -> Mirror:
    """That of another machine."""
    return Mirror(place, tmp_path / "other")


def files(folder: Path) -> dict[str, str]:
    return {name: digest for name, digest in content(folder).items() if not name.startswith(_OWN)}


def objects(place: Place) -> dict[str, bytes]:
    return dict(place.read(dict.fromkeys(place.listed(), 1)))


def noted(patch: pytest.MonkeyPatch, *actions: str) -> list[str]:
    """Return a list that gets the names of all objects of these actions."""
    names: list[str] = []

    def following(action: Callable[..., Any]) -> Callable[..., Any]:
        def act(place: Place, objects: Any, *others: Any) -> Any:
            names.extend([objects] if isinstance(objects, str) else objects)
            return action(place, objects, *others)

        return act

    for action in actions:
        patch.setattr(Place, action, following(getattr(Place, action)))
    return names


def test_another_machine_gets_the_same_files(mirror: Mirror, other: Mirror) -> None:
    mirror.push()
    other.pull()
    assert files(other.folder) == files(mirror.folder) and len(files(other.folder)) > 9


@pytest.mark.parametrize("many", [0, 100])
def test_only_what_changed_is_moved(
    many: int, mirror: Mirror, other: Mirror, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suite.records.remote.mirror._MANY", many)
    mirror.push()
    other.pull()
    moved = noted(monkeypatch, "read", "write")
    mirror.push()
    other.pull()
    assert moved == []
    (mirror.folder / "leaderboard.md").write_text("new")
    mirror.push()
    other.pull()
    assert moved == ["leaderboard.md"] * 2 and (other.folder / "leaderboard.md").read_text() == "new"


def test_what_is_equal_is_remembered(mirror: Mirror, place: Place, tmp_path: Path) -> None:
    mirror.push()
    index, folder = tmp_path / "index.json", tmp_path / "kept"
    first = Mirror(place, folder, index)
    first.pull()
    first.save()
    again, before = Mirror(place, folder, index), {path: path.stat() for path in folder.rglob("*.json")}
    again.pull()
    assert {path: path.stat() for path in folder.rglob("*.json")} == before
    index.write_text("{")
    Mirror(place, folder, index).pull()
    assert files(folder) == files(mirror.folder)


def test_a_set_goes_before_its_record_and_a_checkpoint_goes_last(
    mirror: Mirror, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens in between, a record has its set, and a trial without a record its checkpoint."""
    trial = record_of(mirror.folder, "rat_bptt", Trial).stem
    checkpoint = mirror.folder / "checkpoints" / trial / f"{1:09d}-{'0' * 16}.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"state")
    all_ = Scope(("",))
    mirror.push(Scope(("checkpoints/",)))
    shutil.rmtree(checkpoint.parent)
    order = noted(monkeypatch, "write", "create", "remove")
    mirror.push(all_)
    kinds = [Path(name).parts[0] if not name.endswith(".safetensors") else "set" for name in order]
    first_record, last_set = kinds.index("records"), len(kinds) - kinds[::-1].index("set")
    assert last_set <= kinds.index("artefacts") and kinds.index("artefacts") < first_record
    assert set(kinds[first_record:-1]) == {"records"} and kinds[-1] == "checkpoints"


def test_files_that_are_gone_there_go_here_and_the_other_way_round(mirror: Mirror, other: Mirror) -> None:
    mirror.push()
    other.pull()
    gone, here = record_of(mirror.folder, "rat_bptt", Trial), record_of(other.folder, "random_subset", Trial)
    gone.unlink()
    mirror.push()
    other.pull()
    assert not (other.folder / gone.relative_to(mirror.folder)).exists()
    here.unlink()
    other.push()
    mirror.pull()
    assert not (mirror.folder / here.relative_to(other.folder)).exists()


def test_what_was_not_sent_is_no_part_of_the_store(mirror: Mirror, other: Mirror) -> None:
    """Of a process that was killed: the others have gone on without it."""
    mirror.push()
    other.pull()
    left = other.folder / "records" / "left.json"
    left.write_text("{}")
    other.pull()
    assert not left.exists() and files(other.folder) == files(mirror.folder)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"protocol": 2}'])
def test_the_first_valid_record_wins_with_its_set(
    damage: bytes, mirror: Mirror, other: Mirror, place: Place
) -> None:
    path = record_of(mirror.folder, "rat_bptt", Trial)
    name, set_ = path.relative_to(mirror.folder).as_posix(), f"artefacts/{path.stem}.safetensors"
    shutil.copytree(mirror.folder, other.folder)
    change(other.folder / name, seconds=99.0)
    (other.folder / set_).write_bytes(b"another set")
    mirror.push()
    first = objects(place)
    other.push()
    assert objects(place) == first, "nothing was replaced"
    assert (other.folder / name).read_bytes() == first[name] and (other.folder / set_).read_bytes() == first[
        set_
    ]

    third = Mirror(place, other.folder.with_name("third"))
    shutil.copytree(mirror.folder, third.folder)
    ours = change(third.folder / name, seconds=7.0).to_json().encode()
    place.put(name, damage)
    third.push()
    found = objects(place)
    assert found[name] == ours == (third.folder / name).read_bytes()
    assert damage in [found[each] for each in found if each.startswith("quarantine/")]


def test_a_record_that_is_renewed_replaces_the_one_that_it_renews(
    mirror: Mirror, other: Mirror, place: Place
) -> None:
    mirror.push()
    other.pull()
    path = record_of(mirror.folder, "rat_bptt", Trial)
    name = path.relative_to(mirror.folder).as_posix()
    change(path, seconds=1.0)
    mirror.push()
    assert objects(place)[name] == path.read_bytes()
    change(other.folder / name, seconds=2.0)  # renewed where the renewed one was not seen
    other.push()
    assert objects(place)[name] == path.read_bytes() == (other.folder / name).read_bytes()


def test_a_write_whose_answer_was_lost_is_no_conflict(
    mirror: Mirror, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Place.create

    def unheard(own: Place, name: str, content: bytes) -> None:
        create(own, name, content)
        raise FileExistsError(name)

    monkeypatch.setattr(Place, "create", unheard)
    mirror.push()
    mirror.push()
    assert set(place.listed()) == set(files(mirror.folder))


def test_a_record_that_is_damaged_again_and_again(
    mirror: Mirror, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(own: Place, name: str, content: bytes) -> None:
        own.put(name, b"{")
        raise FileExistsError(name)

    monkeypatch.setattr(Place, "create", spoilt)
    with pytest.raises(RemoteFault, match=r"memory://.*json is damaged again and again"):
        mirror.push()


def test_what_was_set_aside_is_kept_there(mirror: Mirror, other: Mirror, place: Place) -> None:
    """Machines give the same names to what they set aside."""
    for machine in (mirror, other):
        machine.pull(Scope(("nothing",)))
        folder = machine.folder / "quarantine"
        folder.mkdir(parents=True)
        (folder / "0000-a.json").write_text(f"damaged on {machine.folder.name}")
        machine.push()
        machine.push()
    kept = {name: text for name, text in objects(place).items() if name.startswith("quarantine/")}
    assert sorted(kept.values()) == [b"damaged on copy", b"damaged on other"]
    assert all(name.endswith("-0000-a.json") for name in kept)


def test_a_machines_own_files_stay(mirror: Mirror, place: Place) -> None:
    for name in (
        "checked.json",
        "compiled/cpu/a.artifacts",
        ".tune-x/a",
        "records/.partial-a-b",
        "running/a.json",
    ):
        (mirror.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.folder / name).write_text("own")
    mirror.push()
    assert b"own" not in objects(place).values()


def test_objects_that_cannot_be_files_are_left_out(url: str, s3: S3Server, tmp_path: Path) -> None:
    for name in ("../up", "a", "a/below", "store.json"):
        s3.write(f"{url.removeprefix('s3://bucket/')}/{name}", b"{}")
    Mirror(Place(url), tmp_path / "copy").pull()
    assert not (tmp_path / "up").exists() and set(files(tmp_path / "copy")) == {"a/below", "store.json"}


def test_a_job_gets_its_own_files(mirror: Mirror, other: Mirror, finished: tuple[Path, Path, object]) -> None:
    mirror.push()
    jobs = {job.label: job for job in grid.jobs(grid.load(finished[0]))}
    job = jobs["rat_bptt"]
    other.pull(of_job(job))
    names = set(files(other.folder))
    sets = {f"artefacts/{job.id}{ending}" for ending in (".safetensors", ".json")}
    records = {path.stem for path in other.folder.glob("records/*/rat_bptt/*.json")}
    assert sets < names and records == {cell.id for cell in job.cells}
    assert len(names) == len(sets) + len(records) + 1, "and store.json"
    before = objects(mirror.place)
    other.forget(of_job(job))
    other.push(of_job(job))
    assert not files(other.folder) and objects(mirror.place) == before, "only the copy is gone"
