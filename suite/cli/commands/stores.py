"""The commands for whole stores: `ratbench status`, `compare`, `merge`, `forget`, `migrate`."""

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from suite.cli.console import console, errors, say, write
from suite.cli.options import folder_only
from suite.core.names import counted
from suite.core.scores import Score

if TYPE_CHECKING:
    from suite.records.stores.merge import Conflict
    from suite.records.stores.reading import Report

_SHOWN = 20  # conflicts that are shown


def status(
    store: Annotated[Path, typer.Argument(help="The store.")],
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh until everything is done, or until Ctrl-C.")
    ] = False,
    format: Annotated[
        Literal["text", "json"], typer.Option(help="text: for people; json: one object, for scripts.")
    ] = "text",
) -> None:
    """Show the progress of a store's grids: cells done, running, failed (and why) and waiting, and the cost.

    It only reads files, so it works during a run, on another machine that sees the store, and after a run was
    killed.

    [bold]ratbench status runs/demo --watch[/]
    """
    from suite.cli.stores import watching

    if watch and format == "json":
        raise ValueError("--watch shows text; leave out --format json, or call the command again and again")
    if watch:
        watching.watch(store)
    else:
        watching.show(store, format)


def compare(
    first: Annotated[
        Path, typer.Argument(help="A store, or an address such as results:dm or results:dm/ipc10.")
    ],
    second: Annotated[
        Path | None, typer.Argument(help="Another one. Leave it out to compare two methods of one store.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A row, by its label or its name on the board. Give it twice to compare the second with the "
            "first."
        ),
    ] = None,
    format: Annotated[
        Literal["table", "markdown", "csv", "json"], typer.Option(help="The format.")
    ] = "table",
) -> None:
    """Compare two methods, or two stores, by task, size, network and recipe.

    The table compares the second (B) with the first (A): the difference of accuracies with an interval paired
    by seed and copy, whether B is better, worse, or not shown to be either, and the ratio of costs. Below the
    table it lists what else differs: settings, data, device, commit, versions.

    [bold]ratbench compare results --method dc --method dm[/]

    [bold]ratbench compare runs/before runs/after[/]
    """
    from suite.board.comparison import pairs
    from suite.cli.stores import comparing

    found = pairs.compare(*comparing.sides(first, second, method or ()))
    if format != "table":
        write(comparing.text(found, format))
        return
    for line in comparing.before(found):
        say(line)
    console.print(comparing.table(found))
    for line in comparing.after(found):
        say(line)


def merge(
    stores: Annotated[list[Path], typer.Argument(help="The stores to merge; they are not changed.")],
    output: Annotated[Path, typer.Option(help="The store to write: a new folder or an existing store.")],
    keep: Annotated[
        Literal["first"] | None,
        typer.Option(
            help="If several stores have a record of one cell, keep that of the first store. An existing "
            "--output counts as the first.",
            show_default="none: conflicts are reported and nothing is written",
        ),
    ] = None,
) -> None:
    """Merge the records, sets, plans and submissions of several stores.

    Equal records are copied once; records of other data are kept side by side. If two stores have different
    records of the same cell, the command shows both and writes nothing, unless --keep says what to do. If it
    leaves out a set, it leaves out the set's evaluations, too. It names damaged files and does not copy them;
    the exit code is then 1. Merging again changes nothing, and continues an interrupted merge.

    [bold]ratbench merge runs/node1 runs/node2 --output runs/all[/]
    """
    from suite.records.remote.reading import all_here
    from suite.records.stores.merge import Merge

    with Merge(all_here(stores), output) as union:
        union.read()
        if keep is None:
            _refuse_conflicts(union.conflicts())
        union.write()
    _say_merged(union.report, output)


def _refuse_conflicts(found: Iterable["Conflict"]) -> None:
    """Print conflicts and raise ValueError if there are any."""
    count = same = 0
    for count, each in enumerate(found, 1):
        same += each.same
        if count <= _SHOWN:
            how = "same result, other costs or code" if each.same else "different results"
            say(f"{each.what}: {how}")
            say(f"  {each.first}")
            say(f"  {each.second}")
    if count > _SHOWN:
        say(f"… and {counted(count - _SHOWN, 'other conflict')}")
    if count:
        alike = f", {same} with the same results," if same else ""
        raise ValueError(
            f"{counted(count, 'conflict')}{alike} and nothing was written: choose --keep first, which keeps "
            "the record of the store that you name first"
        )


def _say_merged(report: "Report", output: Path) -> None:
    done = ", ".join(counted(count, kind) for kind, count in report.done.items() if count)
    there = ", ".join(counted(count, kind) for kind, count in report.present.items() if count)
    say(f"{done or 'nothing new'} written to {output}" + (f"; {there} were there already" if there else ""))
    if out := ", ".join(counted(count, kind) for kind, count in report.superseded.items() if count):
        say(f"left out, since another store's result is kept: {out}")
    _say_left(report)


def _say_left(report: "Report") -> None:
    """Name what stays behind; exit with 1 if there is something."""
    for line in report.left:
        say(f"left behind: {line}", to=errors)
    if report.left:
        raise typer.Exit(1)


class _Registry:
    """Titles of the installed methods and evaluators; others have none: a record's path is never run."""

    def method(self, name: str) -> tuple[str, str]:
        from suite.plugins import registry

        if name not in registry.names("method"):
            return "", ""
        cls = registry.method(name)
        return cls.title, cls.paper

    def evaluator(self, name: str) -> tuple[str, tuple[Score, ...]]:
        from suite.plugins import registry

        if name not in registry.names("evaluator"):
            return "", ()
        cls = registry.evaluator(name)
        return cls.title, cls.scores


def forget(
    store: Annotated[Path, typer.Argument(help="The store.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="Rows, methods, addresses such as dm/ipc10/seed1, or beginnings of ids.",
            show_default="trials whose method's file was edited later",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Move them; otherwise they are only listed.")] = False,
) -> None:
    """Set trials aside, with their evaluations, sets, checkpoints and planned cells.

    By default these are trials of earlier versions of a plug-in's file, whose rows the board shows beside the
    new ones. The files move to STORE/forgotten, and the board no longer shows them. `ratbench merge
    STORE/forgotten --output STORE` brings them back.

    [bold]ratbench forget runs/mine[/]

    [bold]ratbench forget runs/mine dm/ipc10 --yes[/]
    """
    from suite.cli.stores import forgetting
    from suite.records.stores import forget as forgetting_files
    from suite.records.stores import reading

    found_store = reading.opened(folder_only(store))
    reason = forgetting.Named(what) if what else forgetting.Stale()
    with found_store.locked("forget") if yes else nullcontext():
        found = forgetting_files.Forgetting(found_store, reason)
        if isinstance(reason, forgetting.Named):
            reason.check(found_store)
        else:
            for method, why in reason.unknown.items():
                say(f"cannot tell whether {method} was edited: {why}")
        for line in forgetting.told(found):
            say(line)
        if not found.rows:
            say("nothing to forget: every trial has its method's current source")
        elif not yes:
            say(f"nothing was moved; add --yes to move these cells to {store / forgetting_files.FOLDER}")
        else:
            moved = ", ".join(counted(count, kind) for kind, count in found.move().items() if count)
            say(f"{moved} moved to {store / forgetting_files.FOLDER}")


def migrate(
    old: Annotated[Path, typer.Argument(help="The store of protocol 1; it is not changed.")],
    new: Annotated[Path, typer.Argument(help="The folder of the new store.")],
) -> None:
    """Convert a store of an earlier release to the names of this release.

    Records, plans and artefacts are copied under their new names and ids; no number changes. Records keep the
    protocol under which they were measured. Checkpoints are not copied. The exit code is 1 if something could
    not be converted.

    [bold]ratbench migrate runs/fashion-mnist runs/fashion-mnist-2[/]
    """
    from suite.records import migrate as migration

    report = migration.migrate(folder_only(old), folder_only(new), _Registry())
    say(", ".join(counted(count, kind) for kind, count in report.done.items()) + f" written to {new}")
    _say_left(report)
