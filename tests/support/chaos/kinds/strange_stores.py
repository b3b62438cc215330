"""Records that were edited, are of another protocol, or are in conflict with those of another store."""

import json
import shutil
import subprocess
from pathlib import Path

from suite.records.cells import PROTOCOL, Evaluation, Reference, Trial
from suite.records.record import Record
from tests.support.chaos.alike import Seen
from tests.support.chaos.kinds.kind import Cost, Kind
from tests.support.chaos.world import Missed, World
from tests.support.stores import change, content


class AtRest(Kind):
    """Done while no run is at work."""

    at_rest = True
    at_gate = False
    weight = 3


def drawn(world: World, *kinds: type) -> tuple[Record, Path]:
    """Return one of the valid records of cells of these kinds."""
    seen = Seen(world.store)
    found = [cell for cell, record in sorted(seen.records.items()) if isinstance(record.cell, kinds)]
    if not found:
        raise Missed
    cell = world.draw.choice(found)
    return seen.records[cell], seen.paths[cell]


class Edited(AtRest):
    """A figure of a record is changed and sealed again: the audit finds it, and it is removed as found."""

    cost: Cost = "one cell"

    def strike(self, world: World) -> None:
        record, path = drawn(world, Evaluation, Reference, Trial)
        before, cell = path.read_bytes(), record.cell
        if isinstance(cell, Trial):
            changed: dict[str, object] = {"artefact": "0" * 64}
        elif isinstance(cell, Evaluation) and cell.evaluator != "retrain":
            changed = {"artefact": "f" * 64}
        else:  # another whole share of the test images
            (first, *rest), step = record.scores["accuracy"], world.draw.choice([-3, -1, 1, 2, 5]) / 296
            accuracy = (min(1.0, max(0.0, first + step)), *rest)
            changed = {"scores": {**record.scores, "accuracy": accuracy}}
        if all(getattr(record, name) == value for name, value in changed.items()):
            raise Missed
        change(path, **changed)
        found = world.audited()
        named = cell.id in found or cell.id[:12] in found
        world.expect(named, f"the audit does not find {changed} of {path}: {found}")
        world.expect(before != path.read_bytes(), "the edit changed nothing")
        path.unlink()
        world.excuse({cell.id})


class OfAnotherProtocol(AtRest):
    """A record is replaced by one of another protocol, which counts nowhere."""

    cost: Cost = "one cell"

    def strike(self, world: World) -> None:
        record, path = drawn(world, Evaluation, Reference, Trial)
        change(path, protocol=world.draw.choice([1, PROTOCOL + 1]))
        world.excuse({record.cell.id})


class StoreOfAnotherProtocol(AtRest):
    """A store that says that it has another protocol is refused; nothing is lost."""

    cost: Cost = "nothing"

    def strike(self, world: World) -> None:
        file = world.store / "store.json"
        if not file.is_file():
            raise Missed
        before = file.read_bytes()
        file.write_text(json.dumps({"protocol": world.draw.choice([1, PROTOCOL + 1])}))
        code, text = world.beside(*world.words)
        world.expect(code == 2 and "has protocol" in text, f"another protocol: {code}, {text}")
        file.write_bytes(before)


class Conflicting(AtRest):
    """A store with another result of a cell is merged: nothing is written, or the first one is kept."""

    cost: Cost = "nothing"

    def strike(self, world: World) -> None:
        record, path = drawn(world, Evaluation, Reference)
        other = world.store.with_name("other")
        shutil.rmtree(other, ignore_errors=True)
        subprocess.run(["cp", "-a", world.store, other], check=True)
        accuracy = tuple(1.0 - value for value in record.scores["accuracy"])
        change(other / path.relative_to(world.store), scores={**record.scores, "accuracy": accuracy})
        before, sound = content(world.store), Seen(world.store).paths.values()
        kept = {path.relative_to(world.store).as_posix() for path in sound}
        for keep, codes in ((), (2,)), (("--keep", "first"), (0, 1)):
            code, text = world.beside("merge", other, "--output", world.store, *keep)
            world.expect(code in codes and "Traceback" not in text, f"merge {keep}: {code}, {text}")
            after = content(world.store)
            left = {name for name in before if after.get(name) != before[name]}
            left = {name for name in left if name in kept or name.startswith("artefacts/")}
            world.expect(not left, f"merge {keep} changed {left}: {text}")
        shutil.rmtree(other)


KINDS: list[Kind] = [
    Edited("an edited record, sealed again"),
    OfAnotherProtocol("a record of another protocol"),
    StoreOfAnotherProtocol("a store of another protocol"),
    Conflicting("a conflicting store, merged"),
]
