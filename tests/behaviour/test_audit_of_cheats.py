"""Cheats and accidents in a store, sealed again as who does it can: an audit finds them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from suite.core.scores import SECONDS, Score
from suite.core.sets import sealing
from suite.core.sets.artefacts import write_artefact
from suite.core.sets.synthetic_set import SyntheticSet, one_hot
from suite.records.cells import Evaluation
from suite.records.record import Record
from suite.records.store import Store
from tests.support.audited import DATA, MADE, NAMES, PREPROCESSING, accuracies, audited, first, kinds, sound
from tests.support.stores import change, content

Cheat = Callable[[Store], object]


def read(path: Path) -> Record:
    return Record.model_validate_json(path.read_bytes())


def scored(store: Store, *values: float, **more: Any) -> None:
    path = first(store)
    change(path, scores={**read(path).scores, "accuracy": values}, **more)


def unsealed(store: Store) -> None:
    path = first(store)
    path.write_text(path.read_text().replace(repr(read(path).scores["accuracy"][0]), "0.9"))


def impossible(store: Store) -> None:
    path = first(store)
    text = read(path).model_copy(update={"scores": {"accuracy": (1.7, -3.0, 0.5)}})
    path.write_text(text.to_json())


def of_two_seeds(store: Store) -> tuple[Path, Path]:
    every = sorted(first(store).parent.glob("*.json"))
    good, bad = (path for path in every if read(path).cell.kind == "evaluation")
    return good, bad


def other_seed(store: Store) -> None:
    """Pass the good evaluation of one seed off as that of another."""
    good, bad = of_two_seeds(store)
    change(bad, **{name: getattr(read(good), name) for name in ("scores", "seconds", "device_seconds")})


def other_seed_with_other_times(store: Store) -> None:
    good, bad = of_two_seeds(store)
    change(bad, scores={"accuracy": read(good).scores["accuracy"], "seconds": (1.5, 1.5, 1.5)})


def lucky_seed(store: Store) -> None:
    """Draw seeds of networks until one is good."""
    renewed(first(store), store, seed=12345)


def swapped_sets(store: Store) -> None:
    one, other = sorted((store.path / "artefacts").glob("*.safetensors"))[:2]
    for ending in (".safetensors", ".json"):
        held = one.with_suffix(".held")
        one.with_suffix(ending).rename(held)
        other.with_suffix(ending).rename(one.with_suffix(ending))
        held.rename(other.with_suffix(ending))


def better_set(store: Store, made: SyntheticSet | None = None, *, recorded: bool = False) -> None:
    """Replace a set, with its manifest, and its record if `recorded`."""
    path = first(store, kind="distillation")
    at = store.artefact(read(path).cell.id)
    facts = json.loads(at.with_suffix(".json").read_bytes())
    sha256 = write_artefact(at, made or SyntheticSet.with_hard_labels(torch.rand(10, 1, 1, 8, 8)), facts)
    if recorded:
        change(path, artefact=sha256)


def larger_set(store: Store) -> None:
    made = SyntheticSet.with_hard_labels(torch.rand(10, 50, 1, 8, 8))
    better_set(store, made, recorded=True)
    change(first(store, kind="distillation"), stored_bytes=made.stored_bytes)


def fewer_classes(store: Store) -> None:
    made = SyntheticSet.with_hard_labels(torch.rand(5, 1, 1, 8, 8))
    better_set(store, made, recorded=True)
    change(first(store, kind="distillation"), stored_bytes=made.stored_bytes, classes=5)


def soft_as_hard(store: Store) -> None:
    """Keep labels of a teacher, and neither count their bytes nor say so."""
    labels = torch.rand(10, 1, 10) + one_hot(10, 1)
    better_set(store, SyntheticSet(torch.rand(10, 1, 1, 8, 8), labels), recorded=True)


def not_finite(store: Store) -> None:
    images = torch.rand(10, 1, 1, 8, 8)
    images[3] = torch.nan
    better_set(store, SyntheticSet.with_hard_labels(images), recorded=True)


def poisoned_loader(store: Store) -> None:
    at = next((store.path / "artefacts").glob("*.json"))
    facts = json.loads(at.read_bytes())
    at.write_text(json.dumps({**facts, "loader": facts["loader"] + "\nimport os; os.system('true')\n"}))


def edited_manifest(store: Store) -> None:
    at = next((store.path / "artefacts").glob("*.json"))
    at.write_text(json.dumps({**json.loads(at.read_bytes()), "lr": 0.5}))


def manifest(**values: Any) -> Cheat:
    """Return a cheat that changes a manifest and seals it again."""

    def cheat(store: Store) -> None:
        at = next((store.path / "artefacts").glob("*.json"))
        at.write_text(sealing.to_json({**json.loads(at.read_bytes()), **values}))

    return cheat


def seal_removed(store: Store) -> None:
    at = next((store.path / "artefacts").glob("*.json"))
    facts = json.loads(at.read_bytes())
    at.write_text(json.dumps({name: value for name, value in facts.items() if name != sealing.SEAL}))


def set_as(**settings: Any) -> Cheat:
    """Return a cheat that gives an evaluation other settings, so that its cell is another one."""

    def cheat(store: Store) -> None:
        path = first(store)
        cell = read(path).cell
        assert isinstance(cell, Evaluation)
        renewed(path, store, settings={**cell.settings, **settings})

    return cheat


def hidden_tensor(store: Store) -> None:
    path = first(store, kind="distillation")
    at = store.artefact(read(path).cell.id)
    save_file({**load_file(at), "more": torch.zeros(3)}, at)


def moved(store: Store) -> None:
    path = first(store)
    target = path.parent.with_name("better")
    target.mkdir()
    path.rename(target / path.name)


def renamed(store: Store) -> None:
    """Give the evaluations of a good method to another row."""
    path = first(store)
    made = read(path).model_copy(update={"label": "mine", "sha256": ""})
    path.unlink()
    store.write(made)


def other_task(store: Store) -> None:
    path = first(store)
    made = read(path).model_copy(update={"task": "mnist", "sha256": ""})
    path.unlink()
    store.write(made)


def grown(store: Store) -> None:
    """Show a trial of one image per class among those of ten."""
    path = first(store, kind="distillation")
    made = read(path).model_copy(update={"ipc": 10, "sha256": ""})
    path.unlink()
    store.write(made)


def twice(store: Store) -> None:
    path = first(store)
    target = path.with_name(f"{path.stem}-{DATA[:16]}.json")
    shutil.copy(path, target)
    change(target, scores={"accuracy": accuracies(20)}, seconds=77.0, device_seconds=77.0)


def without(kind: str) -> Cheat:
    return lambda store: first(store, kind=kind).unlink()


def without_set(store: Store) -> None:
    store.artefact(read(first(store, kind="distillation")).cell.id).unlink()


def of_a_failure(store: Store) -> None:
    path = first(store)
    target = store.path / "failures" / path.relative_to(store.path / "records")
    target.parent.mkdir(parents=True)
    path.rename(target)


def other_data(store: Store) -> None:
    for path in (store.path / "records").rglob("*.json"):
        change(path, data="ee" * 32)


def hidden(store: Store) -> None:
    path = first(store)
    (path.parent / "more").mkdir()
    shutil.copy(path, path.parent / "more")


def other_set_evaluated(store: Store) -> None:
    change(first(store), artefact="be" * 32)


def best_of_all(store: Store) -> None:
    """Pass the best set off as that of another seed."""
    every = sorted(first(store).parent.glob("*.json"))
    good, bad = (path for path in every if read(path).cell.kind == "distillation")
    names = (store.artefact(read(path).cell.id) for path in (good, bad))
    shutil.copy(*names)
    at = store.artefact(read(bad).cell.id).with_suffix(".json")
    at.write_text(json.dumps({**json.loads(at.read_bytes()), "sha256": read(good).artefact}))
    change(bad, artefact=read(good).artefact)


def renewed(path: Path, store: Store, label: str = "", **cell: Any) -> None:
    """Change the cell of a record, whose id is then another one."""
    record = read(path)
    path.unlink()
    made = record.cell.model_copy(update=cell)
    store.write(record.model_copy(update={"cell": made, "label": label or record.label, "sha256": ""}))


def curve(**values: tuple[float, ...]) -> Cheat:
    def cheat(store: Store) -> None:
        path = first(store, kind="distillation")
        change(path, curve={**read(path).curve, **values})

    return cheat


def on(kind: str, **values: Any) -> Cheat:
    return lambda store: change(first(store, kind=kind), **values)


CHEATS: dict[str, tuple[Cheat, str]] = {
    "accuracy edited": (unsealed, "error record"),
    "accuracies that cannot be": (impossible, "error record"),
    "accuracy raised by a point": (
        lambda store: scored(store, *(each + 0.01 for each in accuracies(2))),
        "error accuracy",
    ),
    "worst network dropped": (lambda store: scored(store, *accuracies(2)[1:]), "error copies"),
    "another network added": (lambda store: scored(store, *accuracies(2), 1.0), "error copies"),
    "no accuracy": (lambda store: change(first(store), scores={}), "error copies"),
    "another seed's record": (other_seed, "error copied"),
    "another seed's accuracies": (other_seed_with_other_times, "doubt copied"),
    "a lucky seed": (lucky_seed, "doubt seed"),
    "sets swapped": (swapped_sets, "error set"),
    "another set": (better_set, "error set"),
    "fifty images for one": (larger_set, "error set"),
    "five of ten classes": (fewer_classes, "error set"),
    "soft labels called hard": (soft_as_hard, "error set"),
    "a set that is not finite": (not_finite, "error set"),
    "a learned rate put into a manifest": (edited_manifest, "error manifest"),
    "classes swapped in a manifest": (manifest(class_names=[*NAMES[1:], NAMES[0]]), "error set"),
    "pixels scaled by a manifest": (
        manifest(preprocessing={**PREPROCESSING, "std": [0.5]}),
        "error set",
    ),
    "another kind of preprocessing": (manifest(preprocessing=None), "error set"),
    "a manifest of another row": (manifest(label="mine"), "error manifest"),
    "a seal removed": (seal_removed, "doubt manifest"),
    "a tensor beside the set": (hidden_tensor, "error set"),
    "a poisoned loader": (poisoned_loader, "doubt loader"),
    "a record in another row's folder": (moved, "error place"),
    "an evaluation under another label": (renamed, "error link"),
    "a record of another task": (other_task, "error link"),
    "a trial of another size": (grown, "error row"),
    "two records of a cell": (twice, "error twice"),
    "no record of the trial": (without("distillation"), "error link"),
    "no set": (without_set, "error set"),
    "a result among failures": (of_a_failure, "error status"),
    "other data": (other_data, "error data"),
    "a record where none is read": (hidden, "error place"),
    "an evaluation of another set": (other_set_evaluated, "error link"),
    "networks that are no whole number": (set_as(copies=3.0), "error settings"),
    "a setting that the evaluator has not": (set_as(note=1), "error settings"),
    "a recipe that nobody has": (set_as(recipe="/home/me/mine.py"), "error settings"),
    "more networks than accuracies": (set_as(copies=9), "error copies"),
    "lower is better": (
        on("evaluation", described=(Score("accuracy", "accuracy", better="lower", ranks=True), SECONDS)),
        "error settings",
    ),
    "test split not read": (on("evaluation", test_reads=0), "error reads"),
    "no time": (
        on("evaluation", seconds=0.0, device_seconds=0.0, scores={"accuracy": accuracies(2)}),
        "error time",
    ),
    "test split read by a trial": (on("distillation", test_reads=1), "error reads"),
    "test split read for a choice": (on("evaluation", test_reads=9), "error reads"),
    "a trial without a set": (on("distillation", artefact=""), "error set"),
    "device time hidden": (on("distillation", device_seconds=0.5), "error time"),
    "evaluation shorter than its trainings": (on("evaluation", seconds=0.2), "error time"),
    "memory of nothing": (on("distillation", peak_memory_bytes=0), "doubt memory"),
    "memory below the set": (on("distillation", peak_memory_bytes=64), "error memory"),
    "stored bytes hidden": (on("distillation", stored_bytes=1), "error set"),
    "a curve of another length": (curve(outer_loss=(1.0,)), "error curve"),
    "a curve of other steps": (curve(step=(10.0, 30.0)), "error curve"),
    "steps that fall": (curve(step=(20.0, 10.0)), "error curve"),
    "seconds that fall": (curve(seconds=(9.0, 4.0)), "error curve"),
    "a curve longer than the work": (curve(seconds=(4.0, 900.0)), "error curve"),
    "a diverged trial that was scored": (on("distillation", status="diverged"), "error link"),
    "the best set for all seeds": (best_of_all, "doubt copied"),
    "another evaluator's accuracy": (
        lambda store: renewed(first(store), store, base="kernel_regression"),
        "error row",
    ),
    "an evaluator without its source": (
        lambda store: renewed(first(store), store, evaluator="mine", base="/home/me/mine.py"),
        "doubt source",
    ),
    "a method under another one's name": (
        lambda store: renewed(first(store, kind="distillation"), store, method="/home/me/mine.py"),
        "doubt row",
    ),
    "a method without its source": (
        lambda store: renewed(first(store, kind="distillation"), store, label="mine", method="mine"),
        "doubt source",
    ),
    "code with changes": (
        on("evaluation", provenance=MADE.model_copy(update={"commit": "ab+changes"})),
        "doubt code",
    ),
}


def test_a_sound_store_has_no_findings(tmp_path: Path) -> None:
    found = audited(sound(tmp_path / "store"))
    assert not [each.line for each in found.found]
    expected = {"record": 9, "set": 4, "plan": 1, "job": 4, "planned cell": 8, "compared fingerprint": 9}
    assert {name: count for name, count in found.checked.items() if count} == expected


@pytest.mark.parametrize("name", CHEATS)
def test_it_is_found(name: str, tmp_path: Path) -> None:
    cheat, expected = CHEATS[name]
    store = sound(tmp_path / "store")
    cheat(store)
    assert expected in kinds(store)


def left(store: Store) -> Iterator[tuple[str, str]]:
    """Leave things behind; yield each with what an audit says."""
    folder = first(store).parent
    (folder / ".partial-abc").touch()
    yield "partial", "doubt partial"
    (folder / "notes.txt").touch()
    yield "a stranger", "doubt stranger"
    os.mkfifo(folder / "pipe.json")
    yield "a pipe", "error stranger"
    (folder / "folder.json").mkdir()
    yield "a folder", "error stranger"
    (folder / ("f" * 64 + ".json")).symlink_to("/dev/zero")
    yield "a device", "error stranger"
    (folder / ("e" * 64 + ".json")).symlink_to(first(store))
    yield "a link", "error record"
    (store.path / "quarantine").mkdir()
    (store.path / "quarantine/0000-x.json").touch()
    yield "quarantine", "doubt quarantine"
    (store.path / "artefacts" / ("a" * 64 + ".safetensors")).touch()
    yield "a set of no record", "doubt set"
    (store.path / "checkpoints" / read(first(store, kind="distillation")).cell.id).mkdir(parents=True)
    (store.path / "checkpoints" / read(first(store, kind="distillation")).cell.id / "1-ab.pt").write_text("?")
    yield "a checkpoint", "error checkpoint"
    (store.path / "plan/other.json").write_text((store.path / "plan/tiny.json").read_text()[:-20])
    yield "half a plan", "error plan"
    (store.path / "jobs/other.json").write_text("{}")
    yield "a job", "error job"
    (store.path / "store.json").write_text("[" * 100_000)
    yield "the facts of the store", "error store"


def test_what_is_left_behind_is_found_and_nothing_is_written(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    for name, expected in left(store):
        assert expected in kinds(store), name
    before = sorted(path for path in store.path.rglob("*"))
    audited(store)
    assert sorted(path for path in store.path.rglob("*")) == before


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "nested", "binary"])
def test_every_damaged_file_is_found_without_a_traceback(damage: str, tmp_path: Path) -> None:
    """A flipped bit in the text of a plan or a job may stay unnoticed: they have no seal."""
    store = sound(tmp_path / "store")
    for path in sorted(each for each in store.path.rglob("*") if each.is_file()):
        whole = path.read_bytes()
        at = len(whole) // 2
        path.write_bytes(
            {
                "empty": b"",
                "half": whole[:at],
                "flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
                "nested": b'{"a":' * 50_000,
                "binary": b"\xff\xfe\x00" * 100,
            }[damage]
        )
        found = kinds(store)
        text = path.parent.name in ("plan", "jobs")
        if damage != "flipped" or not text:
            assert any(each.startswith("error") for each in found), path
        path.write_bytes(whole)
    assert not kinds(store)


def test_a_store_without_sets_draws_one_doubt(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    shutil.rmtree(store.path / "artefacts")
    found = audited(store)
    assert [each.severity for each in found.found] == ["doubt"] and "4 records" in found.found[0].what


def test_a_read_only_store_is_audited(tmp_path: Path) -> None:
    store = sound(tmp_path / "store")
    before = content(store.path)
    for path in (store.path, *store.path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert not kinds(store)
    finally:
        for path in (store.path, *store.path.rglob("*")):
            path.chmod(0o755)
    assert content(store.path) == before
