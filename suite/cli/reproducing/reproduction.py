"""One printed figure by name: which it is, what it would cost, and what came out."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.board import files
from suite.board.atlas import costs
from suite.board.atlas.markdown import markdown, status
from suite.board.atlas.rows import atlas
from suite.board.atlas.targets import COSTS, REPORTED, Printed, Target
from suite.board.render import words
from suite.board.reported import Reported, reported
from suite.cli.reproducing.comparable import printed, target
from suite.core.names import counted, did_you_mean
from suite.experiments import reproduction
from suite.experiments.schema import Grid
from suite.records.remote.reading import RECORDS, here


@dataclass(frozen=True)
class Reproduction:
    """The printed figures that one cell repeats: of one method, task, size and network, under any recipes."""

    printed: tuple[Printed, ...]
    target: Target  # of the first; the others differ in their recipe alone

    @property
    def name(self) -> str:
        """The name of its grid."""
        return f"{self.target.method}-{self.target.task}-ipc{self.target.ipc}"

    def grid(self, seeds: int, copies: int, settings: Sequence[str]) -> Grid:
        """Return the grid that runs it. settings: changes as by `--set`; it is then no reproduction."""
        own = self.target
        recipes = [each.target.recipe for each in self.printed if isinstance(each.target, Target)]
        return reproduction.one_cell(
            own.method,
            own.task,
            own.ipc,
            network=own.network,
            recipes=list(dict.fromkeys(recipes)),
            seeds=seeds,
            copies=copies,
            settings=settings,
        )

    def before(self, seeds: int) -> Iterator[str]:
        """Yield what is printed, under which conditions, and what `seeds` sets would cost."""
        own = self.target
        yield f"{own.method} on {own.task}, {words.size(own.ipc)}, network {own.network}"
        for each in self.printed:
            hand = "; second hand" * each.entry.second_hand
            recipe = each.target.recipe if isinstance(each.target, Target) else ""
            yield f"printed: {each.entry.text(own.ipc)} ({each.entry.note}{hand}); here recipe {recipe}"
        found = costs.cost(own, costs.step_costs(COSTS))
        if found is None:
            yield "cost: unknown, since no outer step at these settings was measured (`ratbench profile` can)"
            return
        each_set = f"about {found.seconds:,.0f} device-seconds for each of {counted(seeds, 'set')}"
        yield f"cost: {each_set} on one {found.device} ({found.source})"

    def after(self, store: Path) -> Iterator[str]:
        """Yield the status of each printed figure, and accuracies at other settings, by a store's records."""
        store = here(store, RECORDS)
        records = files.read([store]).records if store.exists() else ()
        for row in atlas(records, self.printed, costs=costs.step_costs(COSTS)).rows:
            for each in row.beside:
                yield f"other setting, not compared: {words.percent(each.accuracy)} with {each.conditions}"
            ours = f"{words.percent(row.accuracy)} here, " if row.accuracy else ""
            yield f"status: {status(row)}; {ours}{row.printed.entry.text(row.printed.ipc)} printed"


def published(stores: Sequence[Path]) -> str:
    """Return the atlas of stores as Markdown; log a warning for everything that is left out."""
    found = files.read(stores)
    entries = reported(files.reported_in(stores) or REPORTED)
    made = atlas(found.records, printed(entries), costs=costs.step_costs(COSTS))
    for warning in (*found.warnings, *made.warnings):
        warnings.warn(warning, stacklevel=2)
    return markdown(made)


def find(method: str, task: str, ipc: int) -> Reproduction:
    """Return the figures of a method at a size, on a task or its family.

    Raises ValueError, with what is printed, if there is none, or none that can be repeated here.
    """
    entries = reported(REPORTED)
    of_task = _of_task(entries, method, task)
    found = [each for each in of_task if each.text(ipc)]
    if not found:
        sizes = sorted({figure[0] for each in of_task for figure in each.figures if figure[0]})
        raise ValueError(
            f"no figure is printed for {method} on {task} at {words.size(ipc)}; there are some at "
            f"{', '.join(map(str, sizes))}"
        )
    every = [
        Printed(each, figure, target(each, ipc))
        for each in found
        for figure in each.figures
        if figure[0] == ipc
    ]
    targets = [each.target for each in every if isinstance(each.target, Target)]
    if not targets:
        reasons = "; ".join(dict.fromkeys(str(each.target) for each in every))
        others = sorted(
            {each.method for each in entries if each.task == found[0].task and _repeatable(each, ipc)}
        )
        raise ValueError(
            f"the figure printed for {method} on {task} cannot be repeated here: {reasons}; those of other "
            f"methods can: {', '.join(others) or 'none'}"
        )
    first = targets[0]
    return Reproduction(tuple(each for each in every if _alike(each.target, first)), first)


def _repeatable(entry: Reported, ipc: int) -> bool:
    return bool(entry.text(ipc)) and isinstance(target(entry, ipc), Target)


def _alike(own: Target | str, first: Target) -> bool:
    return isinstance(own, Target) and (own.task, own.network) == (first.task, first.network)


def _of_task(entries: Sequence[Reported], method: str, task: str) -> list[Reported]:
    """Return the entries of a method on a task or its family; raises ValueError if there are none."""
    methods = {each.method for each in entries}
    if method not in methods:
        raise ValueError(f"no figure is printed for method {method!r}; {did_you_mean(method, methods)}")
    own = [each for each in entries if each.method == method]
    found = [each for each in own if task in (each.task, each.variant)]
    if not found:
        printed = ", ".join(dict.fromkeys(each.variant for each in own))
        raise ValueError(f"no figure is printed for {method} on {task}; there are some on {printed}")
    return found
