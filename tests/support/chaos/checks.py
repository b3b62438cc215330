"""What holds whenever the processes of a store have stopped, whatever happened to them."""

from collections import Counter

from tests.support.chaos.alike import Seen, of_record, of_store
from tests.support.chaos.kinds.kind import Kind
from tests.support.chaos.reference import Reference, board_of
from tests.support.chaos.world import World

REFUSED = "exit code 2: error: STORE has protocol "
"""What a board says of a store whose damaged store.json states another protocol."""


class Checks:
    """Checks of one store, from pause to pause. repeated: outer steps that were taken again."""

    def __init__(self, world: World, reference: Reference) -> None:
        self.world, self.reference = world, reference
        self.finished, self.failed = set[str](), set[str]()
        self.steps = Counter[tuple[str, int]]()

    @property
    def repeated(self) -> int:
        return sum(count - 1 for count in self.steps.values())

    def pause(self, kind: Kind | None) -> None:
        """Check all that holds after a fault, or after an undisturbed run."""
        world, seen = self.world, Seen(self.world.store)
        whole = self._whole(seen)
        for cell in sorted(self.finished - whole - world.excused):
            world.problems.append(f"lost: {self._told(cell)}")
        for cell in sorted(set(seen.trials) - whole - world.excused):
            world.problems.append(f"a record without its set: {self._told(cell)}")
        for cell, record in sorted(seen.records.items()):
            made, right = of_record(record), self.reference.cores.get(cell)
            world.expect(made == right, f"wrong: {self._told(cell)}: {made} instead of {right}")
        self._begun()
        failed = seen.failures()
        new = failed - self.failed
        world.expect(not new or (kind and kind.fails) or world.excused, f"failed: {sorted(new)}")
        made = board_of(world.store)
        if not made.startswith(REFUSED):
            right = self.reference.board(world.store, sorted(seen.records), bool(failed))
            empty = not seen.records and '"rows": []' in made
            world.expect(made == right or empty, f"wrong figures on the board:\n{made}\ninstead of\n{right}")
        self.finished, self.failed = whole, failed
        world.excused -= whole

    def end(self) -> None:
        """Check a store that an undisturbed run has completed."""
        store, found = self.world.store, of_store(self.world.store)
        wrong = {
            name
            for name in found | self.reference.content
            if found.get(name) != self.reference.content.get(name)
        }
        wrong -= {path.relative_to(store).as_posix() for path in self.world.pictures}
        self.world.expect(not wrong, f"not as undisturbed: {sorted(wrong)}")
        left = [*store.rglob(".partial-*"), *store.glob("running/*"), *store.glob("failures/*/*/*")]
        left += store.glob("checkpoints/*")
        self.world.expect(not left, f"left over: {left}")
        code, text = self.world.beside("audit", store, "--data", self.world.data)
        self.world.expect(code == 0, f"the audit at the end: {text}")

    def _whole(self, seen: Seen) -> set[str]:
        """Return the cells with a valid record, and trials of them that have their set."""
        lacking = {cell for cell in seen.trials if not self.reference.has_set(seen.store, cell)}
        return set(seen.records) - lacking

    def _begun(self) -> None:
        """Check that nothing was done again but what a fault may cost."""
        if not self.world.started.exists():
            return
        for line in self.world.started.read_text().splitlines():
            what, cell, step = line.split()
            if what == "begins":
                again = cell in self.finished and cell not in self.world.excused
                self.world.expect(not again, f"finished, and done again: {self._told(cell)}")
            else:
                self.steps[cell, int(step)] += 1
        self.world.started.unlink()
        for cell in {cell for cell, _ in self.steps}:
            more = sum(count - 1 for (own, _), count in self.steps.items() if own == cell)
            allowed = self.world.steps[cell]
            told = f"{more} outer steps again, {allowed} may be: {self._told(cell)}"
            self.world.expect(more <= allowed, told)

    def _told(self, cell: str) -> str:
        record = self.reference.seen.records.get(cell)
        return f"{cell[:12]} ({record.label}: {record.cell.title})" if record else cell
