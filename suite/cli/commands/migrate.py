"""The command that converts an old store to the current protocol: `ratbench migrate`."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli.console import errors, say
from suite.core.names import counted
from suite.core.scores import Score


class _Registry:
    """Titles of the installed methods and evaluators; others have none."""

    def method(self, name: str) -> tuple[str, str]:
        from suite.plugins import registry

        try:
            cls = registry.method(name)
        except ValueError:
            return "", ""
        return cls.title, cls.paper

    def evaluator(self, name: str) -> tuple[str, tuple[Score, ...]]:
        from suite.plugins import registry

        try:
            cls = registry.evaluator(name)
        except ValueError:
            return "", ()
        return cls.title, cls.scores


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

    report = migration.migrate(old, new, _Registry())
    say(", ".join(counted(count, kind) for kind, count in report.done.items()) + f" written to {new}")
    for line in report.left:
        say(f"left behind: {line}", to=errors)
    if report.left:
        raise typer.Exit(1)
